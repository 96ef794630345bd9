internal import MailQueue
public import MailSyntax

/// A moment as answers carry it: `2026-11-22T11:45:00.123Z`, UTC by ISO 8601 with milliseconds.
public struct Timestamp: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
  public let instant: UTCInstant

  /// What is finer than a millisecond is cut off.
  public init(_ instant: UTCInstant) {
    let part = instant.nanoseconds - instant.seconds * 1_000_000_000
    self.instant = UTCInstant(nanoseconds: instant.nanoseconds - part % 1_000_000)
  }

  /// Reads what `description` writes, and nothing else.
  public init?(_ text: String) {
    let octets = Array(text.utf8)
    guard octets.count == 24, Timestamp.marks.allSatisfy({ octets[$0.0] == UInt8(ascii: $0.1) }) else { return nil }
    func number(_ range: Range<Int>, _ bounds: ClosedRange<Int64>) -> Int64? {
      guard octets[range].allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
      let value = octets[range].reduce(Int64(0)) { $0 * 10 + Int64($1 - 0x30) }
      return bounds.contains(value) ? value : nil
    }
    guard let year = number(0..<4, 1678...2261), let month = number(5..<7, 1...12), let day = number(8..<10, 1...31),
      let hour = number(11..<13, 0...23), let minute = number(14..<16, 0...59), let second = number(17..<19, 0...59),
      let millisecond = number(20..<23, 0...999)
    else { return nil }
    let seconds = Timestamp.days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
    instant = UTCInstant(nanoseconds: seconds * 1_000_000_000 + millisecond * 1_000_000)
    // A day its month doesn't have would come out as another day.
    guard description == text else { return nil }
  }

  private static let marks: [(Int, Unicode.Scalar)] = [
    (4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "."), (23, "Z"),
  ]

  /// Days from 1970-01-01 in the proleptic Gregorian calendar, for years after 0: years that begin in March.
  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let year = month <= 2 ? year - 1 : year
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return year * 365 + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let read = Timestamp(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "no moment of UTC with milliseconds")
    }
    self = read
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }

  public var description: String { LogLine.timestamp(instant) }
  public static func < (left: Timestamp, right: Timestamp) -> Bool { left.instant < right.instant }
}
