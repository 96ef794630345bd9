import GRDB
import MailQueue
import MailSyntax
import Relay
import Synchronization

/// Takes out of `steady_tls` what is forgotten and what there is no room for, so that it doesn't grow for good. Each is
/// one bounded statement: the store has one thread, and policies wait behind it.
enum PolicySweep {
  static let interval = Duration.seconds(3_600)
  /// Rows in one sweep; what is left waits for the next.
  static let maximumRows = 10_000

  static func run(_ db: Database, at now: UTCInstant) throws {
    try db.execute(
      sql: """
        DELETE FROM steady_tls WHERE (domain, host, address) IN
          (SELECT domain, host, address FROM steady_tls WHERE last_at < ? LIMIT \(maximumRows))
        """, arguments: [(now + (.zero - TLSRatchet.memory)).nanoseconds])
  }

  /// Whole domains go, those unseen for longest: of a pool that has lost its unsteady address the rest would seem steady.
  /// A hundredth more than must goes, so that a full table isn't sorted for each batch.
  static func makeRoom(_ db: Database, keeping most: Int) throws {
    let count = try Int.fetchOne(db, sql: "SELECT count(*) FROM steady_tls") ?? 0
    guard count > most else { return }
    try db.execute(
      sql: """
        DELETE FROM steady_tls WHERE domain IN
          (SELECT domain FROM
            (SELECT domain, sum(count(*)) OVER
                (ORDER BY max(last_at), domain ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS gone_before
              FROM steady_tls GROUP BY domain)
            WHERE coalesce(gone_before, 0) < ?)
        """, arguments: [count - most + most / 100])
  }
}

/// When the last sweep was. The first is an interval behind the start: by then a clock that was wrong at the start is
/// right, and nothing is swept out that isn't forgotten.
final class SweepSchedule: Sendable {
  private let last: Mutex<Uptime>

  init(beginning now: Uptime) { last = Mutex(now) }

  /// Whether it is time, which is then counted as done.
  func isDue(at now: Uptime) -> Bool {
    last.withLock { last in
      guard now - last >= PolicySweep.interval else { return false }
      last = now
      return true
    }
  }
}
