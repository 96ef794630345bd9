import MailSyntax

/// Text in which `%{…}` stands for something of the check: a name to look up, or an explanation. Source: RFC 7208 §7.
public struct SPFMacroString: Hashable, Sendable, CustomStringConvertible {
  enum Piece: Hashable, Sendable {
    case literal(String)
    case macro(Macro)
  }

  struct Macro: Hashable, Sendable {
    let letter: Letter
    /// A capital letter: what it stands for is escaped as in a URI (§7.3).
    let isEscaped: Bool
    /// How many labels from the right are kept; nil for all.
    let labels: Int?
    let isReversed: Bool
    let delimiters: [UInt8]
  }

  /// What may be meant. Source: RFC 7208 §7.2.
  enum Letter: Character, Hashable, Sendable {
    case sender = "s"
    case localPart = "l"
    case senderDomain = "o"
    case domain = "d"
    case address = "i"
    case validatedName = "p"
    case addressFamily = "v"
    case helo = "h"
    case readableAddress = "c"
    case receiver = "r"
    case timestamp = "t"

    /// `c`, `r` and `t` stand in explanations alone.
    var isForExplanations: Bool { self == .readableAddress || self == .receiver || self == .timestamp }
  }

  /// Where the text stands.
  enum Place { case terms, explanation }

  public let description: String
  let pieces: [Piece]

  /// - Parameter term: the term it stands in, for the words of the fault.
  init(_ text: String, _ place: Place, of term: String) throws(SPFRecordFault) {
    var pieces: [Piece] = []
    var literal = ""
    var rest = text[...]
    while let character = rest.first {
      guard character == "%" else {
        // macro-literal; the space in explanations alone.
        guard let octet = character.asciiValue, (0x21...0x7e).contains(octet) || octet == 0x20 && place == .explanation
        else { throw SPFRecord.fault(term, "this character can't stand here") }
        literal.append(character)
        rest.removeFirst()
        continue
      }
      rest.removeFirst()
      switch rest.first {
      case "%": literal += "%"
      case "_": literal += " "
      case "-": literal += "%20"
      case "{":
        guard let end = rest.firstIndex(of: "}") else { throw SPFRecord.fault(term, "%{ has no end") }
        if !literal.isEmpty { pieces.append(.literal(literal)) }
        literal = ""
        pieces.append(.macro(try SPFMacroString.macro(rest[..<end].dropFirst(), place, term)))
        rest = rest[end...]
      case _: throw SPFRecord.fault(term, "behind % stands {, %, _ or -")
      }
      rest.removeFirst()
    }
    if !literal.isEmpty { pieces.append(.literal(literal)) }
    self.pieces = pieces
    description = text
  }

  /// A name to look up: it ends with a macro, or with a label that may be a top-level domain (RFC 7208 §7.1).
  init(domainSpec text: String, of term: String) throws(SPFRecordFault) {
    try self.init(text, .terms, of: term)
    switch pieces.last {
    case nil: throw SPFRecord.fault(term, "a domain is wanted")
    // An escaped percent sign or space is no end either: it ends up in the literal.
    case .literal(let literal):
      let whole = literal.hasSuffix(".") ? literal.dropLast() : literal[...]
      let labels = whole.split(separator: ".", omittingEmptySubsequences: false)
      guard labels.count > 1, let last = labels.last, SPFMacroString.isTopLabel(last) else {
        throw SPFRecord.fault(term, "this is no domain")
      }
    case .macro: break
    }
  }

  /// `letter [digits] [r] delimiters`.
  private static func macro(
    _ text: Substring, _ place: Place, _ term: String
  ) throws(SPFRecordFault) -> Macro {
    guard let first = text.first, let letter = Letter(rawValue: Character(first.lowercased())),
      place == .explanation || !letter.isForExplanations
    else { throw SPFRecord.fault(term, "\(FieldText.shown("%{\(text)}")) stands for nothing here") }
    var rest = text.dropFirst()
    let digits = rest.prefix { $0.isASCII && $0.isNumber }
    rest = rest.dropFirst(digits.count)
    // RFC 7208 §7.1: not zero. More labels than a name can have mean all of them.
    let labels = digits.isEmpty ? nil : Int(digits) ?? DomainName.maximumOctets
    guard labels != 0 else { throw SPFRecord.fault(term, "\(FieldText.shown("%{\(text)}")) keeps no label") }
    let isReversed = rest.first == "r" || rest.first == "R"
    if isReversed { rest = rest.dropFirst() }
    let known = Array(".-+,/_=".utf8)
    guard rest.utf8.allSatisfy({ known.contains($0) }) else {
      throw SPFRecord.fault(term, "\(FieldText.shown("%{\(text)}")) has a delimiter that is none")
    }
    return Macro(
      letter: letter, isEscaped: first.isUppercase, labels: labels, isReversed: isReversed,
      delimiters: rest.isEmpty ? [UInt8(ascii: ".")] : Array(rest.utf8))
  }

  /// toplabel: letters, digits and hyphens, a hyphen at neither end, and not digits alone.
  private static func isTopLabel(_ label: Substring) -> Bool {
    guard let first = label.utf8.first, let last = label.utf8.last else { return false }
    let hyphen = UInt8(ascii: "-")
    return first != hyphen && last != hyphen
      && label.utf8.allSatisfy { $0.isASCIIAlphanumeric || $0 == hyphen }
      && label.utf8.contains { !$0.isASCIIDigit }
  }
}
