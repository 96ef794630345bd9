public import MailMessage
public import MailSyntax
public import NIOCore

/// The Authentication-Results fields of a message from outside that bear our own authserv-id: nobody but this server
/// may write such a field, so they are taken out before a reader believes them. All others stay, in their order.
///
/// Source: RFC 8601 §5.
public struct ForgedResults: Hashable, Sendable {
  public struct Field: Hashable, Sendable {
    /// Where it stands among the section's fields.
    public let index: Int
    public let reason: Reason
  }

  public enum Reason: Hashable, Sendable, CustomStringConvertible {
    /// It names us, in whatever spelling, alone or among other words.
    case ours(String)
    /// An encoded word stands in the name's place.
    case encodedWord
    /// It breaks the grammar, and our name stands where a lenient reader would look for one.
    case readAsOurs(AuthenticationResultsFault)
    /// It breaks the grammar, and too many words may be the name.
    case undecidable(AuthenticationResultsFault)

    public var description: String {
      switch self {
      case .ours(let text): "it bears our own name, \(FieldText.shown(text))"
      case .encodedWord: "an encoded word stands where its writer's name should, and could hide ours"
      case .readAsOurs(let fault): "\(fault), and a lenient reader would find our own name in it"
      case .undecidable(let fault): "\(fault), and whose name a lenient reader would find in it can't be told"
      }
    }
  }

  /// Words of a field that can't be read which are compared with our name in their other spellings.
  static let maximumWords = 64
  /// In lower case, as `HeaderSection` has names.
  private static let fieldName = AuthenticationResultsField.name.lowercasedASCII()

  /// In the order of the message.
  public let fields: [Field]

  /// - Parameter authservID: ours.
  /// - Parameter converter: tells that `bücher.example` and `xn--bcher-kva.example` are one name.
  public init(in section: HeaderSection, authservID: DomainName, converter: any IDNAConverter = UnchangedNames()) {
    let own = converter.canonicalForm(of: authservID)
    var fields: [Field] = []
    for (index, field) in section.fields.enumerated() where field.name == ForgedResults.fieldName {
      guard let reason = ForgedResults.reason(section.unfoldedValue(of: field), own, converter) else { continue }
      fields.append(Field(index: index, reason: reason))
    }
    self.fields = fields
  }

  /// The section without them; every other octet as it came.
  public func removed(from section: HeaderSection) -> ByteBuffer { section.removing { index, _ in contains(index) } }

  /// Whether the field at this place is one of them.
  public func contains(_ index: Int) -> Bool { fields.contains { $0.index == index } }

  private static func reason(_ value: [UInt8], _ own: DomainName, _ converter: any IDNAConverter) -> Reason? {
    let reading: AuthenticationResultsReading
    do throws(AuthenticationResultsFault) {
      reading = try AuthenticationResultsReading(value)
    } catch {
      return lenientReason(value, error, own, converter)
    }
    let id = reading.authservID
    guard !hasEncodedWord(id.utf8) else { return .encodedWord }
    // A quoted name may be of several words, of which readers take the first, or the one they know.
    return words(id.utf8).prefix(maximumWords).contains { isOwn($0, own, converter) } ? .ours(id) : nil
  }

  /// Where a reader who takes what it gets finds the name can't be told: a semicolon may stand in a comment, and a comment
  /// be left open. So it is looked for everywhere.
  private static func lenientReason(
    _ value: [UInt8], _ fault: AuthenticationResultsFault, _ own: DomainName, _ converter: any IDNAConverter
  ) -> Reason? {
    guard !hasEncodedWord(value) else { return .encodedWord }
    var others = 0
    for word in words(value) {
      if word.utf8.contains(where: { $0 >= 0x80 }) { others += 1 }
      guard others <= maximumWords else { return .undecidable(fault) }
      if isOwn(word, own, converter) { return .readAsOurs(fault) }
    }
    return nil
  }

  /// RFC 2047 §5: none may stand here, and there are readers who decode it all the same.
  private static func hasEncodedWord(_ octets: some Collection<UInt8>) -> Bool {
    zip(octets, octets.dropFirst()).contains { $0 == UInt8(ascii: "=") && $1 == UInt8(ascii: "?") }
  }

  private static func isOwn(_ word: String, _ own: DomainName, _ converter: any IDNAConverter) -> Bool {
    // A dot at the end is the root's, and no part of the name.
    let word = word.utf8.last == UInt8(ascii: ".") ? String(word.unicodeScalars.dropLast()) : word
    guard let name = try? DomainName(word) else { return false }
    return converter.canonicalForm(of: name) == own
  }

  /// What is left of octets between what parts words in any reading; controls and backslashes hide nothing.
  private static func words(_ octets: some Sequence<UInt8>) -> [String] {
    let kept = octets.filter { isSpace($0) || ($0 >= 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "\\")) }
    return kept.split { isSpace($0) || separators.contains($0) }.map { String(decoding: $0, as: UTF8.self) }
  }

  private static let separators = Array("\"()<>,;/:".utf8)
}
