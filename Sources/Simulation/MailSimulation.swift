import MailQueue
import MailSyntax
import NIOCore
import QueueModel
import Relay
import SMTPGrammar

/// A whole day of a mail server in a moment, from one seed: clients submit by 465, the power is cut, the disk fails and
/// fills, operators interfere, clocks jump, next hops fail in every way of the golden table, the DNS gives answers of
/// every kind, and mail hosts refuse, hang up, fall silent and fail at TLS at every step. Then the faults stop, and the
/// queue must drain.
///
/// What must hold: every recipient that was acknowledged is in the queue, or ended with an event; each failure was told,
/// and for a reason that allows it; nobody received more than once but for deliveries in flight at a cut and for replies
/// that were lost; no mail reaches a host that isn't one of its domain's, nor over a weaker channel than Law 2 leaves it;
/// when the faults stop everything ends; and no destination starves another.
public final class MailSimulation: @unchecked Sendable {
  public struct Report: Hashable, Sendable {
    public let seed: UInt64
    /// Equal for two runs of one seed, in whatever processes.
    public let trace: UInt64
    public let violations: [String]
    public let summary: String
    /// How often each kind of fault was met.
    public let injected: [InjectedFault: Int]
    public let lines: [String]
  }

  /// Virtual time from the end of the faults to an empty queue.
  static let drainBound = Duration.seconds(48 * 3_600)

  private let seed: UInt64
  let internet: SimulatedInternet
  let random: SeededRandom
  private(set) var configuration: SimulatedConfiguration
  private let isDone = Gate()
  private(set) var server: SimulatedServer?
  private(set) var store: ModelQueueStore
  private var isStopping = false

  public static func run(seed: UInt64, keepsTrace: Bool = false) -> Report {
    let world = World(seed: seed)
    let internet: SimulatedInternet
    do {
      internet = try SimulatedInternet(world, seed: seed, keepsTrace: keepsTrace)
    } catch {
      return Report(
        seed: seed, trace: 0, violations: ["the world could not be made: \(error)"], summary: "", injected: [:],
        lines: [])
    }
    do {
      let simulation = try MailSimulation(seed, internet)
      if world.run({ await simulation.play() }) == nil {
        internet.ledger.violate("something waits for ever, or never ends")
      }
    } catch {
      internet.ledger.violate("the simulation could not start: \(error)")
    }
    return Report(
      seed: seed, trace: internet.trace.hash, violations: internet.ledger.violations,
      summary: "\(internet.ledger.summary), \(world.jobs) jobs", injected: internet.injected,
      lines: internet.trace.lines)
  }

  private init(_ seed: UInt64, _ internet: SimulatedInternet) throws {
    self.seed = seed
    self.internet = internet
    random = internet.random
    switch internet.weather {
    case .storm: configuration = try SimulatedConfiguration(random)
    case .uneven: configuration = try .even(random)
    }
    store = ModelQueueStore(
      clock: internet.clock, events: internet.trace, latency: .milliseconds(random.below(20)))
  }

  // MARK: The day

  private func play() async {
    await withDiscardingTaskGroup { group in
      internet.cutPower = { [weak self] in self?.cut() }
      group.addTask { await self.keepServing() }
      switch internet.weather {
      case .storm:
        group.addTask { await self.bringChaos() }
        group.addTask { await self.operate() }
        let letters = 3 + random.below(6)
        for account in SimulatedServer.accounts {
          group.addTask { await self.sendLetters(letters, from: account) }
        }
        group.addTask { await self.sendHouseMail(letters) }
      case .uneven(let destinations): group.addTask { await destinations.send(by: self) }
      }
      group.addTask { await self.finish() }
    }
  }

  /// Starts the server again whenever it ended.
  private func keepServing() async {
    while !isStopping {
      do {
        let server = try SimulatedServer(internet, store: store, configuration: configuration)
        self.server = server
        internet.trace.note("the server starts")
        let end = await server.run()
        internet.trace.note("the server ends: \(end)")
        if case .storeFault(let fault) = end, !hasStopped(server.store) {
          internet.ledger.violate("the server ended though its store goes on: \(fault)")
        }
        // The store may have ended by itself: then nothing more can be kept, as behind a cut.
        if !server.life.isOver, !isStopping { cut() }
        if isStopping { server.life.closeLines() }
      } catch {
        return internet.ledger.violate("the server could not start: \(error)")
      }
      await internet.ledger.check(store)
      await internet.clock.sleep(for: .seconds(random.below(30)))
    }
  }

  private func hasStopped(_ store: ModelQueueStore) -> Bool {
    switch store.condition {
    case .stopped: true
    case .accepting, .spaceLow: false
    }
  }

