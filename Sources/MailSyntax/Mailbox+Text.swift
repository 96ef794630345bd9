extension Mailbox {
  /// Writes a local part as a dot-string where it is one, else as a quoted string.
  static func quoteIfNeeded(_ localPart: String) -> String {
    let atoms = localPart.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    let isDotString = atoms.allSatisfy { atom in !atom.isEmpty && atom.allSatisfy { $0 >= 0x80 || $0.isAtomText } }
    guard !isDotString else { return localPart }
    // By scalar, not by Character: a combining mark behind a quote mustn't hide it.
    var quoted = "\""
    for scalar in localPart.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { quoted.unicodeScalars.append("\\") }
      quoted.unicodeScalars.append(scalar)
    }
    return quoted + "\""
  }

  /// Reads `local@domain` whole, without angle brackets: dot-string or quoted-string local part, name or literal.
  public init(_ text: some StringProtocol) throws(MailSyntaxError) {
    let octets = Array(text.utf8)
    guard octets.count <= Mailbox.maximumPathOctets - 2 else { throw .pathTooLong }
    guard let at = octets.lastIndex(of: UInt8(ascii: "@")) else { throw .missingAtSign }
    localPart = try Mailbox.readLocalPart(octets[..<at])
    guard !localPart.hasUpperControl else { throw .controlCharacter }
    domain = try MailDomain(String(decoding: octets[(at + 1)...], as: UTF8.self))
  }

  private static func readLocalPart(_ octets: ArraySlice<UInt8>) throws(MailSyntaxError) -> String {
    guard !octets.isEmpty else { throw .emptyLocalPart }
    guard octets.count <= maximumLocalPartOctets else { throw .localPartTooLong }
    guard octets.first == UInt8(ascii: "\"") else {
      let atoms = octets.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      guard atoms.allSatisfy({ atom in !atom.isEmpty && atom.allSatisfy { $0 >= 0x80 || $0.isAtomText } }) else {
        throw .badLocalPart
      }
      return String(decoding: octets, as: UTF8.self)
    }
    guard octets.count >= 2, octets.last == UInt8(ascii: "\"") else { throw .badLocalPart }
    var content: [UInt8] = []
    var isEscaped = false
    for octet in octets.dropFirst().dropLast() {
      guard octet >= 0x20, octet != 0x7f else { throw .badLocalPart }
      if isEscaped {
        content.append(octet)
        isEscaped = false
      } else if octet == UInt8(ascii: "\\") {
        isEscaped = true
      } else {
        guard octet != UInt8(ascii: "\"") else { throw .badLocalPart }
        content.append(octet)
      }
    }
    guard !isEscaped else { throw .badLocalPart }
    // Erratum 5414 to RFC 5321: an empty quoted string is no local part.
    guard !content.isEmpty else { throw .emptyLocalPart }
    return String(decoding: content, as: UTF8.self)
  }
}

extension MailDomain {
  /// Reads a domain name, or an address literal in brackets.
  public init(_ text: some StringProtocol) throws(MailSyntaxError) {
    guard text.utf8.first == UInt8(ascii: "[") else {
      self = .name(try DomainName(text))
      return
    }
    self = .literal(try AddressLiteral(text))
  }
}

extension AddressLiteral {
  /// Reads the literal with its brackets.
  public init(_ text: some StringProtocol) throws(MailSyntaxError) {
    let octets = Array(text.utf8)
    guard octets.first == UInt8(ascii: "["), octets.last == UInt8(ascii: "]"), octets.count > 2 else {
      throw .badAddressLiteral
    }
    let inner = String(decoding: octets.dropFirst().dropLast(), as: UTF8.self)
    let prefix = "ipv6:"
    if inner.prefix(prefix.count).lowercasedASCII() == prefix {
      guard let address = IPAddress(inner.dropFirst(prefix.count)), case .v6 = address else { throw .badAddressLiteral }
      self.init(address)
    } else {
      guard let address = IPAddress(inner), case .v4 = address else { throw .badAddressLiteral }
      self.init(address)
    }
  }
}

extension ReversePath {
  /// Reads the path with its angle brackets; a source route is taken and dropped (RFC 5321 appendix C).
  public init(_ text: some StringProtocol) throws(MailSyntaxError) {
    guard text.utf8.elementsEqual("<>".utf8) else {
      self = .mailbox(try Mailbox(try innerPath(text)))
      return
    }
    self = .null
  }
}

extension ForwardPath {
  /// Reads the path with its angle brackets; a source route is taken and dropped (RFC 5321 appendix C).
  public init(_ text: some StringProtocol) throws(MailSyntaxError) {
    let inner = try innerPath(text)
    // RFC 5321 §4.1.1.3: the one local part that may stand without a domain, in any case.
    self = inner.lowercasedASCII() == "postmaster" ? .postmaster : .mailbox(try Mailbox(inner))
  }
}

extension HostIdentity {
  public static let maximumOctets = 255

  /// Reads what stands behind EHLO: a name, a literal, or other printable ASCII without spaces; nil for all else.
  public init?(_ text: some StringProtocol) {
    if let name = try? DomainName(text) {
      self = .name(name)
    } else if let literal = try? AddressLiteral(text) {
      self = .literal(literal)
    } else {
      let octets = text.utf8
      guard (1...HostIdentity.maximumOctets).contains(octets.count), octets.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
      else { return nil }
      self = .unrecognised(String(text))
    }
  }
}

private func innerPath(_ text: some StringProtocol) throws(MailSyntaxError) -> String {
  // Octets throughout: as a Character, `<` and a combining mark behind it are one.
  let octets = Array(text.utf8)
  guard octets.first == UInt8(ascii: "<"), octets.last == UInt8(ascii: ">"), octets.count >= 2 else { throw .badPath }
  guard octets.count <= Mailbox.maximumPathOctets else { throw .pathTooLong }
  let inner = octets.dropFirst().dropLast()
  guard inner.first == UInt8(ascii: "@") else { return String(decoding: inner, as: UTF8.self) }
  guard let colon = inner.firstIndex(of: UInt8(ascii: ":")) else { throw .badPath }
  for hop in inner[..<colon].split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
    guard hop.first == UInt8(ascii: "@") else { throw .badPath }
    _ = try DomainName(String(decoding: hop.dropFirst(), as: UTF8.self))
  }
  return String(decoding: inner[(colon + 1)...], as: UTF8.self)
}

extension StringProtocol {
  /// Unicode's control characters above ASCII: no address has a use for them, and logs and terminals obey them.
  var hasUpperControl: Bool {
    utf8.contains { $0 >= 0x80 } && unicodeScalars.contains { (0x80...0x9f).contains($0.value) }
  }
}
