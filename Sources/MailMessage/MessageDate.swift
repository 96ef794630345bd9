public import MailSyntax

/// Dates as RFC 5322 §3.3 writes them.
public enum MessageDate {
  static let dayNames = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  static let monthNames = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
  /// Years that `UTCInstant` holds whole.
  static let readableYears = 1900...2261

  /// `Sun, 22 Nov 2026 11:42:01 +0000`: four-digit year and numeric zone always (RFC 5321 §4.4).
  public static func format(_ instant: UTCInstant) -> String {
    let seconds = Int(instant.seconds)
    let days = floorDivide(seconds, 86_400)
    let (second, date) = (seconds - days * 86_400, CivilDate(daysSince1970: days))
    let dayName = dayNames[floorModulo(days + 4, 7)]
    return "\(dayName), \(date.day) \(monthNames[date.month - 1]) \(padded(date.year, 4)) "
      + "\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2)) +0000"
  }

  /// Reads a date; obsolete years and zone names (§4.3), comments and a missing day of the week are taken.
  public static func parse(_ value: String) throws(FieldSyntaxError) -> UTCInstant {
    var lexemes = try StructuredFieldLexer.lexemes(Array(value.utf8), allowsUTF8: false)
      .filter { $0.kind != .comment }[...]
    if let comma = lexemes.firstIndex(where: { $0.kind == .special(UInt8(ascii: ",")) }) {
      guard comma == lexemes.startIndex + 1, dayNames.contains(lexemes[lexemes.startIndex].text.capitalizedASCII())
      else { throw .badDate }
      lexemes = lexemes[(comma + 1)...]
    }
    let parts = lexemes.map { $0.kind == .special(UInt8(ascii: ":")) ? ":" : $0.text }
    // day month year hour ":" minute [":" second] [zone]
    guard parts.count >= 6, let month = monthNames.firstIndex(of: parts[1].capitalizedASCII()),
      let day = number(parts[0], digits: 1...2), let year = year(parts[2]), readableYears.contains(year),
      let hour = number(parts[3], digits: 1...2), hour < 24, parts[4] == ":",
      let minute = number(parts[5], digits: 1...2), minute < 60
    else { throw .badDate }
    var rest = parts[6...]
    var second = 0
    if rest.first == ":" {
      // RFC 5322 §3.3 allows 60 for a leap second.
      guard rest.count >= 2, let given = number(rest[7], digits: 1...2), given <= 60 else { throw .badDate }
      second = given
      rest = rest.dropFirst(2)
    }
    guard rest.count <= 1, let zone = zoneSeconds(rest.first ?? "+0000") else { throw .badDate }
    let date = CivilDate(year: year, month: month + 1, day: day)
    guard day >= 1, CivilDate(daysSince1970: date.daysSince1970) == date else { throw .badDate }
    return UTCInstant(
      seconds: Int64(date.daysSince1970 * 86_400 + hour * 3600 + minute * 60 + second - zone))
  }

  private static func year(_ text: String) -> Int? {
    guard let value = number(text, digits: 2...4) else { return nil }
    switch text.utf8.count {
    case 2: return value < 50 ? 2000 + value : 1900 + value
    case 3: return 1900 + value
    case _: return value
    }
  }

  private static func zoneSeconds(_ text: String) -> Int? {
    if let sign = text.utf8.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
      guard let value = number(String(text.dropFirst()), digits: 4...4), value % 100 < 60 else { return nil }
      let seconds = (value / 100 * 60 + value % 100) * 60
      return sign == UInt8(ascii: "-") ? -seconds : seconds
    }
    let hours = ["EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8]
    let name = text.uppercased()
    // RFC 5322 §4.3: any other name, the military letters too, says nothing of the zone.
    guard !name.isEmpty, name.utf8.allSatisfy(\.isASCIILetter) else { return nil }
    return (hours[name] ?? 0) * 3600
  }

  private static func number(_ text: String, digits: ClosedRange<Int>) -> Int? {
    guard digits.contains(text.utf8.count), text.utf8.allSatisfy(\.isASCIIDigit) else { return nil }
    return Int(text)
  }

  private static func padded(_ value: Int, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}

/// A day of the Gregorian calendar, reckoned in years that begin in March, so that the leap day is the last.
struct CivilDate: Hashable {
  let year: Int
  let month: Int
  let day: Int

  init(year: Int, month: Int, day: Int) {
    self.year = year
    self.month = month
    self.day = day
  }

  init(daysSince1970 days: Int) {
    let shifted = days + 719_468  // from 0000-03-01
    let era = floorDivide(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  var daysSince1970: Int {
    let marchYear = month <= 2 ? year - 1 : year
    let era = floorDivide(marchYear, 400)
    let yearOfEra = marchYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}

private func floorDivide(_ value: Int, _ by: Int) -> Int { value / by - (value % by < 0 ? 1 : 0) }
private func floorModulo(_ value: Int, _ by: Int) -> Int { value - floorDivide(value, by) * by }

extension String {
  /// `SUN` and `sun` as `Sun`.
  fileprivate func capitalizedASCII() -> String {
    let lower = lowercasedASCII()
    return lower.prefix(1).uppercased() + lower.dropFirst()
  }
}
