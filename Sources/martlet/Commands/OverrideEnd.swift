import ControlPlane
import MailSyntax
import Relay
import TransportSecurity

/// When an override is to end, as a person writes it: `2026-12-01`, `2026-12-01T12:00Z`, or a time from now, `7d`.
enum OverrideEnd: Hashable {
  case at(UTCInstant)
  case after(Duration)

  static let forms =
    "a day as 2026-12-01, which is the last one, a moment as 2026-12-01T12:00Z, or a time from now as 90m, 12h, 7d or 2w"

  /// Nil for anything else.
  init?(_ text: String) {
    if let moment = OverrideEnd.moment(text) {
      self = .at(moment)
      return
    }
    guard let unit = text.unicodeScalars.last.flatMap({ OverrideEnd.seconds[$0] }),
      let count = Int64(text.dropLast()), count > 0, text.utf8.first != UInt8(ascii: "+"),
      // A longer one is refused by name, and not because it can't be counted.
      count <= FloorOverride.longestTime.components.seconds
    else { return nil }
    self = .after(.seconds(count * unit))
  }

  private static let seconds: [Unicode.Scalar: Int64] = ["m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400]

  /// A day is named as the last: it ends with it, in UTC.
  private static func moment(_ text: String) -> UTCInstant? {
    if text.utf8.count == 10 { return Timestamp(text + "T00:00:00.000Z").map { $0.instant + .seconds(86_400) } }
    let whole: String? =
      switch text.utf8.count {
      case 17: text.hasSuffix("Z") ? text.dropLast() + ":00.000Z" : nil
      case 20: text.hasSuffix("Z") ? text.dropLast() + ".000Z" : nil
      case _: nil
      }
    return whole.flatMap { Timestamp($0) }?.instant
  }

  func moment(from now: UTCInstant) -> UTCInstant {
    switch self {
    case .at(let moment): moment
    case .after(let time): now + time
    }
  }
}
