public import TransportSecurity

/// What follows from an override that was added.
public struct AddedOverride: Hashable, Sendable {
  public let added: NumberedOverride
  /// Those of the same domain and reach, which ended with it.
  public let replaced: [NumberedOverride]
  /// Those within its reach that count before it, by their domains.
  public let nearer: [NumberedOverride]
  /// The floors within its reach that it lets mail go below.
  public let weakened: [OperatorFloor]
}

extension NumberedOverride {
  /// As decisions weigh it, with its author and reason.
  public var floor: OperatorFloor {
    OperatorFloor(
      override.floor,
      origin: "override \(number) by \(override.author) until \(override.until.shortText): \(override.reason)",
      override: number)
  }

  /// Why an override ends that nobody ended.
  public static let expiry = "its time is over"

  /// Why an override ends when another of the same domain and reach is added.
  public static func replacement(by number: Int64) -> String { "override \(number) stands in its place" }
}

extension OperatorFloor {
  /// Of those that an override weakens so many are written down.
  public static let maximumNamed = 20

  /// For records: `verified (outbound.tls.domains mail.example.net), …`; nil for none.
  static func summary(of floors: [OperatorFloor]) -> String? {
    guard !floors.isEmpty else { return nil }
    let named = floors.prefix(maximumNamed).map(\.description)
    let more = floors.count - named.count
    return (named + (more > 0 ? ["\(more) more"] : [])).joined(separator: ", ")
  }
}
