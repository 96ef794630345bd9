public import MailSyntax

/// Renders an event as one line, without its end of line. Nothing in a value can end the line, colour a terminal or
/// forge a field: what isn't plain is quoted and escaped.
public enum LogLine {
  /// `2026-11-22T11:45:00.123Z recipient.delivered id=… to=a@example.com host="mx 1"`.
  public static func text(_ event: MailEvent, _ instant: UTCInstant) -> String {
    var line = timestampBytes(instant)
    line.append(UInt8(ascii: " "))
    line.append(contentsOf: event.kind.rawValue.utf8)
    for field in event.fields {
      line.append(UInt8(ascii: " "))
      line.append(contentsOf: field.key.utf8)
      line.append(UInt8(ascii: "="))
      switch field.value {
      case .text(let text): appendText(text, to: &line)
      case .number(let number): line.append(contentsOf: String(number).utf8)
      case .flag(let flag): line.append(contentsOf: (flag ? "true" : "false").utf8)
      }
    }
    return String(decoding: line, as: UTF8.self)
  }

  /// `{"time":"2026-11-22T11:45:00.123Z","event":"recipient.delivered","id":"…",…}`, fields in the event's order.
  public static func json(_ event: MailEvent, _ instant: UTCInstant) -> String {
    var line = Array("{\"time\":\"".utf8)
    line.append(contentsOf: timestampBytes(instant))
    line.append(contentsOf: "\",".utf8)
    JSONText.appendMembers(of: event, to: &line)
    line.append(UInt8(ascii: "}"))
    return String(decoding: line, as: UTF8.self)
  }

  /// ISO 8601 in UTC with milliseconds: `2026-11-22T11:45:00.123Z`.
  public static func timestamp(_ instant: UTCInstant) -> String {
    String(decoding: timestampBytes(instant), as: UTF8.self)
  }

  private static func appendText(_ text: String, to line: inout [UInt8]) {
    guard text.isEmpty || !text.utf8.allSatisfy(\.isBareInLogLine) else {
      line.append(contentsOf: text.utf8)
      return
    }
    JSONText.appendString(text, to: &line)
  }

  private static func timestampBytes(_ instant: UTCInstant) -> [UInt8] {
    let day = instant.seconds.floored(by: 86_400)
    let second = instant.seconds - day * 86_400
    let (year, month, date) = civilDate(fromDays: day)
    // The whole second of the earliest instant is out of Int64's nanoseconds, so go by the remainder.
    let remainder = instant.nanoseconds % 1_000_000_000
    let millisecond = (remainder < 0 ? remainder + 1_000_000_000 : remainder) / 1_000_000
    var bytes: [UInt8] = []
    bytes.reserveCapacity(160)
    bytes.appendDigits(year, 4, then: "-")
    bytes.appendDigits(month, 2, then: "-")
    bytes.appendDigits(date, 2, then: "T")
    bytes.appendDigits(second / 3600, 2, then: ":")
    bytes.appendDigits(second / 60 % 60, 2, then: ":")
    bytes.appendDigits(second % 60, 2, then: ".")
    bytes.appendDigits(millisecond, 3, then: "Z")
    return bytes
  }

  /// The proleptic Gregorian date of a day counted from 1970-01-01: eras of 400 years, years that begin in March.
  private static func civilDate(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = shifted.floored(by: 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }
}

extension Int64 {
  fileprivate func floored(by divisor: Int64) -> Int64 {
    self / divisor - (self % divisor < 0 ? 1 : 0)
  }
}

extension [UInt8] {
  fileprivate mutating func appendDigits(_ number: Int64, _ width: Int, then mark: Unicode.Scalar) {
    let digits = String(number).utf8
    for _ in 0..<Swift.max(0, width - digits.count) { append(UInt8(ascii: "0")) }
    append(contentsOf: digits)
    append(UInt8(ascii: mark))
  }
}

extension UInt8 {
  /// Printable ASCII that neither separates nor quotes.
  fileprivate var isBareInLogLine: Bool {
    self > 0x20 && self < 0x7f && self != UInt8(ascii: "\"") && self != UInt8(ascii: "\\") && self != UInt8(ascii: "=")
  }
}
