public import MailSyntax
internal import NIOCore

/// A Received field taken apart. Reads what servers write, ours and others'. Source: RFC 5321 §4.4, RFC 8314 §4.3.
public struct ReceivedTrace: Hashable, Sendable {
  /// Octets of one field that are read; what stands behind them is passed over.
  public static let maximumOctets = 16 << 10
  /// Clauses and comments of one field.
  public static let maximumClauses = 64
  public static let maximumComments = 64

  public struct Clause: Hashable, Sendable {
    /// In lower case: one of `clauseNames`.
    public let name: String
    public let value: String
    /// Further words before the next clause, where the grammar has none: `Microsoft SMTP Server` behind `with`.
    public internal(set) var rest: [String] = []
    /// The comments behind it, up to the next clause.
    public internal(set) var comments: [String] = []
  }

  /// RFC 5321 §4.4 and RFC 8314 §4.3. The names are what a clause begins with: a word that is none of them and stands
  /// where a name should belongs to the clause before it.
  static let clauseNames: Set<String> = ["from", "by", "via", "with", "id", "for", "tls", "group"]

  /// In the order written.
  public internal(set) var clauses: [Clause] = []
  /// All of them.
  public internal(set) var comments: [String] = []
  /// Words and comments in front of the first clause: `(qmail 123 invoked from network)`.
  public internal(set) var strayWords: [String] = []
  public internal(set) var openingComments: [String] = []
  public internal(set) var date: UTCInstant?

  /// The first clause of this name, given in lower case.
  public subscript(name: String) -> String? { clause(name)?.value }
  public func clause(_ name: String) -> Clause? { clauses.first { $0.name == name } }

  /// Reads an unfolded value.
  public static func parse(_ value: String) throws(FieldSyntaxError) -> ReceivedTrace {
    let octets = Array(value.utf8)
    return ReceivedTrace(try StructuredFieldLexer.lexemes(octets, allowsUTF8: true), of: octets)
  }

  /// Reads as far as it goes, and says what stopped it: a trace is shown to a person, who wants what there is.
  /// A control character counts as a question mark; time and memory are linear to at most `maximumOctets`.
  public static func read(_ value: some Sequence<UInt8>) -> (trace: ReceivedTrace, fault: FieldSyntaxError?) {
    let octets = value.prefix(maximumOctets).map { isControl($0) ? UInt8(ascii: "?") : $0 }
    var lexer = StructuredFieldLexer(octets, allowsUTF8: true)
    var lexemes: [StructuredFieldLexer.Lexeme] = []
    do throws(FieldSyntaxError) {
      while let lexeme = try lexer.next() { lexemes.append(lexeme) }
    } catch {
      return (ReceivedTrace(lexemes, of: octets), error)
    }
    return (ReceivedTrace(lexemes, of: octets), nil)
  }

  private init(_ lexemes: [StructuredFieldLexer.Lexeme], of octets: [UInt8]) {
    // The date stands behind the last semicolon: some servers write one in front of a comment too.
    let end = lexemes.lastIndex { $0.kind == .special(UInt8(ascii: ";")) }
    if let end {
      let rest = String(decoding: octets[lexemes[end].range.upperBound...], as: UTF8.self)
      date = try? MessageDate.parse(rest)
    }
    var word: Range<Int>?
    var pending: String?
    for lexeme in lexemes[..<(end ?? lexemes.endIndex)] {
      switch lexeme.kind {
      case .comment:
        take(&word, &pending, of: octets)
        take(comment: lexeme.text)
      case .special(UInt8(ascii: ";")): take(&word, &pending, of: octets)
      case .atom, .quoted, .literal, .special:
        // What no space parts is one word: <user@example.org>.
        if let open = word, open.upperBound == lexeme.range.lowerBound {
          word = open.lowerBound..<lexeme.range.upperBound
        } else {
          take(&word, &pending, of: octets)
          word = lexeme.range
        }
      }
    }
    take(&word, &pending, of: octets)
  }

  /// - Parameter pending: a clause's name that waits for its value.
  private mutating func take(_ word: inout Range<Int>?, _ pending: inout String?, of octets: [UInt8]) {
    guard let range = word else { return }
    word = nil
    let text = String(decoding: octets[range], as: UTF8.self)
    if let name = pending {
      pending = nil
      if clauses.count < ReceivedTrace.maximumClauses { clauses.append(Clause(name: name, value: text)) }
      return
    }
    let name = text.lowercasedASCII()
    if ReceivedTrace.clauseNames.contains(name) {
      pending = name
    } else if let last = clauses.indices.last {
      if clauses[last].rest.count < ReceivedTrace.maximumClauses { clauses[last].rest.append(text) }
    } else if strayWords.count < ReceivedTrace.maximumClauses {
      strayWords.append(text)
    }
  }

  private mutating func take(comment text: String) {
    guard comments.count < ReceivedTrace.maximumComments else { return }
    comments.append(text)
    if let last = clauses.indices.last { clauses[last].comments.append(text) } else { openingComments.append(text) }
  }
}
