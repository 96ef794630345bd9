import Accounts
import DNSRecords
import DequeModule
public import MailQueue
public import MailSyntax
import SMTPGrammar
public import SMTPSessions
import Synchronization

/// Asks the lists about clients of port 25: at connect, while the session goes on; a recipient waits for what is still
/// out. What can't be learned in time lists nobody, and only lists that were proven to work are asked (RFC 5782 §5).
public final class DNSListCheck: Sendable {
  /// For all that is asked about one address, reasons included.
  public static let lookUpTime: Duration = .seconds(5)
  /// Addresses that are asked about at the same time: whoever comes beyond is listed by nobody, and that is said.
  public static let maximumAsking = 256
  /// Sessions that wait for one answer; as above.
  public static let maximumWaiting = 1_000
  /// Addresses whose answer is kept; the one answered longest ago makes room.
  public static let maximumAnswers = 20_000
  /// The resolver keeps each answer for its own time; this spares it the questions of one client's many sessions.
  public static let answerTime: Duration = .seconds(300)
  /// After a failure it is asked again soon, but not by each session of a flood.
  public static let failureTime: Duration = .seconds(30)

  struct State {
    var settings = DNSListSettings()
    var resolver: (any Resolver)?
    /// In the order of the lists; without one a list was not proven yet.
    var standings: [Standing?] = []
    /// Changes with the settings, so that what comes of older questions is forgotten.
    var generation = 0
    var answers = RecencyTable<IPAddress, Answer>(capacity: DNSListCheck.maximumAnswers)
    /// Those who wait behind the first that asked.
    var asking: [IPAddress: [OneShot<DNSListVerdict>]] = [:]
    var waiting = 0
    /// Sessions whose address is to be asked about, at most `maximumAsking`.
    var wanted: Deque<SessionFacts> = []
    /// That somebody wasn't asked about is not said again before.
    var sayNextAt: Uptime?
  }
  struct Standing {
    var proof: DNSListProof.Standing
    /// When it is proven anew.
    var due: Uptime
  }
  struct Answer {
    let verdict: DNSListVerdict
    let until: Uptime
  }
  fileprivate enum Turn {
    case answered(DNSListVerdict)
    case tooMany(isNews: Bool)
    case ask(lists: [DNSList], any Resolver, generation: Int)
    case wait(OneShot<DNSListVerdict>)
  }

  let clock: any MailClock
  let events: any EventSink
  let state = Mutex(State())
  private let wake = Signal()
  /// Other lists are to be proven.
  let changed = Signal()

  public init(clock: any MailClock, events: any EventSink) {
    self.clock = clock
    self.events = events
  }

  /// Serves what sessions begin, and proves the lists from time to time, until it is cancelled.
  public func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.keepProven() }
      while !Task.isCancelled {
        await wake.wait()
        let sessions = state.withLock { state in
          defer { state.wanted = [] }
          return state.wanted
        }
        for session in sessions { group.addTask { _ = await self.ask(for: session) } }
      }
      group.cancelAll()
    }
  }

  /// A client has connected: it is asked about while it is greeted. Never waits.
  public func begin(_ session: SessionFacts) {
    let (address, now) = (session.peer.address, clock.uptime)
    let isNews = state.withLock { state in
      guard !state.lists(serving: address).isEmpty, state.known(address, at: now) == nil, state.asking[address] == nil,
        state.wanted.count + state.asking.count < DNSListCheck.maximumAsking
      else { return false }
      state.wanted.append(session)
      return true
    }
    if isNews { wake.raise() }
  }

  /// At once where nothing has to be asked any more.
  public func verdict(on session: SessionFacts) -> Prompt<DNSListVerdict> {
    let (address, now) = (session.peer.address, clock.uptime)
    let known = state.withLock { state in
      state.lists(serving: address).isEmpty ? DNSListVerdict() : state.known(address, at: now)
    }
    return known.map { .now($0) } ?? .later { await self.ask(for: session) }
  }

  private func ask(for session: SessionFacts) async -> DNSListVerdict {
    let (address, now) = (session.peer.address, clock.uptime)
    switch state.withLock({ $0.turn(for: address, at: now) }) {
    case .answered(let verdict): return verdict
    case .tooMany(let isNews):
      if isNews { events.record(.unanswered(by: nil, "too many addresses are asked about at once", session)) }
      return DNSListVerdict()
    case .wait(let turn): return await turn.value()
    case .ask(let lists, let resolver, let generation):
      let round = await DNSListRound.run(
        about: address, of: lists, by: resolver, clock: clock, deadline: now + DNSListCheck.lookUpTime)
      let answeredAt = clock.uptime
      let (others, failing) = state.withLock { state in
        state.take(round, on: address, generation: generation, at: answeredAt)
      }
      for other in others { other.fulfil(round.verdict) }
      for failure in round.failures { events.record(.unanswered(by: failure.list, failure.reason, session)) }
      for (list, fault) in failing { events.record(.listFails(list, fault)) }
      return round.verdict
    }
  }
}

extension DNSListCheck.State {
  func lists(serving address: IPAddress) -> [DNSList] {
    guard resolver != nil, settings.isAsked(about: address) else { return [] }
    return zip(settings.lists, standings).compactMap { list, standing in
      standing?.proof.serves(address) == true ? list : nil
    }
  }

  func known(_ address: IPAddress, at now: Uptime) -> DNSListVerdict? {
    guard let answer = answers.value(for: address), now < answer.until else { return nil }
    return answer.verdict
  }

  fileprivate mutating func turn(for address: IPAddress, at now: Uptime) -> DNSListCheck.Turn {
    if let known = known(address, at: now) { return .answered(known) }
    let lists = lists(serving: address)
    guard let resolver, !lists.isEmpty else { return .answered(DNSListVerdict()) }
    if asking[address] != nil {
      guard waiting < DNSListCheck.maximumWaiting else { return tooMany(at: now) }
      waiting += 1
      let turn = OneShot<DNSListVerdict>()
      asking[address]?.append(turn)
      return .wait(turn)
    }
    guard asking.count < DNSListCheck.maximumAsking else { return tooMany(at: now) }
    asking[address] = []
    return .ask(lists: lists, resolver, generation: generation)
  }

  /// Those who waited for it, and the lists that are gone by no more, for they turned us away.
  fileprivate mutating func take(
    _ round: DNSListRound, on address: IPAddress, generation: Int, at now: Uptime
  ) -> (others: [OneShot<DNSListVerdict>], failing: [(DNSList, DNSListFault)]) {
    let others = asking.removeValue(forKey: address) ?? []
    waiting -= others.count
    guard generation == self.generation else { return (others, []) }
    let time = round.failures.isEmpty ? DNSListCheck.answerTime : DNSListCheck.failureTime
    answers.set(DNSListCheck.Answer(verdict: round.verdict, until: now + time), for: address)
    var failing: [(DNSList, DNSListFault)] = []
    for failure in round.failures where failure.isDeclined {
      guard let index = settings.lists.firstIndex(of: failure.list), standings[index]?.proof.fault == nil else {
        continue
      }
      let fault = DNSListFault.declines(failure.reason)
      standings[index] = .init(proof: .init(fault: fault), due: now + DNSListCheck.proofIsRepeated)
      failing.append((failure.list, fault))
    }
    return (others, failing)
  }

  private mutating func tooMany(at now: Uptime) -> DNSListCheck.Turn {
    guard sayNextAt.map({ now >= $0 }) ?? true else { return .tooMany(isNews: false) }
    sayNextAt = now + .seconds(60)
    return .tooMany(isNews: true)
  }
}
