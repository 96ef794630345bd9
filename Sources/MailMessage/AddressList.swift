public import MailSyntax

/// The addresses of a From, Sender, Reply-To, To or Cc field, in order. Source: RFC 5322 §3.4, obsolete forms of
/// §4.4 included; RFC 6854 (groups in From); RFC 6532 §3.2 where UTF-8 is allowed.
///
/// Bounds: `maximumMailboxes`; comments 16 deep; each mailbox those of `Mailbox`.
public struct AddressList: Hashable, Sendable {
  public static let maximumMailboxes = 1000

  public struct Entry: Hashable, Sendable {
    /// Unquoted; encoded words are left as they came.
    public let displayName: String?
    public let mailbox: Mailbox
  }

  public internal(set) var entries: [Entry] = []
  /// Whether the list has a group, `name: a@b, c@d;`, empty ones included.
  public internal(set) var hasGroup = false

  public var mailboxes: [Mailbox] { entries.map(\.mailbox) }

  /// Reads a whole unfolded value. An empty list is an error, an empty group is not.
  public static func parse(_ value: String, allowsUTF8: Bool = false) throws(FieldSyntaxError) -> AddressList {
    try parse(octets: Array(value.utf8), allowsUTF8: allowsUTF8)
  }

  public static func parse(octets: [UInt8], allowsUTF8: Bool = false) throws(FieldSyntaxError) -> AddressList {
    let lexemes = try StructuredFieldLexer.lexemes(octets, allowsUTF8: allowsUTF8)
    var parser = AddressParser(lexemes.filter { $0.kind != .comment })
    try parser.readList()
    guard !parser.list.entries.isEmpty || parser.list.hasGroup else { throw .empty }
    return parser.list
  }
}

/// Recursive descent over lexemes without comments. It never recurses: groups do not nest (RFC 5322 §3.4).
private struct AddressParser {
  var list = AddressList()
  private let lexemes: [StructuredFieldLexer.Lexeme]
  private var position = 0

  init(_ lexemes: [StructuredFieldLexer.Lexeme]) { self.lexemes = lexemes }

  private var next: StructuredFieldLexer.Kind? { position < lexemes.count ? lexemes[position].kind : nil }

  private mutating func take(_ special: Character) -> Bool {
    guard let octet = special.asciiValue, next == .special(octet) else { return false }
    position += 1
    return true
  }

  mutating func readList() throws(FieldSyntaxError) {
    var isInGroup = false
    while let kind = next {
      // RFC 5322 §4.4: obsolete lists have empty places between their commas.
      if take(",") { continue }
      if isInGroup, take(";") {
        isInGroup = false
        continue
      }
      if try readAddress(mayBeGroup: !isInGroup) {
        isInGroup = true
        continue
      }
      guard let after = next else { break }
      let endsEntry = after == .special(UInt8(ascii: ",")) || (isInGroup && after == .special(UInt8(ascii: ";")))
      guard endsEntry else { throw unexpected(after == kind ? kind : after) }
    }
    guard !isInGroup else { throw .unclosedGroup }
  }

  /// Answers true when what began was a group.
  private mutating func readAddress(mayBeGroup: Bool) throws(FieldSyntaxError) -> Bool {
    let words = readWords()
    if mayBeGroup, !words.isEmpty, take(":") {
      list.hasGroup = true
      return true
    }
    if take("<") {
      // RFC 5322 §4.1: an obsolete phrase has dots, which belong to the word before: `John Q. Public`.
      let name = words.reduce(into: "") { name, word in
        if !name.isEmpty, word.kind != .special(UInt8(ascii: ".")) { name += " " }
        name += word.text
      }
      try readAngle(displayName: words.isEmpty ? nil : name)
      return false
    }
    guard next == .special(UInt8(ascii: "@")) else {
      guard words.isEmpty, let kind = next else { throw .missingDomain }
      throw unexpected(kind)
    }
    try append(displayName: nil, try readAddressSpecification(localPart: words))
    return false
  }

  private mutating func readAngle(displayName: String?) throws(FieldSyntaxError) {
    // RFC 5322 §4.4: an obsolete route, `@a,@b:`, is read and dropped.
    if next == .special(UInt8(ascii: "@")) {
      while !take(":") {
        guard next != nil else { throw .unclosedAngle }
        guard take("@") || take(",") || !readWords().isEmpty else { throw unexpected(next ?? .comment) }
      }
    }
    let mailbox = try readAddressSpecification(localPart: readWords())
    guard take(">") else { throw .unclosedAngle }
    try append(displayName: displayName, mailbox)
  }

  /// Words and dots up to the next other lexeme.
  private mutating func readWords() -> [StructuredFieldLexer.Lexeme] {
    var words: [StructuredFieldLexer.Lexeme] = []
    while position < lexemes.count {
      switch lexemes[position].kind {
      case .atom, .quoted, .special(UInt8(ascii: ".")): words.append(lexemes[position])
      case .literal, .comment, .special: return words
      }
      position += 1
    }
    return words
  }

  private mutating func readAddressSpecification(
    localPart words: [StructuredFieldLexer.Lexeme]
  ) throws(FieldSyntaxError) -> Mailbox {
    guard take("@") else { throw words.isEmpty ? .empty : .missingDomain }
    let localPart = try dotSeparated(words, allowsQuoted: true, orElse: .badLocalPart)
    guard (1...Mailbox.maximumLocalPartOctets).contains(localPart.utf8.count) else { throw .badLocalPart }
    return Mailbox(localPart: localPart, domain: try readDomain())
  }

  private mutating func readDomain() throws(FieldSyntaxError) -> MailDomain {
    let text: String
    if position < lexemes.count, lexemes[position].kind == .literal {
      text = lexemes[position].text
      position += 1
    } else {
      text = try dotSeparated(readWords(), allowsQuoted: false, orElse: .badDomain)
    }
    do { return try MailDomain(text) } catch { throw .badDomain }
  }

  /// word *("." word): dots and words take turns.
  private func dotSeparated(
    _ words: [StructuredFieldLexer.Lexeme], allowsQuoted: Bool, orElse error: FieldSyntaxError
  ) throws(FieldSyntaxError) -> String {
    var text = ""
    for (index, word) in words.enumerated() {
      switch word.kind {
      case .atom where index % 2 == 0: text += word.text
      case .quoted where index % 2 == 0 && allowsQuoted: text += word.text
      case .special where index % 2 == 1: text += "."
      case .atom, .quoted, .literal, .comment, .special: throw error
      }
    }
    guard words.count % 2 == 1 else { throw error }
    return text
  }

  private mutating func append(displayName: String?, _ mailbox: Mailbox) throws(FieldSyntaxError) {
    guard list.entries.count < AddressList.maximumMailboxes else { throw .tooManyMailboxes }
    list.entries.append(AddressList.Entry(displayName: displayName, mailbox: mailbox))
  }

  private func unexpected(_ kind: StructuredFieldLexer.Kind) -> FieldSyntaxError {
    switch kind {
    case .special(let octet): .unexpected(octet)
    case .atom: .missingDomain
    case .quoted: .unexpected(UInt8(ascii: "\""))
    case .literal: .unexpected(UInt8(ascii: "["))
    case .comment: .unexpected(UInt8(ascii: "("))
    }
  }
}
