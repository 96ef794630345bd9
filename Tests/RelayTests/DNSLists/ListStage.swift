import DNSRecords
import MailQueue
import MailSyntax
import SMTPSessions
import Simulation
import Synchronization
import Testing

@testable import Relay

/// One list, its zone in memory, a clock in hand, and what is asked and said. `192.0.2.1` is listed, as is `192.0.2.9`.
final class ListStage: Sendable {
  let resolver: WatchedResolver
  let clock = HeldClock()
  let events = EventLog()
  let check: DNSListCheck
  let list: DNSList

  init(
    action: DNSList.Action = .refuse, text: String? = "listed, see https://list.example/",
    unchecked: [String] = [], zone: (inout ZoneResolver) throws -> Void = { _ in }
  ) throws {
    var list = DNSList(zone: try DomainName("list.example"), name: "Example's list")
    list.action = action
    self.list = list
    var answers = ZoneResolver()
    for entry in ["2.0.0.127", "1.2.0.192", "9.2.0.192"] {
      let name = try DomainName("\(entry).list.example")
      answers.add(name, at: [.v4(0x7f00_0002)])
      guard let text else { continue }
      answers.set(
        .records(
          DNSRecordSet(
            records: [Array(text.utf8)], canonicalName: name, security: .insecure, timeToLive: .seconds(1))),
        for: name)
    }
    try zone(&answers)
    resolver = WatchedResolver(answers)
    check = DNSListCheck(clock: clock, events: events)
    check.replace(
      DNSListSettings(lists: [list], uncheckedNetworks: unchecked.compactMap { IPNetwork($0) }), resolver: resolver)
  }

  func verdict(on address: String, _ role: ListenerRole = .relay) async throws -> DNSListVerdict {
    await check.verdict(on: try facts(address, role)).value()
  }

  func facts(_ address: String, _ role: ListenerRole = .relay) throws -> SessionFacts {
    SessionFacts(
      session: SessionID(7), role: role, peer: SocketEndpoint(address: try #require(IPAddress(address)), port: 4711),
      local: SocketEndpoint(address: .v4(0xc000_0202), port: 25))
  }

  func said(_ kind: MailEvent.Kind) -> [MailEvent] { events.events.filter { $0.kind == kind } }
}

/// A zone that remembers what it was asked, and is silent for some of it until it is opened.
final class WatchedResolver: Resolver {
  private struct State {
    var zone: ZoneResolver
    var asked: [String] = []
    var silent: Set<String> = []
  }
  private let state: Mutex<State>
  private let gate = HeldClock()
  /// Each name when it is asked for.
  let questions: AsyncStream<String>
  private let asking: AsyncStream<String>.Continuation

  init(_ zone: ZoneResolver) {
    state = Mutex(State(zone: zone))
    (questions, asking) = AsyncStream.makeStream()
  }

  var asked: [String] { state.withLock { $0.asked } }
  func change(_ change: (inout ZoneResolver) throws -> Void) rethrows { try state.withLock { try change(&$0.zone) } }
  /// Says nothing to a question about this name.
  func fallSilent(at name: String) { state.withLock { _ = $0.silent.insert(name) } }

  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> { .none(.insecure) }

  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    let (zone, isSilent) = state.withLock { state in
      state.asked.append(name.description)
      return (state.zone, state.silent.contains(name.description))
    }
    asking.yield(name.description)
    if isSilent {
      // Until the look-up is cancelled.
      await gate.sleep(until: Uptime(nanoseconds: .max))
      return .failed(reason: "cancelled")
    }
    return await zone.addresses(of: name, family: family)
  }

  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> { await state.withLock { $0.zone }.texts(of: name) }
  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> {
    await state.withLock { $0.zone }.tlsaRecords(of: name)
  }
  func names(of address: IPAddress) async -> DNSAnswer<DomainName> {
    await state.withLock { $0.zone }.names(of: address)
  }
  func alias(of name: DomainName) async -> DNSAnswer<DomainName> { await state.withLock { $0.zone }.alias(of: name) }
}

/// Stands until it is moved. Who sleeps wakes when his time has come, or when he is cancelled.
final class HeldClock: MailClock {
  private struct State {
    var moment = Duration.zero
    var sleepers: [Int: (deadline: Uptime, continuation: CheckedContinuation<Void, Never>)] = [:]
    var cancelled: Set<Int> = []
    var last = 0
    var uptime: Uptime { Uptime(nanoseconds: 0) + moment }
  }
  private let state = Mutex(State())

  var uptime: Uptime { state.withLock { $0.uptime } }
  var now: UTCInstant { UTCInstant(seconds: 1_795_351_810) + state.withLock { $0.moment } }

  /// Who sleeps at this moment.
  var sleepers: Int { state.withLock { $0.sleepers.count } }

  func advance(_ duration: Duration) {
    let due = state.withLock { state in
      state.moment += duration
      let due = state.sleepers.filter { $0.value.deadline <= state.uptime }
      for key in due.keys { state.sleepers[key] = nil }
      return due.values.map(\.continuation)
    }
    for sleeper in due { sleeper.resume() }
  }

  func sleep(until deadline: Uptime) async {
    let key = state.withLock { state in
      state.last += 1
      return state.last
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let mustWait = state.withLock { state in
          guard deadline > state.uptime, !state.cancelled.contains(key) else { return false }
          state.sleepers[key] = (deadline, continuation)
          return true
        }
        if !mustWait { continuation.resume() }
      }
    } onCancel: {
      let sleeper = state.withLock { state in
        state.cancelled.insert(key)
        return state.sleepers.removeValue(forKey: key)?.continuation
      }
      sleeper?.resume()
    }
  }
}
