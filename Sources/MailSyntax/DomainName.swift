/// A domain name as SMTP carries it: dot-separated labels, ASCII (A-labels) or, under SMTPUTF8, U-labels.
///
/// Two names are equal when they differ only in ASCII case. `description` keeps the case the peer used.
/// Bounds: 1 to 255 octets, each label 1 to 63 octets. Source: RFC 5321 §2.3.5, §4.1.2, §4.5.3.1.2; RFC 6531 §3.3.
public struct DomainName: Hashable, Sendable, CustomStringConvertible {
  public static let maximumOctets = 255
  public static let maximumLabelOctets = 63

  /// The name as it was given.
  public let description: String
  /// The name in ASCII lower case: what equality, hashing and look-ups use.
  public let folded: String

  /// Reads a whole string as a domain name. A trailing dot is not part of SMTP's grammar and is refused.
  public init(_ text: some StringProtocol) throws(MailSyntaxError) {
    // In memory of its own the octets are gone through without a call for each: every message has many names.
    var whole = String(text)
    let fault = whole.withUTF8 { octets -> MailSyntaxError? in
      do throws(MailSyntaxError) {
        try DomainName.validate(octets)
        return nil
      } catch {
        return error
      }
    }
    if let fault { throw fault }
    guard !whole.hasUpperControl else { throw .controlCharacter }
    description = whole
    folded = whole.lowercasedASCII()
  }

  /// A name below another, `_25._tcp` below `mx.example.net`: only what is put before it has to be read.
  public init(_ labels: String, under parent: DomainName) throws(MailSyntaxError) {
    let labels = try DomainName(labels)
    guard labels.description.utf8.count + 1 + parent.description.utf8.count <= DomainName.maximumOctets else {
      throw .domainTooLong
    }
    description = "\(labels.description).\(parent.description)"
    folded =
      parent.folded == parent.description && labels.folded == labels.description
      ? description : "\(labels.folded).\(parent.folded)"
  }

  /// A name that is only looked up, and need be nobody's host: its labels are of any ASCII characters but control
  /// characters, or of letters outside ASCII (RFC 2181 §11; RFC 7208 §7.3 makes such names of local parts).
  public init(lookedUp text: some StringProtocol) throws(MailSyntaxError) {
    let labels = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard !text.isEmpty else { throw .emptyDomain }
    guard text.utf8.count <= DomainName.maximumOctets else { throw .domainTooLong }
    guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { throw .controlCharacter }
    for label in labels {
      guard !label.isEmpty else { throw .badDomain }
      guard label.count <= DomainName.maximumLabelOctets else { throw .labelTooLong }
    }
    let whole = String(text)
    guard !whole.hasUpperControl else { throw .controlCharacter }
    description = whole
    folded = whole.lowercasedASCII()
  }

  private init(valid description: String, folded: String) {
    self.description = description
    self.folded = folded
  }

  /// Whether this is the other name, or one below it.
  public func isAtOrBelow(_ other: DomainName) -> Bool {
    guard self != other else { return true }
    let (own, above) = (folded.utf8, other.folded.utf8)
    return own.count > above.count && own.suffix(above.count).elementsEqual(above)
      && own.dropLast(above.count).last == UInt8(ascii: ".")
  }

  /// The domain that it is a label below; nil for a single label.
  public var parent: DomainName? {
    guard let below = description.utf8.firstIndex(of: UInt8(ascii: ".")),
      let foldedBelow = folded.utf8.firstIndex(of: UInt8(ascii: "."))
    else { return nil }
    return DomainName(
      valid: String(description[description.utf8.index(after: below)...]),
      folded: String(folded[folded.utf8.index(after: foldedBelow)...]))
  }

  /// The domains above it, the nearest first: `example.net` and `net` for `mx.example.net`.
  public var domainsAbove: some Sequence<DomainName> {
    sequence(state: self) { name in
      guard let parent = name.parent else { return nil }
      name = parent
      return parent
    }
  }

  public var isASCII: Bool { description.utf8.allSatisfy { $0 < 0x80 } }
  /// Two labels or more: what RFC 6409 §4.2 asks of every domain in a submitted envelope.
  public var isFullyQualified: Bool { description.utf8.contains(UInt8(ascii: ".")) }

  public static func == (left: DomainName, right: DomainName) -> Bool { left.folded == right.folded }
  public func hash(into hasher: inout Hasher) { hasher.combine(folded) }
}

extension DomainName {
  /// sub-domain = Let-dig [Ldh-str]; under SMTPUTF8 any octet at or over 0x80 counts as a letter (RFC 6531 §3.3).
  /// The underscore is taken too: it stands in host names that exist.
  static func validate(_ octets: some Collection<UInt8>) throws(MailSyntaxError) {
    guard !octets.isEmpty else { throw .emptyDomain }
    guard octets.count <= maximumOctets else { throw .domainTooLong }
    var labelLength = 0
    var previous: UInt8 = UInt8(ascii: ".")
    for octet in octets {
      if octet == UInt8(ascii: ".") {
        guard labelLength > 0, previous != UInt8(ascii: "-") else { throw .badDomain }
        labelLength = 0
      } else {
        let isHyphen = octet == UInt8(ascii: "-")
        guard octet >= 0x80 || octet.isASCIIAlphanumeric || octet == UInt8(ascii: "_") || isHyphen else {
          throw .badDomain
        }
        guard !(isHyphen && labelLength == 0) else { throw .badDomain }
        labelLength += 1
        guard labelLength <= maximumLabelOctets else { throw .labelTooLong }
      }
      previous = octet
    }
    guard labelLength > 0, previous != UInt8(ascii: "-") else { throw .badDomain }
  }
}
