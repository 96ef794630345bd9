import Accounts
public import MailQueue
public import MailSyntax
import OrderedCollections
import Synchronization
public import TransportSecurity

/// Remembers what mail hosts have steadily shown, and speaks up when one shows less: where nothing is published, that is
/// all there is against somebody who strips TLS. Documentation/Decisions/0012-the-ratchet.md.
///
/// Noting and asking cost a look-up in memory; `run` writes to the store, in batches, off the deliveries' path.
public final class TLSRatchet: Sendable {
  /// A domain is armed when each of its known addresses has shown TLS so many times in a row: a connection was opened
  /// to it, or mail went over one that was kept …
  public static let neededSuccesses = 5
  /// … over so long a time.
  public static let neededTime = Duration.seconds(86_400)
  /// An address that was not seen for so long is forgotten.
  public static let memory = Duration.seconds(30 * 86_400)
  /// With `hold`: how long after a drop was first seen mail waits, at the longest. The first weak sight behind it is
  /// taken as the hosts' new standing.
  public static let longestHold = Duration.seconds(86_400)
  /// One event for a domain in so long a time.
  public static let eventInterval = Duration.seconds(3_600)
  /// Domains in memory; those unseen for longest go.
  public static let maximumDomains = 20_000
  /// Of one domain. One with more is not armed: nobody knows what all of them show.
  public static let maximumAddresses = 64
  /// Records in one write.
  public static let maximumBatch = 1_000
  /// Records that wait for the next write; more are learned again.
  static let maximumUnwritten = 10_000
  static let writeInterval = Duration.seconds(60)
  static let mostCounted = 1_000_000
  /// What an address that has shown enough shows again so soon is no news.
  static let noteInterval = Duration.seconds(60)
  /// So often it is written down that a drop still stands.
  static let dropInterval = Duration.seconds(3_600)

  fileprivate struct Saying: Sendable {
    var saidAt: UTCInstant?
    var unsaid = 0
  }
  fileprivate struct State {
    var domains = RecencyTable<DomainName, SteadyDomain>(capacity: TLSRatchet.maximumDomains)
    var sayings = RecencyTable<DomainName, Saying>(capacity: TLSRatchet.maximumDomains)
    var dirty: OrderedDictionary<SteadyRecord.Key, SteadyRecord> = [:]
    var conduct: SteadyTLS.Conduct
  }
  private let state: Mutex<State>
  private let store: any PolicyStore
  private let clock: any MailClock
  private let events: any EventSink

  public init(store: any PolicyStore, conduct: SteadyTLS.Conduct, clock: any MailClock, events: any EventSink) {
    self.store = store
    self.clock = clock
    self.events = events
    state = Mutex(State(conduct: conduct))
  }

  /// `outbound.tls.on_downgrade` after a reload.
  public func replace(conduct: SteadyTLS.Conduct) { state.withLock { $0.conduct = conduct } }

  /// Takes up what the store has, the newest domains where there are too many. To be called before mail goes. What is too
  /// old is told where it is used: the clock may be wrong at a start.
  public func load() async throws(StoreFault) {
    var byDomain: OrderedDictionary<DomainName, [SteadyRecord]> = [:]
    for record in try await store.steadyRecords() {
      byDomain[record.key.domain, default: []].append(record)
    }
    let domains = byDomain.map { ($0.key, SteadyDomain($0.value)) }
      .sorted { ($0.1.lastAt, $0.0.folded) < ($1.1.lastAt, $1.0.folded) }
    state.withLock { state in
      state.domains.removeAll()
      for (domain, known) in domains.suffix(TLSRatchet.maximumDomains) { state.domains.set(known, for: domain) }
    }
  }

  /// What the domain's hosts have steadily shown, for `TLSEvidence.history`; nil where nothing is steady.
  ///
  /// - Parameters:
  ///   - domain: the recipients', in its one form.
  ///   - reversePath: the envelope's. Reports of ours are never held: those who wait for them can't mend it.
  public func expectation(
    for domain: DomainName, from reversePath: ReversePath, at moment: UTCInstant
  ) -> SteadyTLS? {
    state.withLock { state in
      let holdsAtAll = state.conduct == .hold && reversePath != .null
      return state.domains.look(at: domain) { known in
        known.armed(at: moment).map { armed in
          SteadyTLS(
            armed.level, since: armed.since, conduct: holdsAtAll && known.mayHold(at: moment) ? .hold : .alert)
        }
      } ?? nil
    }
  }

