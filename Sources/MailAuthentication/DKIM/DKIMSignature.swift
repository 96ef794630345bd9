public import MailSyntax

/// A DKIM-Signature field, read: who signed what, and how. Nothing of it is proven. Its names outside ASCII stand here by
/// their A-labels, where they have such. Source: RFC 6376 §3.5; RFC 8616 §4.
public struct DKIMSignature: Hashable, Sendable {
  /// More names in `h=` than this are refused; each of them is a search through the header section.
  public static let maximumFieldNames = 1_000
  /// Octets of `b=`: an RSA key of 4096 bits makes 512.
  public static let maximumSignatureOctets = 512

  public enum Algorithm: String, Hashable, Sendable, CaseIterable {
    case rsaSHA256 = "rsa-sha256"
    case ed25519SHA256 = "ed25519-sha256"
    /// Named so that it can be refused (RFC 8301 §3.1).
    case rsaSHA1 = "rsa-sha1"
  }

  public let algorithm: Algorithm
  public let signature: [UInt8]
  public let bodyHash: [UInt8]
  public let headerCanonicalization: DKIMCanonicalization
  public let bodyCanonicalization: DKIMCanonicalization
  /// `d=`: who takes the responsibility.
  public let domain: DomainName
  public let selector: DomainName
  /// `h=` in lower case, in its order, with repetitions.
  public let fieldNames: [String]
  /// `i=`, where it stands: a mailbox in the domain or below it, with or without a local part.
  public let identity: String?
  /// `l=`: how many octets of the canonical body count; nil for all.
  public let bodyLimit: Int?
  public let signedAt: UTCInstant?
  public let expiresAt: UTCInstant?
  /// Where the value of `b=` stands in the field's value; it is left out of what is signed.
  let signatureRange: Range<Int>

  /// - Parameter value: of the field, behind the colon, folding included.
  public init(
    _ value: some Collection<UInt8>, converter: any IDNAConverter = UnchangedNames()
  ) throws(DKIMSignatureFault) {
    let tags: TagList
    do throws(TagList.Fault) { tags = try TagList(value) } catch { throw DKIMSignatureFault("\(error)") }
    guard try tags.required("v") == "1" else { throw DKIMSignatureFault("v= is not 1", .unusable) }
    guard let algorithm = Algorithm(rawValue: try tags.required("a").lowercasedASCII()) else {
      throw DKIMSignatureFault("a= is none of \(Algorithm.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    self.algorithm = algorithm
    signature = try tags.octets("b", atMost: DKIMSignature.maximumSignatureOctets)
    signatureRange = tags.tag("b")?.valueRange ?? 0..<0
    bodyHash = try tags.octets("bh", atMost: 64)
    domain = converter.canonicalForm(of: try tags.name("d"))
    selector = converter.canonicalForm(of: try tags.name("s"))
    (headerCanonicalization, bodyCanonicalization) = try tags.canonicalizations()
    fieldNames = try tags.fieldNames()
    identity = try tags.identity(in: domain, converter)
    bodyLimit = try tags.number("l").map { Int(clamping: $0) }
    signedAt = try tags.number("t").map(UTCInstant.init(clampingSeconds:))
    expiresAt = try tags.number("x").map(UTCInstant.init(clampingSeconds:))
    if let signedAt, let expiresAt, expiresAt <= signedAt {
      throw DKIMSignatureFault("x= is not behind t=: it had expired before it was made")
    }
    // RFC 6376 §3.5: queries of other kinds are passed over; without one of this kind there is no key.
    let methods = (tags["q"] ?? "dns/txt").lowercasedASCII().split(separator: ":").map {
      $0.filter { !$0.isWhitespace }
    }
    guard methods.contains("dns/txt") else { throw DKIMSignatureFault("q= has no dns/txt") }
  }

  /// Where the key is published (RFC 6376 §3.6.2.1); nil where the name would be too long, or has no ASCII form.
  public var keyName: DomainName? {
    guard let name = try? DomainName("\(selector)._domainkey", under: domain), name.isASCII else { return nil }
    return name
  }

  /// As Authentication-Results tells one signature from another: the beginning of `b=` (RFC 6008 §3).
  public var mark: String { String(decoding: Base64.encode(signature).prefix(8), as: UTF8.self) }
}

/// Why a field is no signature.
public struct DKIMSignatureFault: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Hashable, Sendable {
    case unreadable
    /// It can be read, and says of itself that it proves nothing (RFC 6376 §6.1.1).
    case unusable
  }

  public let description: String
  public let kind: Kind
  init(_ description: String, _ kind: Kind = .unreadable) {
    self.description = description
    self.kind = kind
  }
}

extension TagList {
  fileprivate func required(_ name: String) throws(DKIMSignatureFault) -> String {
    guard let value = self[name], !value.isEmpty else { throw DKIMSignatureFault("\(name)= is missing") }
    return value
  }

