import MailSyntax
import SMTPSessions

/// How the text behind a key is read, and how a person is told of it.
struct ValueForm<Value: Sendable>: Sendable {
  /// What stands behind the key, as `give …` goes on: "true or false".
  let words: String
  let read: @Sendable (String) throws(Refusal) -> Value

  init(_ words: String, read: @escaping @Sendable (String) throws(Refusal) -> Value) {
    self.words = words
    self.read = read
  }
}

/// Why a value is not taken. Without a remedy of its own, the words of the form are one.
struct Refusal: Error, Hashable {
  let text: String
  var remedy: String?

  init(_ text: String, remedy: String? = nil) {
    self.text = text
    self.remedy = remedy
  }
}

// MARK: Numbers

extension ValueForm<Int> {
  /// - Parameter source: who asks for the lower bound.
  static func count(_ bounds: ClosedRange<Int>, source: String? = nil) -> ValueForm {
    ValueForm("a whole number from \(bounds.lowerBound) to \(bounds.upperBound)") { (text) throws(Refusal) in
      guard !text.isEmpty, text.utf8.allSatisfy(\.isASCIIDigit), let number = Int(text) else {
        throw Refusal("'\(text)' is not a whole number")
      }
      try check(number, bounds, source, String.init)
      return number
    }
  }

  static func percent(_ bounds: ClosedRange<Int>) -> ValueForm {
    ValueForm("a percentage from \(bounds.lowerBound)% to \(bounds.upperBound)%") { (text) throws(Refusal) in
      let digits = text.hasSuffix("%") ? text.dropLast() : text[...]
      guard !digits.isEmpty, digits.utf8.allSatisfy(\.isASCIIDigit), let number = Int(digits) else {
        throw Refusal("'\(text)' is not a percentage")
      }
      try check(number, bounds, nil) { "\($0)%" }
      return number
    }
  }
}

extension ValueForm<Duration> {
  static func duration(_ bounds: ClosedRange<Duration>, source: String? = nil) -> ValueForm {
    let words =
      "a duration from \(bounds.lowerBound.shortForm) to \(bounds.upperBound.shortForm), as 500ms, 30s, 5m, 4h or 5d"
    return ValueForm(words) { (text) throws(Refusal) in
      let duration: Duration
      do {
        duration = try Duration(text: text)
      } catch {
        throw Refusal("'\(text)' is no duration: \(error)")
      }
      try check(duration, bounds, source, \.shortForm)
      return duration
    }
  }
}

extension ValueForm<ByteCount> {
  static func size(_ bounds: ClosedRange<ByteCount>, source: String? = nil) -> ValueForm {
    let words = "a size from \(bounds.lowerBound) to \(bounds.upperBound), as 50 MiB or a number of bytes"
    return ValueForm(words) { (text) throws(Refusal) in
      let size: ByteCount
      do {
        size = try ByteCount(text: text)
      } catch {
        throw Refusal("'\(text)' is no size: \(error)")
      }
      try check(size, bounds, source, \.description)
      return size
    }
  }
}

private func check<Value: Comparable>(
  _ value: Value, _ bounds: ClosedRange<Value>, _ source: String?, _ show: (Value) -> String
) throws(Refusal) {
  guard value >= bounds.lowerBound else {
    throw Refusal(
      "\(show(value)) is less than \(show(bounds.lowerBound))" + (source.map { ", the least that \($0) allows" } ?? ""))
  }
  guard value <= bounds.upperBound else { throw Refusal("\(show(value)) is more than \(show(bounds.upperBound))") }
}

// MARK: Words

extension ValueForm where Value: RawRepresentable<String> & CaseIterable {
  /// One of the cases, by name.
  static var choice: ValueForm {
    let names = Value.allCases.map(\.rawValue)
    let words = names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
    return ValueForm(words) { (text) throws(Refusal) in
      guard let value = Value(rawValue: text) else {
        throw Refusal(
          "'\(text)' is not one of \(names.joined(separator: ", "))",
          remedy: Spelling.nearest(to: text, among: names).map { "did you mean '\($0)'?" })
      }
      return value
    }
  }
}

extension ValueForm<Bool> {
  static var flag: ValueForm {
    ValueForm("true or false") { (text) throws(Refusal) in
      switch text {
      case "true": return true
      case "false": return false
      case _: throw Refusal("'\(text)' is neither true nor false")
      }
    }
  }
}

extension ValueForm<String> {
  static var word: ValueForm {
    ValueForm("some text") { (text) throws(Refusal) in
      guard !text.isEmpty else { throw Refusal("the text is empty") }
      guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
        throw Refusal("the text has a control character")
      }
      return text
    }
  }

  /// Relative paths are made absolute by the reader, who knows the file's folder.
  static var path: ValueForm {
    ValueForm("a path") { (text) throws(Refusal) in
      let text = try word.read(text)
      guard text.utf8.first != UInt8(ascii: "~") else {
        throw Refusal("'\(text)' begins with ~, which only a shell knows", remedy: "write the folder out")
      }
      return text
    }
  }

  /// A Maildir's path with `%d` and `%n`.
  static var maildirPath: ValueForm {
    ValueForm("a path, in which %d stands for the domain and %n for the local part") { (text) throws(Refusal) in
      let text = try path.read(text)
      for piece in text.utf8.split(separator: UInt8(ascii: "%"), omittingEmptySubsequences: false).dropFirst()
      where piece.first != UInt8(ascii: "d") && piece.first != UInt8(ascii: "n") {
        throw Refusal("'\(text)' has a % that is neither %d nor %n")
      }
      return text
    }
  }
}

/// The switch of `recipient_delimiter`: a character, or none.
enum Delimiter: Hashable, Sendable {
  case none
  case character(Character)
}

extension ValueForm<Delimiter> {
  static var delimiter: ValueForm {
    ValueForm("one of + - _ = . # or the word none") { (text) throws(Refusal) in
      if text == "none" { return .none }
      guard text.utf8.count == 1, let character = text.first, "+-_=.#".contains(character) else {
        throw Refusal("'\(text)' is no delimiter")
      }
      return .character(character)
    }
  }
}
