/// A mailbox: local part and domain. Source: RFC 5321 §4.1.2; RFC 6531 §3.3.
///
/// `localPart` is the value with quoting removed; `description` writes it quoted only where it must be.
/// Local parts compare octet for octet, domains without case (RFC 5321 §2.4).
/// Bounds: local part 1 to 64 octets, path at most 256 octets with its angle brackets (§4.5.3.1).
public struct Mailbox: Hashable, Sendable, CustomStringConvertible {
  public static let maximumLocalPartOctets = 64
  public static let maximumPathOctets = 256

  public let localPart: String
  public let domain: MailDomain

  /// Trusts its parts: the parser and code of ours call it with values they made.
  public init(localPart: String, domain: MailDomain) {
    self.localPart = localPart
    self.domain = domain
  }

  public var isASCII: Bool { localPart.utf8.allSatisfy { $0 < 0x80 } && domain.isASCII }
  public var description: String { "\(Mailbox.quoteIfNeeded(localPart))@\(domain)" }

  // Not as strings compare: to them a letter and its accent are what both are in one, and only the host of a domain may
  // say that two spellings are one mailbox (RFC 5321 §2.4).
  public static func == (left: Mailbox, right: Mailbox) -> Bool {
    left.localPart.utf8.elementsEqual(right.localPart.utf8) && left.domain == right.domain
  }
  public func hash(into hasher: inout Hasher) {
    for octet in localPart.utf8 { hasher.combine(octet) }
    // Ends the local part, in which no UTF-8 has this octet.
    hasher.combine(0xff as UInt8)
    hasher.combine(domain)
  }

  /// `anna+lists` as `anna` and `+lists`: the user and the detail of RFC 5233 §1. By octets, so that what combines with
  /// the delimiter doesn't hide it. Nil without a delimiter behind the first octet.
  public static func splitDetail(
    of localPart: String, at delimiter: UInt8
  ) -> (user: Substring, detail: Substring)? {
    guard let at = localPart.utf8.firstIndex(of: delimiter), at > localPart.startIndex else { return nil }
    return (localPart[..<at], localPart[at...])
  }
}

/// What stands behind the @: a name, or an address in brackets.
public enum MailDomain: Hashable, Sendable, CustomStringConvertible {
  case name(DomainName)
  case literal(AddressLiteral)

  public var isASCII: Bool {
    switch self {
    case .name(let name): name.isASCII
    case .literal: true
    }
  }
  public var name: DomainName? {
    switch self {
    case .name(let name): name
    case .literal: nil
    }
  }
  public var description: String {
    switch self {
    case .name(let name): name.description
    case .literal(let literal): literal.description
    }
  }
}

/// An address literal, `[192.0.2.1]` or `[IPv6:2001:db8::1]`. Source: RFC 5321 §4.1.3.
public struct AddressLiteral: Hashable, Sendable, CustomStringConvertible {
  public let address: IPAddress
  public init(_ address: IPAddress) { self.address = address }
  public var description: String {
    switch address {
    case .v4: "[\(address)]"
    case .v6: "[IPv6:\(address)]"
    }
  }
}

/// The envelope's sender: `<>` or a mailbox. Source: RFC 5321 §4.1.1.2.
public enum ReversePath: Hashable, Sendable, CustomStringConvertible {
  case null
  case mailbox(Mailbox)

  public var mailbox: Mailbox? {
    switch self {
    case .null: nil
    case .mailbox(let mailbox): mailbox
    }
  }
  public var isASCII: Bool { mailbox?.isASCII ?? true }
  /// With angle brackets, as MAIL FROM carries it.
  public var description: String {
    switch self {
    case .null: "<>"
    case .mailbox(let mailbox): "<\(mailbox)>"
    }
  }
}

/// The envelope's recipient: a mailbox, or `<postmaster>` without a domain. Source: RFC 5321 §4.1.1.3.
public enum ForwardPath: Hashable, Sendable, CustomStringConvertible {
  case postmaster
  case mailbox(Mailbox)

  public var mailbox: Mailbox? {
    switch self {
    case .postmaster: nil
    case .mailbox(let mailbox): mailbox
    }
  }
  public var isASCII: Bool { mailbox?.isASCII ?? true }
  /// With angle brackets, as RCPT TO carries it.
  public var description: String {
    switch self {
    case .postmaster: "<postmaster>"
    case .mailbox(let mailbox): "<\(mailbox)>"
    }
  }
}

/// The name a client gives in EHLO or HELO, or a server in its greeting: a domain, a literal, or text that is
/// neither, which RFC 5321 §4.1.4 forbids to refuse for not matching and which is kept for the trace.
public enum HostIdentity: Hashable, Sendable, CustomStringConvertible {
  case name(DomainName)
  case literal(AddressLiteral)
  /// Printable ASCII without spaces, at most 255 octets.
  case unrecognised(String)

  public var description: String {
    switch self {
    case .name(let name): name.description
    case .literal(let literal): literal.description
    case .unrecognised(let text): text
    }
  }
}
