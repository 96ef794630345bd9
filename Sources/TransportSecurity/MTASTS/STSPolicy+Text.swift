import MailSyntax

extension STSPolicy {
  /// Octets of a policy file (RFC 8461 §3.3 suggests 64 KiB).
  public static let maximumOctets = 65_536
  /// Octets of one of its lines.
  public static let maximumLineOctets = 1_000
  /// Lines with `mx`. The largest domains have a dozen.
  public static let maximumPatterns = 256
  /// Digits of `max_age`, as the grammar has them.
  static let maximumAgeDigits = 10

  /// Reads a policy file. Source: RFC 8461 §3.2.
  ///
  /// Lines end in LF or CRLF, and empty ones say nothing. Keys are case-sensitive, unknown ones are ignored, and of those
  /// that are there twice the first counts, but of `mx`, where all do. A `max_age` above the bound of the text, which
  /// the grammar lets by (erratum 7282), is taken for that bound: what its publisher wants is plain, and a domain that asks
  /// for too much protection isn't left with none.
  ///
  /// - Parameter octets: the whole body of the answer.
  /// - Throws: the first fault, with its line; the policy counts as none then, and one that is kept goes on holding.
  public static func parse(_ octets: [UInt8]) throws(STSPolicyFault) -> STSPolicy {
    guard octets.count <= maximumOctets else { throw STSPolicyFault(.tooLarge, line: nil) }
    var draft = Draft()
    var rest = octets[...]
    var number = 0
    while !rest.isEmpty {
      number += 1
      let end = rest.firstIndex(of: 0x0a) ?? rest.endIndex
      var line = rest[..<end]
      if line.last == 0x0d { line.removeLast() }
      rest = rest[end...].dropFirst()
      do throws(STSPolicyFault.Reason) {
        try draft.read(line)
      } catch {
        throw STSPolicyFault(error, line: number)
      }
    }
    return try draft.policy()
  }

  /// As a policy file, with the line ends of RFC 8461's own examples.
  public var text: String {
    let lines =
      ["version: STSv1", "mode: \(mode.rawValue)"] + patterns.map { "mx: \($0)" }
      + ["max_age: \(maxAge.components.seconds)"]
    return lines.map { $0 + "\r\n" }.joined()
  }

  /// What has been read so far.
  private struct Draft {
    var hasVersion = false
    var mode: Mode?
    var maxAge: Duration?
    var patterns: [STSPattern] = []

    mutating func read(_ line: ArraySlice<UInt8>) throws(STSPolicyFault.Reason) {
      guard line.count <= STSPolicy.maximumLineOctets else { throw .longLine }
      guard !line.withoutBlanks.isEmpty else { return }
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { throw .noColon(STSPolicy.string(line)) }
      let key = line[..<colon]
      let value = line[colon...].dropFirst().withoutBlanks
      guard let first = key.first, first.isASCIIAlphanumeric, key.count <= 32,
        key.allSatisfy({ $0.isASCIIAlphanumeric || $0.isSTSNameMark })
      else { throw .badKey(STSPolicy.string(key)) }
      guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { throw .control }
      switch STSPolicy.string(key) {
      case "version":
        guard hasVersion || value.elementsEqual("STSv1".utf8) else { throw .badVersion(STSPolicy.string(value)) }
        hasVersion = true
      case "mode":
        guard mode == nil else { return }
        mode = Mode(rawValue: STSPolicy.string(value))
        if mode == nil { throw .badMode(STSPolicy.string(value)) }
      case "max_age":
        guard maxAge == nil else { return }
        maxAge = try STSPolicy.age(value)
      case "mx":
        guard patterns.count < STSPolicy.maximumPatterns else { throw .tooManyPatterns }
        patterns.append(try STSPattern(reading: value))
      case _: break
      }
    }

