/// Swift source with its comments and the contents of its strings blanked, lines kept, so that a rule about code does
/// not stumble over prose. Code inside an interpolation stays.
struct SourceText {
  private let source: [UInt8]
  private var position = 0
  private var code: [UInt8] = []

  static func code(of text: String) -> String {
    var scanner = SourceText(source: Array(text.utf8))
    scanner.scanCode(untilParenthesis: false)
    return String(decoding: scanner.code, as: UTF8.self)
  }

  private init(source: [UInt8]) { self.source = source }

  private func sees(_ text: String) -> Bool {
    source[position...].starts(with: text.utf8)
  }

  private var isLineBreak: Bool { source[position] == UInt8(ascii: "\n") }

  private mutating func blank(_ count: Int = 1) {
    for _ in 0..<count where position < source.count {
      code.append(isLineBreak ? source[position] : UInt8(ascii: " "))
      position += 1
    }
  }

  private mutating func keep() {
    code.append(source[position])
    position += 1
  }

  private mutating func scanCode(untilParenthesis: Bool) {
    var depth = 0
    while position < source.count {
      if sees("//") {
        while position < source.count, !isLineBreak { blank() }
      } else if sees("/*") {
        scanBlockComment()
      } else if let pounds = stringStart() {
        scanString(pounds: pounds)
      } else {
        if source[position] == UInt8(ascii: "(") { depth += 1 }
        if source[position] == UInt8(ascii: ")") {
          if untilParenthesis && depth == 0 { return }
          depth -= 1
        }
        keep()
      }
    }
  }

  private mutating func scanBlockComment() {
    var depth = 0
    repeat {
      if sees("/*") {
        depth += 1
        blank(2)
      } else if sees("*/") {
        depth -= 1
        blank(2)
      } else {
        blank()
      }
    } while depth > 0 && position < source.count
  }

  /// The number of `#` before a quote, where a string starts here.
  private func stringStart() -> Int? {
    var ahead = position
    while ahead < source.count, source[ahead] == UInt8(ascii: "#") { ahead += 1 }
    guard ahead < source.count, source[ahead] == UInt8(ascii: "\"") else { return nil }
    return ahead - position
  }

  private mutating func scanString(pounds: Int) {
    let marks = String(repeating: "#", count: pounds)
    blank(pounds)
    let quotes = sees("\"\"\"") ? "\"\"\"" : "\""
    blank(quotes.count)
    while position < source.count, !sees(quotes + marks) {
      if sees("\\" + marks + "(") {
        blank(1 + pounds)
        keep()
        scanCode(untilParenthesis: true)
        if position < source.count { keep() }
      } else if sees("\\" + marks) {
        blank(2 + pounds)
      } else if quotes.count == 1, isLineBreak {
        return
      } else {
        blank()
      }
    }
    blank(quotes.count + pounds)
  }
}
