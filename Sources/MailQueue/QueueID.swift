public import MailSyntax

/// Names a message in logs, replies, Received fields and commands: sixteen characters of Crockford's base 32, the first
/// nine of them the millisecond of acceptance, so that ids sort by age.
public struct QueueID: Hashable, Comparable, Sendable, CustomStringConvertible {
  public static let characters = 16
  public let description: String

  public init(acceptedAt instant: UTCInstant, random: UInt64) {
    let milliseconds = UInt64(max(0, instant.nanoseconds / 1_000_000))
    description = crockford(milliseconds, characters: 9) + crockford(random, characters: 7)
  }

  /// Reads an id a person typed; nil when it isn't one.
  public init?(_ text: some StringProtocol) {
    let lowered = text.lowercasedASCII()
    guard lowered.utf8.count == QueueID.characters,
      lowered.utf8.allSatisfy({ $0.isASCIIDigit || ($0.isASCIILetter && !Array("ilou".utf8).contains($0)) })
    else { return nil }
    description = lowered
  }

  public static func < (left: QueueID, right: QueueID) -> Bool { left.description < right.description }
}
