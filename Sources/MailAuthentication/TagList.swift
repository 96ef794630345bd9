import MailSyntax

/// `name=value; name=value`: what DKIM signatures, DKIM keys and DMARC records are written in. Names keep their case,
/// which counts; values are without the white space around them, and keep what stands within.
///
/// Source: RFC 6376 §3.2; RFC 9989 §4.7 has the same shape. A name that stands twice makes the whole list void.
struct TagList: Hashable, Sendable {
  /// More than any signature or record has; each further one costs a comparison with all before it.
  static let maximumTags = 64
  static let maximumOctets = 64 << 10

  struct Tag: Hashable, Sendable {
    let name: String
    let value: String
    /// Where the value stands in the octets of the list: behind `=` to before `;`, white space included.
    let valueRange: Range<Int>
  }

  enum Fault: Error, Hashable, CustomStringConvertible {
    case tooLong, tooManyTags, notText
    case notATag(String)
    case duplicate(String)

    var description: String {
      switch self {
      case .tooLong: "it is longer than \(TagList.maximumOctets) octets"
      case .tooManyTags: "it has more than \(TagList.maximumTags) tags"
      case .notText: "it has octets that are no UTF-8"
      case .notATag(let text): "\(FieldText.shown(text)) is no name=value"
      case .duplicate(let name): "\(name.cut(toOctets: FieldText.maximumShownOctets))= stands twice"
      }
    }
  }

  /// In the order they stand in.
  let tags: [Tag]

  init(_ octets: some Collection<UInt8>) throws(Fault) {
    guard octets.count <= TagList.maximumOctets else { throw .tooLong }
    let octets = Array(octets)
    var tags: [Tag] = []
    var start = 0
    while start < octets.count {
      let end = octets[start...].firstIndex(of: UInt8(ascii: ";")) ?? octets.count
      // A semicolon may stand behind the last tag, with nothing but white space behind it.
      if end == octets.count, octets[start...].allSatisfy(isSpace) { break }
      let tag = try TagList.tag(octets, start..<end)
      guard !tags.contains(where: { $0.name == tag.name }) else { throw .duplicate(tag.name) }
      guard tags.count < TagList.maximumTags else { throw .tooManyTags }
      tags.append(tag)
      start = end + 1
    }
    self.tags = tags
  }

  subscript(name: String) -> String? { tag(name)?.value }
  func tag(_ name: String) -> Tag? { tags.first { $0.name == name } }

  private static func tag(_ octets: [UInt8], _ range: Range<Int>) throws(Fault) -> Tag {
    guard let text = String(validating: octets[range], as: UTF8.self) else { throw .notText }
    guard let equals = octets[range].firstIndex(of: UInt8(ascii: "=")),
      let name = trimmed(octets[range.lowerBound..<equals]), isName(name)
    else { throw .notATag(text.cut(toOctets: 40)) }
    let value = trimmed(octets[(equals + 1)..<range.upperBound]) ?? []
    return Tag(
      name: String(decoding: name, as: UTF8.self), value: String(decoding: value, as: UTF8.self),
      valueRange: (equals + 1)..<range.upperBound)
  }

  /// ALPHA *ALNUMPUNC.
  private static func isName(_ octets: ArraySlice<UInt8>) -> Bool {
    guard let first = octets.first, first.isASCIILetter else { return false }
    return octets.allSatisfy { $0.isASCIIAlphanumeric || $0 == UInt8(ascii: "_") }
  }

  /// Nil where nothing is left.
  private static func trimmed(_ octets: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard let first = octets.firstIndex(where: { !isSpace($0) }), let last = octets.lastIndex(where: { !isSpace($0) })
    else { return nil }
    return octets[first...last]
  }
}

/// White space and line ends: FWS, where folding has been checked already (RFC 6376 §2.8).
func isSpace(_ octet: UInt8) -> Bool { octet == 0x20 || octet == 0x09 || octet == 0x0d || octet == 0x0a }
