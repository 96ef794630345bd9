import MailSyntax

/// Where a mailbox's Maildir lies: an absolute path in which `%d` stands for the domain, `%n` for the local part, `%u`
/// for the whole address and `%%` for a percent sign. One without any of them is one folder for all.
///
/// What follows the domain's recipient delimiter is no part of the mailbox's name (RFC 5233 §1): mail for `anna+lists`
/// lies with `anna`'s, and nobody can make folders by writing to new names.
///
/// What a peer wrote never leaves the folder it is meant for: everything but letters, digits and a few signs is written
/// `%XX`, a leading dot as well, so no value is empty, `.`, `..`, hidden, or has a slash or a NUL.
public struct MaildirTemplate: Hashable, Sendable, CustomStringConvertible {
  public enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
    case notAbsolute
    case unknownPlaceholder(Character)
    /// `.`, `..`, an empty component, or a NUL.
    case badComponent(String)

    public var description: String {
      switch self {
      case .notAbsolute: "the path of a Maildir begins with a slash"
      case .unknownPlaceholder(let character): "%\(character) means nothing here: %d, %n, %u and %% do"
      case .badComponent(let text): "'\(text)' is no component of a Maildir's path"
      }
    }
  }

  private enum Piece: Hashable {
    case text(String)
    case domain, localPart, address
  }

  public let description: String
  private let components: [[Piece]]
  private let recipientDelimiter: UInt8?

  /// - Parameter recipientDelimiter: of ASCII, as routing knows it; any other delimits nothing.
  public init(_ text: String, recipientDelimiter: Character? = nil) throws(Fault) {
    self.recipientDelimiter = recipientDelimiter?.asciiValue
    guard text.hasPrefix("/") else { throw .notAbsolute }
    description = text
    var components: [[Piece]] = []
    let path = text.dropFirst().hasSuffix("/") ? text.dropFirst().dropLast() : text.dropFirst()
    for component in path.split(separator: "/", omittingEmptySubsequences: false) {
      guard !["", ".", ".."].contains(component), !component.utf8.contains(0) else {
        throw .badComponent(String(component))
      }
      components.append(try MaildirTemplate.read(component))
    }
    self.components = components
  }

  /// The folder for `mailbox`. The first `existing` components, all those before the first placeholder but never the
  /// Maildir itself, are the operator's to make; what comes behind them is made at need.
  func path(for mailbox: Mailbox) -> (existing: String, made: [String]) {
    let rendered = components.map { pieces in pieces.map { render($0, mailbox) }.joined() }
    let firstVaried = components.firstIndex { pieces in pieces.contains { if case .text = $0 { false } else { true } } }
    let fixed = min(firstVaried ?? components.count, components.count - 1)
    return ("/" + rendered[..<fixed].joined(separator: "/"), Array(rendered[fixed...]))
  }

  private static func read(_ component: Substring) throws(Fault) -> [Piece] {
    var pieces: [Piece] = []
    var text = ""
    var rest = component
    while let character = rest.popFirst() {
      guard character == "%" else {
        text.append(character)
        continue
      }
      let placeholder: Piece
      switch rest.popFirst() {
      case "d": placeholder = .domain
      case "n": placeholder = .localPart
      case "u": placeholder = .address
      case "%":
        text.append("%")
        continue
      case let other: throw .unknownPlaceholder(other ?? "/")
      }
      if !text.isEmpty { pieces.append(.text(text)) }
      text = ""
      pieces.append(placeholder)
    }
    if !text.isEmpty { pieces.append(.text(text)) }
    return pieces
  }

  private func render(_ piece: Piece, _ mailbox: Mailbox) -> String {
    let domain = MaildirTemplate.encode(mailbox.domain.description.lowercasedASCII())
    // As routing cuts it: what is taken for anna lies with anna's.
    let user = recipientDelimiter.flatMap { Mailbox.splitDetail(of: mailbox.localPart, at: $0)?.user }
    let localPart = MaildirTemplate.encode(user.map(String.init) ?? mailbox.localPart)
    return switch piece {
    case .text(let text): text
    case .domain: domain
    case .localPart: localPart
    case .address: "\(localPart)@\(domain)"
    }
  }

  static func encode(_ value: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var encoded: [UInt8] = []
    for octet in value.utf8 {
      let isLeadingDot = octet == UInt8(ascii: ".") && encoded.isEmpty
      if !isLeadingDot, octet.isASCIIAlphanumeric || ".-_+=".utf8.contains(octet) {
        encoded.append(octet)
      } else {
        encoded += [UInt8(ascii: "%"), digits[Int(octet >> 4)], digits[Int(octet & 15)]]
      }
    }
    return encoded.isEmpty ? "%" : String(decoding: encoded, as: UTF8.self)
  }
}
