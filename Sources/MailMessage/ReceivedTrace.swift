public import MailSyntax
internal import NIOCore

/// A Received field taken apart. Reads what servers write, ours and others'. Source: RFC 5321 §4.4, RFC 8314 §4.3.
public struct ReceivedTrace: Hashable, Sendable {
  public struct Clause: Hashable, Sendable {
    /// In lower case: from, by, via, with, id, for, tls, group, or whatever stood there.
    public let name: String
    public let value: String
  }

  /// In the order written.
  public internal(set) var clauses: [Clause] = []
  public internal(set) var comments: [String] = []
  public internal(set) var date: UTCInstant?

  /// The first clause of this name, given in lower case.
  public subscript(name: String) -> String? { clauses.first { $0.name == name }?.value }

  /// Reads an unfolded value.
  public static func parse(_ value: String) throws(FieldSyntaxError) -> ReceivedTrace {
    let octets = Array(value.utf8)
    let lexemes = try StructuredFieldLexer.lexemes(octets, allowsUTF8: true)
    var trace = ReceivedTrace()
    var words: [Range<Int>] = []
    for lexeme in lexemes {
      switch lexeme.kind {
      case .comment: trace.comments.append(lexeme.text)
      case .special(UInt8(ascii: ";")):
        let rest = String(decoding: octets[lexeme.range.upperBound...], as: UTF8.self)
        trace.date = try? MessageDate.parse(rest)
        trace.take(words, of: octets)
        return trace
      case .atom, .quoted, .literal, .special:
        // What no space parts is one word: <user@example.org>.
        if let last = words.last, last.upperBound == lexeme.range.lowerBound {
          words[words.count - 1] = last.lowerBound..<lexeme.range.upperBound
        } else {
          words.append(lexeme.range)
        }
      }
    }
    trace.take(words, of: octets)
    return trace
  }

  private mutating func take(_ words: [Range<Int>], of octets: [UInt8]) {
    var index = 0
    while index + 1 < words.count {
      let name = String(decoding: octets[words[index]], as: UTF8.self).lowercasedASCII()
      clauses.append(Clause(name: name, value: String(decoding: octets[words[index + 1]], as: UTF8.self)))
      index += 2
    }
  }
}
