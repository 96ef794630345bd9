import MailSyntax

/// What macros stand for in one check. Source: RFC 7208 §7.2.
struct SPFMacroValues: Hashable, Sendable {
  let localPart: String
  /// Of the sender: of MAIL FROM, or HELO's.
  let senderDomain: String
  /// The one that is being looked at: it changes with `include` and `redirect`.
  var domain: String
  let helo: String
  let address: IPAddress
  /// Who checks.
  let receiver: String
  let now: UTCInstant
}

extension SPFMacroString {
  /// Whether the check needs the client's validated name to expand this.
  var needsValidatedName: Bool {
    pieces.contains {
      if case .macro(let macro) = $0 { macro.letter == .validatedName } else { false }
    }
  }

  /// Whether it has the sender's local part in it. RFC 8616 §4: with one outside ASCII a term never matches.
  var hasLocalPart: Bool {
    pieces.contains {
      if case .macro(let macro) = $0 { macro.letter == .sender || macro.letter == .localPart } else { false }
    }
  }

  /// - Parameter validatedName: of the client; "unknown" where it has none.
  func expanded(_ values: SPFMacroValues, validatedName: String = "unknown") -> String {
    pieces.reduce(into: "") { text, piece in
      switch piece {
      case .literal(let literal): text += literal
      case .macro(let macro):
        let value = macro.transformed(values.value(of: macro.letter, validatedName: validatedName))
        text += macro.isEscaped ? SPFMacroString.escaped(value) : value
      }
    }
  }

  /// A name that fits into the DNS: labels are dropped from the left until it does (RFC 7208 §7.3).
  func expandedName(_ values: SPFMacroValues, validatedName: String = "unknown") -> String {
    let text = expanded(values, validatedName: validatedName)
    var name = text.hasSuffix(".") ? text.dropLast() : text[...]
    while name.utf8.count > SPFMacroString.maximumNameOctets, let dot = name.firstIndex(of: ".") {
      name = name[name.index(after: dot)...]
    }
    return String(name)
  }

  /// RFC 7208 §7.3.
  static let maximumNameOctets = 253

  /// All but RFC 3986's unreserved characters.
  private static func escaped(_ text: String) -> String {
    let unreserved = Array("-._~".utf8)
    return text.utf8.reduce(into: "") { escaped, octet in
      if octet.isASCIIAlphanumeric || unreserved.contains(octet) {
        escaped.unicodeScalars.append(Unicode.Scalar(octet))
      } else {
        escaped += "%" + [octet].hexadecimal.uppercased()
      }
    }
  }
}

extension SPFMacroString.Macro {
  /// Cut at the delimiters, turned round, shortened to its last labels, joined by dots (RFC 7208 §7.3).
  func transformed(_ value: String) -> String {
    guard labels != nil || isReversed || delimiters != [UInt8(ascii: ".")] else { return value }
    var parts = value.utf8.split(omittingEmptySubsequences: false) { delimiters.contains($0) }
    if isReversed { parts.reverse() }
    if let labels { parts = Array(parts.suffix(labels)) }
    return parts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ".")
  }
}

extension SPFMacroValues {
  func value(of letter: SPFMacroString.Letter, validatedName: String) -> String {
    switch letter {
    case .sender: "\(localPart)@\(senderDomain)"
    case .localPart: localPart
    case .senderDomain: senderDomain
    case .domain: domain
    case .address: address.dotted
    case .validatedName: validatedName
    case .addressFamily: address.bitCount == 32 ? "in-addr" : "ip6"
    case .helo: helo
    case .readableAddress: "\(address)"
    case .receiver: receiver
    case .timestamp: "\(now.seconds)"
    }
  }
}

extension IPAddress {
  /// As `%{i}` has it: an IPv6 address as its 32 hexadecimal digits with dots between.
  fileprivate var dotted: String {
    switch self {
    case .v4: description
    case .v6(let high, let low):
      [high, low].flatMap { half in
        (0..<16).map { String(half >> UInt64(60 - 4 * $0) & 15, radix: 16, uppercase: true) }
      }
      .joined(separator: ".")
    }
  }
}