    func policy() throws(STSPolicyFault) -> STSPolicy {
      guard hasVersion else { throw STSPolicyFault(.missing("version"), line: nil) }
      guard let mode else { throw STSPolicyFault(.missing("mode"), line: nil) }
      guard let maxAge else { throw STSPolicyFault(.missing("max_age"), line: nil) }
      guard mode == .none || !patterns.isEmpty else { throw STSPolicyFault(.missing("mx"), line: nil) }
      return STSPolicy(mode: mode, maxAge: maxAge, patterns: patterns)
    }
  }

  private static func age(_ value: ArraySlice<UInt8>) throws(STSPolicyFault.Reason) -> Duration {
    guard (1...maximumAgeDigits).contains(value.count), value.allSatisfy(\.isASCIIDigit),
      let seconds = Int64(string(value))
    else { throw .badAge(string(value)) }
    return min(.seconds(seconds), maximumAge)
  }

  private static func string(_ octets: ArraySlice<UInt8>) -> String { String(decoding: octets, as: UTF8.self) }
}

extension STSPattern {
  /// The value of an `mx` line: a domain name in A-labels, or one behind `*.`.
  init(reading value: ArraySlice<UInt8>) throws(STSPolicyFault.Reason) {
    let text = String(decoding: value, as: UTF8.self)
    let name = text.hasPrefix("*.") ? text.dropFirst(2) : text[...]
    let isName: Bool
    do throws(MailSyntaxError) {
      let domain = try DomainName(name)
      // `*.test` would stand for a whole public suffix's hosts, and matches none (RFC 6125 §7.2).
      isName = name.count == text.count || domain.isFullyQualified
    } catch {
      isName = false
    }
    guard text.utf8.allSatisfy({ $0 < 0x80 }) else { throw .pattern(notASCII: text) }
    guard isName else { throw .badPattern(text) }
    self.init(text)
  }
}

/// What is wrong with a policy file, where, and how its publisher can mend it.
public struct STSPolicyFault: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Reason: Error, Hashable, Sendable {
    case tooLarge
    case longLine
    case noColon(String)
    case badKey(String)
    case control
    case badVersion(String)
    case badMode(String)
    case badAge(String)
    case badPattern(String)
    case pattern(notASCII: String)
    case tooManyPatterns
    /// The key that is missing from the whole.
    case missing(String)
  }

  public let reason: Reason
  /// From 1; nil where the file as a whole is meant.
  public let line: Int?

  init(_ reason: Reason, line: Int?) {
    self.reason = reason
    self.line = line
  }

  public var description: String { (line.map { "line \($0): " } ?? "") + reason.description }
}

extension STSPolicyFault.Reason: CustomStringConvertible {
  public var description: String {
    func shown(_ text: String) -> String { text.shown(STSRecordFault.shownOctets) }
    return switch self {
    case .tooLarge: "the file has more than \(STSPolicy.maximumOctets) octets; leave out what is no policy"
    case .longLine: "it has more than \(STSPolicy.maximumLineOctets) octets; give each mx a line of its own"
    case .noColon(let text): "\(shown(text)) has no colon; write key: value"
    case .badKey(let text): "\(shown(text)) is no key; keys are letters, digits, _, - and ., without blanks before them"
    case .control: "the value has a control character; end lines in LF or CRLF and write plain text"
    case .badVersion(let text): "version is \(shown(text)); write version: STSv1"
    case .badMode(let text): "mode is \(shown(text)); write enforce, testing or none, in lower case"
    case .badAge(let text): "max_age is \(shown(text)); write seconds in digits, 31557600 at most"
    case .badPattern(let text):
      "mx is \(shown(text)); write one host name, or *. and a domain of two labels or more, on each line"
    case .pattern(notASCII: let text): "mx is \(shown(text)); write the name in its ASCII form (xn--…)"
    case .tooManyPatterns:
      "there are more than \(STSPolicy.maximumPatterns) lines with mx; use *. for hosts of one domain"
    case .missing(let key):
      key == "mx" ? "no mx line is there; list the domain's mail hosts, or say mode: none" : "no line says \(key)"
    }
  }
}
