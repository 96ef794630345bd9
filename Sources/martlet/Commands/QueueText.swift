import Foundation
import MailQueue
import MailSyntax

/// Words and columns of what commands print. Whatever a peer or a user wrote passes through `printable` first.
enum QueueText {
  /// The columns every table and text keeps to.
  static let width = 80

  /// Without what could steer a terminal or turn the line's direction: that is shown by its number.
  static func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: \.steersTerminal) else { return text }
    return text.unicodeScalars.map { $0.steersTerminal ? "<\(hexadecimal($0))>" : String($0) }.joined()
  }

  /// The same for a text of several lines.
  static func printableLines(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { printable(String($0)) }.joined(separator: "\n")
  }

  /// Cut to `columns` with an ellipsis where it is longer, filled with spaces where it is shorter.
  static func left(_ text: String, _ columns: Int) -> String {
    let cut = clip(text, columns)
    return cut + String(repeating: " ", count: columns - displayWidth(cut))
  }

  static func right(_ text: String, _ columns: Int) -> String {
    let cut = clip(text, columns)
    return String(repeating: " ", count: columns - displayWidth(cut)) + cut
  }

  static func clip(_ text: String, _ columns: Int) -> String {
    let text = printable(text)
    guard displayWidth(text) > columns else { return text }
    var kept = ""
    var used = 0
    for character in text {
      let width = columnsOf(character)
      guard used + width < columns else { break }
      kept.append(character)
      used += width
    }
    return kept + "…"
  }

  /// As many lines as there may be, broken at spaces; what is left out is shown by an ellipsis behind a whole word.
  static func shortened(_ text: String, indent: Int, lines count: Int) -> [String] {
    let lines = wrapped(text, indent: indent)
    guard lines.count > count, var last = lines.prefix(count).last else { return lines }
    while displayWidth(last) > width - 2, let space = last.lastIndex(of: " "), space > last.startIndex {
      last = String(last[..<space])
    }
    return lines.prefix(count - 1) + [clip(last, width - 2) + " …"]
  }

  /// Broken at spaces, and within words that are longer than a line; each line is indented.
  static func wrapped(_ text: String, indent: Int, width: Int = QueueText.width) -> [String] {
    let room = max(8, width - indent)
    var lines: [String] = []
    var line = ""
    for word in printable(text).split(separator: " ") {
      var word = String(word)
      if !line.isEmpty, displayWidth(line) + 1 + displayWidth(word) > room {
        lines.append(line)
        line = ""
      }
      while displayWidth(word) > room {
        var piece = ""
        while let next = word.first, displayWidth(piece) + columnsOf(next) <= room { piece.append(word.removeFirst()) }
        lines.append(piece)
      }
      line += line.isEmpty ? word : " \(word)"
    }
    if !line.isEmpty { lines.append(line) }
    return lines.map { String(repeating: " ", count: indent) + $0 }
  }

  /// `45s`, `12m`, `5h`, `3d`: at most four columns for a hundred days.
  static func short(_ duration: Duration) -> String {
    let seconds = max(0, duration.components.seconds)
    return switch seconds {
    case ..<60: "\(seconds)s"
    case ..<3600: "\(seconds / 60)m"
    case ..<(48 * 3600): "\(seconds / 3600)h"
    case _: "\(seconds / 86_400)d"
    }
  }

  static func count(_ number: Int, _ one: String, _ many: String? = nil) -> String {
    number == 1 ? "1 \(one)" : "\(number) \(many ?? one + "s")"
  }

  static func displayWidth(_ text: String) -> Int { text.reduce(0) { $0 + columnsOf($1) } }

  /// Two columns for what East Asian fonts draw wide, and for emoji.
  private static func columnsOf(_ character: Character) -> Int {
    guard let first = character.unicodeScalars.first?.value, first >= 0x1100 else { return 1 }
    let isWide =
      switch first {
      case 0x1100...0x115f, 0x2e80...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60,
        0xffe0...0xffe6, 0x1f300...0x1faff, 0x20000...0x3fffd:
        true
      case _: false
      }
    return isWide ? 2 : 1
  }

  private static func hexadecimal(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }

  /// One line of JSON that is safe to show on a terminal: what could steer it stands in it by its number.
  static func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(value), as: UTF8.self)
    guard text.unicodeScalars.contains(where: \.steersTerminal) else { return text }
    return text.unicodeScalars.map { scalar in
      guard scalar.steersTerminal else { return String(scalar) }
      let digits = String(scalar.value, radix: 16)
      return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }.joined()
  }
}

extension Unicode.Scalar {
  /// Controls (C0, DEL, C1), separators of lines and paragraphs, and marks of direction: all in the basic plane.
  fileprivate var steersTerminal: Bool {
    switch value {
    case ..<0x20, 0x7f...0x9f, 0x061c, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff: true
    case _: false
    }
  }
}