  /// Notes what an address of a domain's MX host has just shown.
  ///
  /// - Parameters:
  ///   - domain: the recipients', in its one form, as in `expectation`.
  ///   - level: `verified` where the certificate or TLSA records proved the host, whatever was demanded; nil where mail
  ///     went in clear, STARTTLS wasn't offered, or TLS failed. What tells nothing of TLS is not noted: a host that
  ///     couldn't be reached, or turned us away before EHLO was answered.
  public func note(_ domain: DomainName, host: DomainName, address: IPAddress, _ level: SteadyTLS.Level?) {
    let now = clock.now
    let event = state.withLock { state -> MailEvent? in
      let isNoNews = state.domains.look(at: domain) { $0.isNoNews(address, of: host, level, at: now) } ?? false
      guard !isNoNews else {
        state.domains.refresh(domain)
        return nil
      }
      let key = SteadyRecord.Key(domain: domain, host: host, address: address)
      var known = state.domains.take(domain) ?? SteadyDomain()
      let since = known.armed(at: now)?.since
      let (effect, changed) = known.note(key, level, at: now)
      state.domains.set(known, for: domain)
      for record in changed where state.dirty[record.key] != nil || state.dirty.count < TLSRatchet.maximumUnwritten {
        state.dirty[record.key] = record
      }
      guard case .drop(let expected, let isAdapted) = effect else { return nil }
      let count = state.count(domain, isAdapted: isAdapted, at: now)
      return count.map { count in
        .downgraded(
          key, expected: expected, seen: level, count: count, since: since ?? now, conduct: state.conduct,
          isAdapted: isAdapted)
      }
    }
    if let event { events.record(event) }
  }

  /// Forgets a domain: its hosts are to be learned anew.
  public func forget(_ domain: DomainName) async throws(StoreFault) {
    state.withLock { state in
      state.domains.remove(domain)
      state.dirty.removeAll { $0.key.domain == domain }
    }
    try await store.removeSteadyRecords(of: domain)
  }

  /// What is known of a domain's addresses, those on trial too.
  public func records(of domain: DomainName) -> [SteadyRecord] {
    state.withLock { state in
      state.domains.value(for: domain).map { Array($0.records.values) + Array($0.onTrial.values) } ?? []
    }
  }

  /// Writes what is new once a minute, until the task is cancelled, and then what is left.
  public func run() async {
    while !Task.isCancelled {
      await clock.sleep(until: clock.uptime + TLSRatchet.writeInterval)
      await write()
    }
  }

  /// In batches. What a failed write leaves behind is written with the next: it is a memory, not mail.
  public func write() async {
    while true {
      let batch = state.withLock { state in
        let batch = Array(state.dirty.values.prefix(TLSRatchet.maximumBatch))
        state.dirty.removeFirst(batch.count)
        return batch
      }
      guard !batch.isEmpty else { return }
      do throws(StoreFault) {
        try await store.put(batch)
      } catch {
        state.withLock { state in
          for record in batch where state.dirty[record.key] == nil && state.dirty.count < TLSRatchet.maximumUnwritten {
            state.dirty[record.key] = record
          }
        }
        return
      }
    }
  }
}

extension TLSRatchet.State {
  /// How many drops an event tells of now; nil where this one is only counted.
  fileprivate mutating func count(_ domain: DomainName, isAdapted: Bool, at now: UTCInstant) -> Int? {
    var saying = sayings.take(domain) ?? TLSRatchet.Saying()
    saying.unsaid += 1
    let isDue = saying.saidAt.map { !(.zero..<TLSRatchet.eventInterval).contains(now - $0) } ?? true
    let count = saying.unsaid
    if isDue || isAdapted {
      saying.saidAt = now
      saying.unsaid = 0
    }
    sayings.set(saying, for: domain)
    return isDue || isAdapted ? count : nil
  }
}
