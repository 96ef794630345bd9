import MailQueue
import MailSyntax
import QueueStorage
import Synchronization

/// Rows that don't read, each named once, until its domain is written anew.
final class RowDamageNotes: Sendable {
  /// Of more rows only their number is told, and only a restart ends the alarm.
  static let maximumNamed = 64
  static let alarm = "policy-unreadable"

  private struct State {
    var named: [String] = []
    var hasMore = false
  }
  private let state = Mutex(State())

  func news(of reasons: [String]) -> [MailEvent] {
    let (news, more) = state.withLock { state -> ([String], Int) in
      let fresh = reasons.filter { !state.named.contains($0) }
      let named = fresh.prefix(max(0, RowDamageNotes.maximumNamed - state.named.count))
      state.named += named
      guard fresh.count > named.count, !state.hasMore else { return (Array(named), 0) }
      state.hasMore = true
      return (Array(named), fresh.count - named.count)
    }
    let last = more > 0 ? ["\(more) more rows of the policy store can't be read"] : []
    return (news + last).map { reason in
      MailEvent(
        .alarm,
        [
          .init("what", .text(RowDamageNotes.alarm)), .init("reason", .text(reason)),
          .init(
            "remedy",
            .text(
              "martlet policy show names what waits; fetch it anew by martlet policy refresh, or take it out by "
                + "martlet policy forget or martlet policy override end")),
          .init("until-cleared", .flag(true)),
        ])
    }
  }

  /// The word that ends the alarm, where the last damaged row was written anew.
  func mended(_ domain: DomainName) -> MailEvent? {
    let isLast = state.withLock { state in
      let before = state.named.count
      state.named.removeAll { $0.contains(" of \(domain.folded) holds ") }
      return before > 0 && state.named.isEmpty && !state.hasMore
    }
    guard isLast else { return nil }
    return MailEvent(
      .alarm,
      [
        .init("what", .text("policy-readable")), .init("reason", .text("every row of the policy store reads again")),
        .init("clears", .text(RowDamageNotes.alarm)),
      ])
  }
}
