/// JSON as events need it: one flat object of strings, whole numbers and Booleans (RFC 8259).
enum JSONText {
  /// `"event":"…","key":value,…` without the braces.
  static func appendMembers(of event: MailEvent, to text: inout [UInt8]) {
    text.append(contentsOf: "\"event\":".utf8)
    appendString(event.kind.rawValue, to: &text)
    for field in event.fields {
      text.append(UInt8(ascii: ","))
      appendString(field.key, to: &text)
      text.append(UInt8(ascii: ":"))
      switch field.value {
      case .text(let value): appendString(value, to: &text)
      case .number(let value): text.append(contentsOf: String(value).utf8)
      case .flag(let value): text.append(contentsOf: (value ? "true" : "false").utf8)
      }
    }
  }

  /// Every octet is looked at, and none by a branch of its own: so the compiler takes many at once. Mostly all are plain.
  private static func arePlain(_ octets: UnsafeBufferPointer<UInt8>) -> Bool {
    var marks: UInt8 = 0
    for octet in octets {
      let isOutside: UInt8 = octet &- 0x20 >= 0x5f ? 1 : 0
      let isQuote: UInt8 = octet == UInt8(ascii: "\"") ? 1 : 0
      let isBackslash: UInt8 = octet == UInt8(ascii: "\\") ? 1 : 0
      marks |= isOutside | isQuote | isBackslash
    }
    return marks == 0
  }

  /// In quotes. Besides what RFC 8259 §7 demands, every character that could steer a terminal or turn the line's
  /// direction is escaped.
  static func appendString(_ string: String, to text: inout [UInt8]) {
    text.append(UInt8(ascii: "\""))
    var whole = string
    let isPlain = whole.withUTF8 { octets in
      guard JSONText.arePlain(octets) else { return false }
      text.append(contentsOf: octets)
      return true
    }
    if !isPlain {
      for scalar in string.unicodeScalars { appendEscaped(scalar, to: &text) }
    }
    text.append(UInt8(ascii: "\""))
  }

  private static func appendEscaped(_ scalar: Unicode.Scalar, to text: inout [UInt8]) {
    switch scalar {
    case "\"": text.append(contentsOf: "\\\"".utf8)
    case "\\": text.append(contentsOf: "\\\\".utf8)
    case "\n": text.append(contentsOf: "\\n".utf8)
    case "\r": text.append(contentsOf: "\\r".utf8)
    case "\t": text.append(contentsOf: "\\t".utf8)
    case _ where scalar.steersTerminal:
      let digits = String(scalar.value, radix: 16)
      text.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8)
    case _: text.append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? [])
    }
  }
}

extension Unicode.Scalar {
  /// Controls (C0, DEL, C1), line and paragraph separators, and marks of direction: all in the basic plane.
  fileprivate var steersTerminal: Bool {
    value < 0x20 || (0x7f...0x9f).contains(value) || (0x200e...0x200f).contains(value)
      || (0x2028...0x202e).contains(value) || (0x2066...0x2069).contains(value) || value == 0x061c || value == 0xfeff
  }
}

/// Reads back what `JSONText` writes.
struct FlatJSONReader {
  private var rest: Substring.UTF8View

  init(_ text: String) { rest = Substring(text).utf8 }

  /// The members in their order; nil for anything but one flat object.
  mutating func members() -> [(key: String, value: MailEvent.Value)]? {
    var members: [(key: String, value: MailEvent.Value)] = []
    guard take(UInt8(ascii: "{")) else { return nil }
    if take(UInt8(ascii: "}")) { return rest.isEmpty ? members : nil }
    while true {
      guard let key = string(), take(UInt8(ascii: ":")), let value = value() else { return nil }
      members.append((key, value))
      guard take(UInt8(ascii: ",")) else { break }
    }
    return take(UInt8(ascii: "}")) && rest.isEmpty ? members : nil
  }

  private mutating func take(_ octet: UInt8) -> Bool {
    guard rest.first == octet else { return false }
    rest = rest.dropFirst()
    return true
  }

  private mutating func value() -> MailEvent.Value? {
    if rest.first == UInt8(ascii: "\"") { return string().map { .text($0) } }
    let word = rest.prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "}") }
    rest = rest.dropFirst(word.count)
    switch String(Substring(word)) {
    case "true": return .flag(true)
    case "false": return .flag(false)
    case let digits: return Int(digits).map { .number($0) }
    }
  }

  private mutating func string() -> String? {
    guard take(UInt8(ascii: "\"")) else { return nil }
    var octets: [UInt8] = []
    while let octet = rest.popFirst() {
      switch octet {
      case UInt8(ascii: "\""): return String(validating: octets, as: UTF8.self)
      case UInt8(ascii: "\\"):
        guard let escape = rest.popFirst() else { return nil }
        switch escape {
        case UInt8(ascii: "n"): octets.append(0x0a)
        case UInt8(ascii: "r"): octets.append(0x0d)
        case UInt8(ascii: "t"): octets.append(0x09)
        case UInt8(ascii: "u"):
          let digits = rest.prefix(4)
          rest = rest.dropFirst(4)
          guard digits.count == 4, let number = UInt32(String(Substring(digits)), radix: 16),
            let scalar = Unicode.Scalar(number), let encoded = UTF8.encode(scalar)
          else { return nil }
          octets.append(contentsOf: encoded)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): octets.append(escape)
        case _: return nil
        }
      case _: octets.append(octet)
      }
    }
    return nil
  }
}

extension MailEvent {
  /// The event as one flat JSON object, as the outbox keeps it: `{"event":"message.accepted","id":"…"}`.
  public var json: String {
    var text: [UInt8] = [UInt8(ascii: "{")]
    text.reserveCapacity(192)
    JSONText.appendMembers(of: self, to: &text)
    text.append(UInt8(ascii: "}"))
    return String(decoding: text, as: UTF8.self)
  }

  /// Reads what `json` wrote; nil for anything else or a kind this version doesn't know.
  public init?(json: String) {
    var reader = FlatJSONReader(json)
    guard var members = reader.members(), !members.isEmpty else { return nil }
    let first = members.removeFirst()
    guard first.key == "event", case .text(let name) = first.value, let kind = Kind(rawValue: name) else { return nil }
    self.init(kind, members.map { Field($0.key, $0.value) })
  }
}
