import MailSyntax

/// What is wrong with a file of trust anchors, and in which line.
public struct TrustAnchorFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// Nil where it is the file as a whole.
  public let line: Int?
  public let reason: String

  public var description: String { line.map { "line \($0): \(reason)" } ?? reason }
}

/// Reads DS and DNSKEY records as `ldns-key2ds`, `dnssec-dsfromkey`, `unbound-anchor` and Debian's dns-root-data write
/// them: one record a line, `;` before a comment.
///
/// A file that `unbound-anchor` keeps notes the state of each key (RFC 5011 §4); those that it doesn't trust are left
/// out, and so are revoked ones.
public enum TrustAnchorFile {
  public static let maximumOctets = 65_536
  public static let maximumAnchors = 64

  public static func parse(_ octets: [UInt8]) throws(TrustAnchorFault) -> [TrustAnchor] {
    guard octets.count <= maximumOctets else {
      throw TrustAnchorFault(line: nil, reason: "more than \(maximumOctets) octets")
    }
    var anchors: [TrustAnchor] = []
    for (index, line) in octets.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      guard let text = String(validating: line, as: UTF8.self) else {
        throw TrustAnchorFault(line: index + 1, reason: "this is no text")
      }
      do throws(Complaint) {
        if let anchor = try read(text) { anchors.append(anchor) }
      } catch {
        throw TrustAnchorFault(line: index + 1, reason: error.text)
      }
      guard anchors.count <= maximumAnchors else {
        throw TrustAnchorFault(line: index + 1, reason: "more than \(maximumAnchors) anchors")
      }
    }
    guard !anchors.isEmpty else { throw TrustAnchorFault(line: nil, reason: "there is no DS or DNSKEY record in it") }
    return anchors
  }

  private struct Complaint: Error {
    let text: String
    init(_ text: String) { self.text = text }
  }

  /// Nil for what is no record, or one that isn't trusted.
  private static func read(_ line: String) throws(Complaint) -> TrustAnchor? {
    let parts = line.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)
    var fields = parts[0].split { $0 == " " || $0 == "\t" || $0 == "\r" }[...]
    guard let owner = fields.popFirst(), let first = line.utf8.first else { return nil }
    guard first != UInt8(ascii: " "), first != UInt8(ascii: "\t") else {
      throw Complaint("the name of the zone is missing")
    }
    guard !owner.hasPrefix("$") else { throw Complaint("\(owner) is not understood here: write every name out") }
    guard !parts[0].contains("(") else { throw Complaint("a record over several lines: write it on one") }
    let zone = try zone(owner)
    while let field = fields.first, field.uppercased() == "IN" || field.utf8.allSatisfy(\.isASCIIDigit) {
      fields.removeFirst()
    }
    guard let type = fields.popFirst() else { throw Complaint("there is no record behind the name") }
    let isTrusted = parts.count == 1 || isTrusted(comment: parts[1])
    switch type.uppercased() {
    case "DS": return try readDS(Array(fields), zone: zone)
    case "DNSKEY":
      let anchor = try readKey(Array(fields), zone: zone)
      return isTrusted ? anchor : nil
    case let other: throw Complaint("a record of type \(other): an anchor is a DS or DNSKEY record")
    }
  }

  private static func zone(_ owner: Substring) throws(Complaint) -> DomainName? {
    guard owner != "." else { return nil }
    let name = owner.hasSuffix(".") ? owner.dropLast() : owner
    do throws(MailSyntaxError) {
      return try DomainName(name)
    } catch {
      throw Complaint("'\(owner)' is not a domain: \(error)")
    }
  }

  /// `;;state=2 [ VALID ]` and `;;state=3 [ MISSING ]` are trusted, as RFC 5011 §4.2 has it; no note means no doubt.
  private static func isTrusted(comment: Substring) -> Bool {
    guard let note = comment.firstRange(of: "state=") else { return true }
    return comment[note.upperBound...].first.map { "23".contains($0) } ?? false
  }

  /// RFC 4034 §5.1. The digests that are in use: SHA-1, SHA-256 and SHA-384.
  private static func readDS(_ fields: [Substring], zone: DomainName?) throws(Complaint) -> TrustAnchor {
    guard fields.count >= 4, let tag = UInt16(fields[0]), UInt8(fields[1]) != nil, let kind = UInt8(fields[2]) else {
      throw Complaint("a DS record has a key tag, an algorithm, a type of digest and the digest")
    }
    let octets: Int
    switch kind {
    case 1: octets = 20
    case 2: octets = 32
    case 4: octets = 48
    case _: throw Complaint("the type of digest \(kind) is not known")
    }
    let digest = fields[3...].joined()
    guard digest.utf8.count == 2 * octets, digest.utf8.allSatisfy(\.isHexadecimal) else {
      throw Complaint("a digest of type \(kind) has \(2 * octets) hexadecimal digits")
    }
    return TrustAnchor(zone: zone, keyTag: tag, type: "DS", data: fields)
  }

  /// RFC 4034 §2.1. Nil for a revoked key (RFC 5011 §2.1).
  private static func readKey(_ fields: [Substring], zone: DomainName?) throws(Complaint) -> TrustAnchor? {
    guard fields.count >= 4, let flags = UInt16(fields[0]), fields[1] == "3", let algorithm = UInt8(fields[2]),
      let key = Base64.decode(fields[3...].joined()), !key.isEmpty
    else { throw Complaint("a DNSKEY record has flags, the number 3, an algorithm and the key in base64") }
    guard flags & 0x0100 != 0 else { throw Complaint("this key is no zone's: its flags are \(flags)") }
    guard flags & 0x0080 == 0 else { return nil }
    let data = [UInt8(flags >> 8), UInt8(truncatingIfNeeded: flags), 3, algorithm] + key
    return TrustAnchor(zone: zone, keyTag: keyTag(of: data), type: "DNSKEY", data: fields)
  }

  /// RFC 4034 appendix B.
  private static func keyTag(of data: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for (index, octet) in data.enumerated() { sum &+= index.isMultiple(of: 2) ? UInt32(octet) << 8 : UInt32(octet) }
    return UInt16(truncatingIfNeeded: sum &+ (sum >> 16 & 0xffff))
  }
}

extension UInt8 {
  fileprivate var isHexadecimal: Bool { isASCIIDigit || (lowercasedASCII >= 0x61 && lowercasedASCII <= 0x66) }
}

/// RFC 4648 §4, for keys alone.
private enum Base64 {
  static func decode(_ text: String) -> [UInt8]? {
    let digits = text.utf8.prefix { $0 != UInt8(ascii: "=") }
    guard text.utf8.count.isMultiple(of: 4), text.utf8.count - digits.count <= 2,
      text.utf8.dropFirst(digits.count).allSatisfy({ $0 == UInt8(ascii: "=") })
    else { return nil }
    var octets: [UInt8] = []
    var bits: UInt32 = 0, count = 0
    for digit in digits {
      guard let value = value(of: digit) else { return nil }
      bits = bits << 6 | value
      count += 6
      if count >= 8 {
        count -= 8
        octets.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    return octets
  }

  private static func value(of digit: UInt8) -> UInt32? {
    switch digit {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    case _: nil
    }
  }
}
