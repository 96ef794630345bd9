public import MailSyntax

/// A day of UTC as people and answers write it: `2026-11-23`, by ISO 8601.
public struct UTCDay: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
  /// Days since 1970-01-01.
  public let number: Int

  public init(number: Int) { self.number = number }

  /// The day that a moment is of.
  public init(_ moment: UTCInstant) { number = Int(moment.seconds / 86_400) }

  /// Reads what `description` writes, and nothing else.
  public init?(_ text: String) {
    guard text.utf8.count == 10, let midnight = Timestamp(text + "T00:00:00.000Z") else { return nil }
    self.init(midnight.instant)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let read = UTCDay(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "no day as 2026-11-23")
    }
    self = read
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }

  public var description: String {
    String(Timestamp(UTCInstant(seconds: Int64(number) * 86_400)).description.prefix(10))
  }

  public static func < (left: UTCDay, right: UTCDay) -> Bool { left.number < right.number }
}
