public import MailQueue
public import MailSyntax
import OrderedCollections
import Synchronization

/// Counts what was judged, and writes it from time to time: a message waits for none of it, and a crash loses what was
/// counted since, which is a minute of a statistic and no mail.
public final class AuthenticationLedger: AuthenticationRecordSource {
  public static let writeInterval: Duration = .seconds(60)
  /// Different records between two writes; further ones are counted as left out, and said.
  public static let maximumRecords = 5_000

  private struct State {
    var counts: OrderedDictionary<AuthenticationRecord, Int> = [:]
    var leftOut = 0
  }

  private let store: any AuthenticationRecordStore
  private let clock: any MailClock
  private let events: any EventSink
  private let state = Mutex(State())

  public init(store: any AuthenticationRecordStore, clock: any MailClock, events: any EventSink) {
    self.store = store
    self.clock = clock
    self.events = events
  }

  func count(_ record: AuthenticationRecord, _ messages: Int = 1) {
    state.withLock { state in
      guard state.counts[record] != nil || state.counts.count < AuthenticationLedger.maximumRecords else {
        state.leftOut += messages
        return
      }
      state.counts[record, default: 0] += messages
    }
  }

  /// Writes until it is cancelled.
  public func run() async {
    while !Task.isCancelled {
      await clock.sleep(until: clock.uptime + AuthenticationLedger.writeInterval)
      await write()
    }
  }

  /// Writes what was counted; what can't be written is kept for the next time.
  public func write() async {
    let (counts, leftOut) = state.withLock { state in
      defer { state = State() }
      return (state.counts, state.leftOut)
    }
    if leftOut > 0 {
      alarm(
        "\(leftOut) messages are missing in it: more than \(AuthenticationLedger.maximumRecords) different records wait"
      )
    }
    guard !counts.isEmpty else { return }
    do throws(StoreFault) {
      let noRoom = try await store.add(counts.map { CountedRecord(record: $0.key, count: $0.value) })
      if noRoom > 0 { alarm("\(noRoom) messages are missing in it: the day has as many different records as are kept") }
    } catch {
      for (record, count) in counts { self.count(record, count) }
      alarm("the store answers \(error)")
    }
  }

  /// With what was counted up to now.
  public func authenticationRecords(of day: Int, limit: Int) async throws(StoreFault) -> [CountedRecord] {
    await write()
    return try await store.authenticationRecords(of: day, limit: limit)
  }

  private func alarm(_ reason: String) {
    events.record(
      MailEvent(.alarm, [.init("what", .text("authentication-not-counted")), .init("reason", .text(reason))]))
  }
}