  private func cut() {
    guard let server, !server.life.isOver else { return }
    internet.trace.note("the power is cut")
    store = server.cut()
  }

  private var isFaulty: Bool { internet.clock.uptime < internet.faultsEnd }

  private func bringChaos() async {
    while isFaulty {
      await pause(upTo: 1_800)
      guard isFaulty else { break }
      switch random.below(10) {
      case 0, 1:
        internet.inject(.cut)
        cut()
      case 2:
        internet.inject(.failedSync)
        store.failSync(after: 1 + random.below(5))
      case 3:
        internet.inject(.spaceLow)
        store.setSpaceLow(true)
        await pause(upTo: 300)
        store.setSpaceLow(false)
      case 4:
        internet.inject(.fullDisk)
        store.setFull(true)
        await pause(upTo: 300)
        store.setFull(false)
      case 5:
        internet.inject(.clockJump)
        internet.clock.jump(by: .seconds(random.below(1_200) - 600))
      case 6:
        let chance = random.pick([5, 40, 100])
        store.setUnavailable { [internet, random] in
          guard random.chance(chance) else { return false }
          internet.inject(.unavailable)
          return true
        }
        await pause(upTo: 600)
        store.setUnavailable(when: nil)
      case 7, 8:
        internet.inject(.reload)
        await reload(servesShop: random.chance(50), usesExchangers: random.chance(75))
      case _:
        guard let message = try? await store.list(QueueFilter(), after: nil, limit: 20).last else { continue }
        internet.trace.note("the body of \(message.id) is damaged")
        internet.inject(.damagedBody)
        store.damageBody(of: message.id)
      }
    }
    store.setFull(false)
    // A reload has every route tried again: as often as may be they must find that out themselves.
    if !configuration.servesShop { await reload(servesShop: true, usesExchangers: configuration.usesExchangers) }
  }

  private func reload(servesShop: Bool, usesExchangers: Bool) async {
    do {
      var configuration = try SimulatedConfiguration(random)
      configuration.servesShop = servesShop
      configuration.usesExchangers = usesExchangers
      self.configuration = configuration
      guard let server, !server.life.isOver else { return }
      internet.trace.note("the configuration is read again, \(servesShop ? "with" : "without") shop.example")
      try await server.reload(configuration)
    } catch {
      internet.ledger.violate("the configuration can't be read again: \(error)")
    }
  }

  private func operate() async {
    while isFaulty {
      await pause(upTo: 1_200)
      var filter = QueueFilter()
      if random.chance(50) { filter.account = random.pick(SimulatedServer.accounts) }
      if random.chance(50) { filter.route = random.pick(SimulatedInternet.hops) }
      if random.chance(30) { filter.recipient = "@example.com" }
      await speak(filter)
    }
  }

  private func speak(_ filter: QueueFilter) async {
    guard let server, !server.life.isOver else { return }
    do throws(StoreFault) {
      switch random.below(8) {
      case 0, 1: _ = try await server.runner.hold(filter, by: "operator")
      case 2, 3: _ = try await server.runner.release(filter, by: "operator")
      case 4, 5: _ = try await server.runner.retryNow(filter, by: "operator")
      case 6: _ = try await server.runner.delete(filter, by: "operator")
      case _: _ = try await server.runner.bounce(filter, by: "operator")
      }
    } catch {
      internet.trace.note("the operator is not heard: \(error)")
    }
  }

  // MARK: The end

  /// Nothing fails any more: what is held is released, what is damaged is removed, and the rest must leave.
  private func finish() async {
    await internet.clock.sleep(until: internet.faultsEnd + .seconds(3 * 3_600))
    let deadline = internet.clock.uptime + MailSimulation.drainBound
    while internet.clock.uptime < deadline {
      guard await !hasDrained() else { break }
      await internet.clock.sleep(for: .seconds(600))
    }
    if await !hasDrained() { internet.ledger.violate("the queue has not drained though nothing fails any more") }
    await internet.ledger.check(store)
    internet.ledger.checkReports()
    if case .uneven(let destinations) = internet.weather { destinations.check(self) }
    isStopping = true
    server?.runner.stop()
  }

  private func hasDrained() async -> Bool {
    guard let server, !server.life.isOver else { return false }
    do throws(StoreFault) {
      var held = QueueFilter()
      held.state = .held
      for message in try await store.list(held, after: nil, limit: 1_000) {
        // A damaged body is held anew at each attempt; it has had its chance.
        held.id = message.id
        if message.recipients.contains(where: { $0.lastResult?.contains("damaged") ?? false }) {
          _ = try await server.runner.delete(held, by: "operator")
        } else {
          _ = try await server.runner.release(held, by: "operator")
        }
      }
      return try await store.counts().messages == 0
    } catch {
      return false
    }
  }
}
