internal import MailSyntax

/// Cuts a structured field's value into the lexemes of RFC 5322 §3.2: atoms, quoted strings, domain literals,
/// comments and specials. Bounds: comments nest `maximumCommentDepth` deep; time is linear.
struct StructuredFieldLexer {
  static let maximumCommentDepth = 16

  enum Kind: Hashable {
    case atom, quoted, literal, comment
    case special(UInt8)
  }

  struct Lexeme: Hashable {
    let kind: Kind
    /// The value: quoting and the marks around it removed, but a literal keeps its brackets.
    let text: String
    /// Where it stands, marks included.
    let range: Range<Int>
  }

  private let octets: [UInt8]
  private let allowsUTF8: Bool
  private var position = 0

  init(_ octets: [UInt8], allowsUTF8: Bool) {
    self.octets = octets
    self.allowsUTF8 = allowsUTF8
  }

  /// All lexemes of a value.
  static func lexemes(_ octets: [UInt8], allowsUTF8: Bool) throws(FieldSyntaxError) -> [Lexeme] {
    var lexer = StructuredFieldLexer(octets, allowsUTF8: allowsUTF8)
    var lexemes: [Lexeme] = []
    while let lexeme = try lexer.next() { lexemes.append(lexeme) }
    return lexemes
  }

  mutating func next() throws(FieldSyntaxError) -> Lexeme? {
    while position < octets.count, isBlank(octets[position]) { position += 1 }
    guard position < octets.count else { return nil }
    let start = position
    switch octets[position] {
    case UInt8(ascii: "("): return try comment(from: start)
    case UInt8(ascii: "\""):
      return try delimited(.quoted, from: start, by: UInt8(ascii: "\""), orElse: .unclosedQuote)
    case UInt8(ascii: "["):
      return try delimited(.literal, from: start, by: UInt8(ascii: "]"), orElse: .unclosedLiteral)
    case let octet where isAtomOctet(octet):
      while position < octets.count, isAtomOctet(octets[position]) { position += 1 }
      return Lexeme(
        kind: .atom, text: String(decoding: octets[start..<position], as: UTF8.self), range: start..<position)
    case let octet where octet >= 0x80: throw .eightBit
    case let octet where octet < 0x20 || octet == 0x7f: throw .controlCharacter
    case let octet:
      position += 1
      return Lexeme(kind: .special(octet), text: String(UnicodeScalar(octet)), range: start..<position)
    }
  }

  private mutating func comment(from start: Int) throws(FieldSyntaxError) -> Lexeme {
    var depth = 0
    var content: [UInt8] = []
    while position < octets.count {
      let octet = octets[position]
      position += 1
      switch octet {
      case UInt8(ascii: "("):
        depth += 1
        guard depth <= StructuredFieldLexer.maximumCommentDepth else { throw .commentsTooDeep }
        if depth > 1 { content.append(octet) }
      case UInt8(ascii: ")"):
        depth -= 1
        if depth == 0 {
          return Lexeme(kind: .comment, text: String(decoding: content, as: UTF8.self), range: start..<position)
        }
        content.append(octet)
      case UInt8(ascii: "\\") where position < octets.count:
        content.append(octets[position])
        position += 1
      case _:
        guard octet < 0x80 || allowsUTF8 else { throw .eightBit }
        content.append(octet)
      }
    }
    throw .unclosedComment
  }

  private mutating func delimited(
    _ kind: Kind, from start: Int, by end: UInt8, orElse error: FieldSyntaxError
  ) throws(FieldSyntaxError) -> Lexeme {
    var content: [UInt8] = []
    position += 1
    while position < octets.count {
      var octet = octets[position]
      position += 1
      if octet == end {
        let inner = String(decoding: content, as: UTF8.self)
        return Lexeme(kind: kind, text: kind == .literal ? "[\(inner)]" : inner, range: start..<position)
      }
      if octet == UInt8(ascii: "\\"), position < octets.count {
        octet = octets[position]
        position += 1
      }
      guard octet < 0x80 || allowsUTF8 else { throw .eightBit }
      guard !isControl(octet) else { throw .controlCharacter }
      content.append(octet)
    }
    throw error
  }

  /// The lexer is given unfolded values, but a CRLF of folding does no harm.
  private func isBlank(_ octet: UInt8) -> Bool { isWhiteSpace(octet) || octet == 0x0d || octet == 0x0a }
  private func isAtomOctet(_ octet: UInt8) -> Bool { octet.isAtomText || (allowsUTF8 && octet >= 0x80) }
}

/// Why a structured field can't be read.
public enum FieldSyntaxError: Error, Hashable, Sendable, CustomStringConvertible {
  case empty, eightBit, controlCharacter
  case unclosedComment, commentsTooDeep, unclosedQuote, unclosedLiteral, unclosedAngle, unclosedGroup
  case unexpected(UInt8)
  /// A name without @ and domain.
  case missingDomain
  case badLocalPart, badDomain, tooManyMailboxes
  case badDate

  public var description: String {
    switch self {
    case .empty: "it names no address"
    case .eightBit: "it has octets that are not ASCII"
    case .controlCharacter: "it has a control character"
    case .unclosedComment: "a ( is never closed"
    case .commentsTooDeep: "comments nest deeper than \(StructuredFieldLexer.maximumCommentDepth)"
    case .unclosedQuote: "a quotation mark is never closed"
    case .unclosedLiteral: "a [ is never closed"
    case .unclosedAngle: "a < is never closed by >"
    case .unclosedGroup: "a group is never closed by ;"
    case .unexpected(let octet): "a '\(UnicodeScalar(octet))' stands where it can't"
    case .missingDomain: "an address has no @ and domain"
    case .badLocalPart: "the part before an @ is not an address's"
    case .badDomain: "the part behind an @ is not a domain"
    case .tooManyMailboxes: "it names more than \(AddressList.maximumMailboxes) addresses"
    case .badDate: "it is not a date"
    }
  }
}