  /// Base64 with white space anywhere in it.
  fileprivate func octets(_ name: String, atMost limit: Int) throws(DKIMSignatureFault) -> [UInt8] {
    guard let octets = Base64.decode(try required(name).utf8.filter { !isSpace($0) }), !octets.isEmpty else {
      throw DKIMSignatureFault("\(name)= is no base64")
    }
    guard octets.count <= limit else { throw DKIMSignatureFault("\(name)= has more than \(limit) octets") }
    return octets
  }

  fileprivate func name(_ tag: String) throws(DKIMSignatureFault) -> DomainName {
    guard let name = try? DomainName(try required(tag)) else { throw DKIMSignatureFault("\(tag)= is no domain name") }
    return name
  }

  /// Decimal, at most twelve digits, which reach beyond the year 30000 (RFC 6376 §3.5).
  fileprivate func number(_ name: String) throws(DKIMSignatureFault) -> Int64? {
    guard let value = self[name] else { return nil }
    guard (1...76).contains(value.utf8.count), value.utf8.allSatisfy(\.isASCIIDigit) else {
      throw DKIMSignatureFault("\(name)= is no number")
    }
    return Int64(value) ?? .max
  }

  /// `header/body`; what isn't said is simple.
  fileprivate func canonicalizations() throws(DKIMSignatureFault) -> (DKIMCanonicalization, DKIMCanonicalization) {
    guard let value = self["c"] else { return (.simple, .simple) }
    let parts = value.lowercasedASCII().split(separator: "/", omittingEmptySubsequences: false)
    let known = parts.compactMap { DKIMCanonicalization(rawValue: String($0)) }
    guard (1...2).contains(parts.count), known.count == parts.count else {
      throw DKIMSignatureFault("c= is none of simple and relaxed, or two of them with a slash between")
    }
    return (known[0], known.count == 2 ? known[1] : .simple)
  }

  fileprivate func fieldNames() throws(DKIMSignatureFault) -> [String] {
    let names = try required("h").lowercasedASCII().split(separator: ":", omittingEmptySubsequences: false)
      .map { $0.utf8.filter { !isSpace($0) } }
    guard names.count <= DKIMSignature.maximumFieldNames else {
      throw DKIMSignatureFault("h= has more than \(DKIMSignature.maximumFieldNames) names")
    }
    guard names.allSatisfy({ !$0.isEmpty && $0.allSatisfy { (0x21...0x7e).contains($0) } }) else {
      throw DKIMSignatureFault("h= has a name that is none")
    }
    let texts = names.map { String(decoding: $0, as: UTF8.self) }
    // RFC 6376 §5.4, §6.1.1: the author's field is signed, or nothing is.
    guard texts.contains("from") else { throw DKIMSignatureFault("h= is without From", .unusable) }
    return texts
  }

  /// RFC 6376 §3.5, §6.1.1: its domain is `d=` or below.
  fileprivate func identity(
    in domain: DomainName, _ converter: any IDNAConverter
  ) throws(DKIMSignatureFault) -> String? {
    guard let value = self["i"] else { return nil }
    guard let at = value.lastIndex(of: "@"), let written = try? DomainName(value[value.index(after: at)...]) else {
      throw DKIMSignatureFault("i= is no mailbox")
    }
    let name = converter.canonicalForm(of: written)
    guard name.isAtOrBelow(domain) else { throw DKIMSignatureFault("i= is not in the domain of d=", .unusable) }
    return "\(value[...at])\(name)"
  }
}

extension UTCInstant {
  /// A peer's number may lie beyond what an instant holds.
  fileprivate init(clampingSeconds seconds: Int64) {
    let (nanoseconds, isTooMuch) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    self.init(nanoseconds: isTooMuch ? .max : nanoseconds)
  }
}
