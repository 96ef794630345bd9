import MailSyntax
import Relay
import TransportSecurity

/// When mail to domains whose hosts have proven themselves for long is surely held back from a weaker channel: while the
/// house was told to hold, and before the first drop that it can have seen is too old.
struct KnownSteadiness {
  private let began: Uptime
  /// Nil where drops are only spoken of.
  private var holdsSince: Uptime?
  /// The wall clock, by which the ratchet reckons, may have jumped ahead.
  private static let slack = Duration.seconds(3 * 3_600)

  init(began: Uptime) { self.began = began }

  /// A start, or a configuration that is read again, says what becomes of a drop.
  mutating func conduct(is conduct: SteadyTLS.Conduct, at moment: Uptime) {
    switch conduct {
    case .alert: holdsSince = nil
    case .hold: holdsSince = holdsSince ?? moment
    }
  }

  /// Whether mail that isn't a report was held from `begin` to `end`, had a channel been weaker.
  func holds(_ domain: ForeignDomain, from begin: Uptime, to end: Uptime) -> Bool {
    guard domain.isSteady, let holdsSince, holdsSince <= begin else { return false }
    return end < began + TLSRatchet.longestHold + (.zero - KnownSteadiness.slack)
  }
}
