import MailSyntax

/// An Authentication-Results field as somebody wrote it, taken apart. Nothing in it is known to be true.
///
/// Reads RFC 8601 §2.2 and what is often written beside it: methods nobody registered, a semicolon at the end, values
/// that should be quoted and aren't. Bounds: `maximumOctets`, `maximumResults`, comments 16 deep; time is linear.
public struct AuthenticationResultsReading: Hashable, Sendable {
  public static let maximumOctets = 16 << 10
  /// Statements of a field, and properties of a statement.
  public static let maximumResults = 64
  static let maximumCommentDepth = 16

  /// Unquoted, in the case it was written in.
  public let authservID: String
  public let version: String?
  public let results: [Statement]

  public struct Statement: Hashable, Sendable {
    /// In lower case, without its version.
    public let method: String
    public let result: String
    public internal(set) var reason: String?
    public internal(set) var properties: [Property] = []
  }

  public struct Property: Hashable, Sendable {
    /// `ptype.property`, in lower case.
    public let name: String
    public let value: String
  }

  /// - Parameter octets: the unfolded value.
  public init(_ octets: [UInt8]) throws(AuthenticationResultsFault) {
    guard octets.count <= AuthenticationResultsReading.maximumOctets else { throw .tooLong }
    var reader = Reader(octets)
    authservID = try reader.readValue()
    version = try reader.readVersion()
    results = try reader.readStatements()
  }
}

/// Why an Authentication-Results field can't be read.
public enum AuthenticationResultsFault: Error, Hashable, Sendable, CustomStringConvertible {
  case tooLong, notText, noAuthservID, noResults, tooManyResults
  case unclosedComment, commentsTooDeep, unclosedQuote
  case unexpected(UInt8?)

  public var description: String {
    switch self {
    case .tooLong: "it has more than \(AuthenticationResultsReading.maximumOctets) octets"
    case .notText: "it has octets that are no UTF-8"
    case .noAuthservID: "it doesn't begin with the name of the server that wrote it"
    case .noResults: "it states nothing, not even none"
    case .tooManyResults: "it has more than \(AuthenticationResultsReading.maximumResults) statements or properties"
    case .unclosedComment: "a ( is never closed"
    case .commentsTooDeep: "comments nest deeper than \(AuthenticationResultsReading.maximumCommentDepth)"
    case .unclosedQuote: "a quotation mark is never closed"
    case .unexpected(nil): "it ends too early"
    case .unexpected(let octet?): "a \(FieldText.shown(String(UnicodeScalar(octet)))) stands where it can't"
    }
  }
}

/// Goes through the octets once.
private struct Reader {
  typealias Fault = AuthenticationResultsFault
  typealias Reading = AuthenticationResultsReading

  private let octets: [UInt8]
  private var position = 0

  init(_ octets: [UInt8]) { self.octets = octets }

  private var next: UInt8? { position < octets.count ? octets[position] : nil }

  private mutating func take(_ mark: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: mark) else { return false }
    position += 1
    return true
  }

  private func text(_ octets: some Sequence<UInt8>) throws(Fault) -> String {
    guard let text = String(validating: Array(octets), as: UTF8.self) else { throw .notText }
    return text
  }

  /// CFWS of RFC 5322 §3.2.2. Comments are counted, not descended into.
  mutating func skip() throws(Fault) {
    var depth = 0
    while let octet = next {
      if octet == UInt8(ascii: "(") {
        depth += 1
        guard depth <= Reading.maximumCommentDepth else { throw .commentsTooDeep }
      } else if octet == UInt8(ascii: ")"), depth > 0 {
        depth -= 1
      } else if octet == UInt8(ascii: "\\"), depth > 0 {
        position += 1
      } else if depth == 0, !isSpace(octet) {
        return
      }
      position += 1
    }
    guard depth == 0, position <= octets.count else { throw .unclosedComment }
  }

  /// value = token / quoted-string (RFC 2045 §5.1), with UTF-8 in both (RFC 6532 §3.2).
  mutating func readValue() throws(Fault) -> String {
    try skip()
    if next == UInt8(ascii: "\"") { return try readQuoted() }
    let start = position
    while let octet = next, octet >= 0x80 || FieldText.isTokenOctet(octet) { position += 1 }
    guard position > start else { throw .noAuthservID }
    return try text(octets[start..<position])
  }

  private mutating func readQuoted() throws(Fault) -> String {
    var content: [UInt8] = []
    position += 1
    while let octet = next {
      position += 1
      if octet == UInt8(ascii: "\"") { return try text(content) }
      if octet == UInt8(ascii: "\\"), let quoted = next {
        content.append(quoted)
        position += 1
      } else {
        content.append(octet)
      }
    }
    throw .unclosedQuote
  }

  /// authres-version: digits behind the authserv-id.
  mutating func readVersion() throws(Fault) -> String? {
    try skip()
    let start = position
    while let octet = next, octet.isASCIIDigit { position += 1 }
    let version = start < position ? try text(octets[start..<position]) : nil
    try skip()
    return version
  }

  mutating func readStatements() throws(Fault) -> [Reading.Statement] {
    var statements: [Reading.Statement] = []
    var saysNone = false
    while next != nil {
      guard take(";") else { throw .unexpected(next) }
      try skip()
      guard next != nil else { break }
      let method = try readKeyword()
      try skip()
      if method == "none", next == nil || next == UInt8(ascii: ";") {
        saysNone = true
        continue
      }
      guard statements.count < Reading.maximumResults else { throw .tooManyResults }
      statements.append(try readStatement(method))
    }
    guard saysNone || !statements.isEmpty else { throw .noResults }
    return statements
  }

  private mutating func readStatement(_ method: String) throws(Fault) -> Reading.Statement {
    if take("/") {
      try skip()
      while let octet = next, octet.isASCIIDigit { position += 1 }
      try skip()
    }
    try expectEquals()
    var statement = Reading.Statement(method: method, result: try readKeyword())
    try skip()
    while let octet = next, octet != UInt8(ascii: ";") {
      let word = try readKeyword()
      try skip()
      if word == "reason" {
        try expectEquals()
        statement.reason = try readPropertyValue()
      } else {
        guard take(".") else { throw .unexpected(next) }
        try skip()
        let property = try readKeyword()
        try skip()
        try expectEquals()
        guard statement.properties.count < Reading.maximumResults else { throw .tooManyResults }
        statement.properties.append(.init(name: "\(word).\(property)", value: try readPropertyValue()))
      }
      try skip()
    }
    return statement
  }

  private mutating func expectEquals() throws(Fault) {
    guard take("=") else { throw .unexpected(next) }
    try skip()
  }

  /// Keyword: Ldh-str of RFC 5321 §4.1.2, and the underscore that some write.
  private mutating func readKeyword() throws(Fault) -> String {
    let start = position
    while let octet = next,
      octet.isASCIIAlphanumeric || octet == UInt8(ascii: "-") || octet == UInt8(ascii: "_")
    {
      position += 1
    }
    guard position > start else { throw .unexpected(next) }
    return try text(octets[start..<position]).lowercasedASCII()
  }

  /// pvalue, and what is written bare though it should be quoted: up to a space, a semicolon or a comment.
  private mutating func readPropertyValue() throws(Fault) -> String {
    var value = next == UInt8(ascii: "\"") ? try readQuoted() : ""
    let start = position
    while let octet = next, !isSpace(octet), octet != UInt8(ascii: ";"), octet != UInt8(ascii: "("),
      octet != UInt8(ascii: "\"")
    {
      position += 1
    }
    if start < position { value += try text(octets[start..<position]) }
    guard position > 0, start < position || octets[position - 1] == UInt8(ascii: "\"") else { throw .unexpected(next) }
    return value
  }
}
