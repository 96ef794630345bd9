import MailQueue
import MailSyntax
import NIOCore
import QueueModel
import Relay
import SMTPGrammar

/// A whole day of a mail server in a moment, from one seed: clients submit by 465, the power is cut, the disk fails and
/// fills, operators interfere, clocks jump, next hops fail in every way of the golden table, the DNS gives answers of
/// every kind, and mail hosts refuse, hang up, fall silent and fail at TLS at every step. Domains publish policies and
/// TLSA records, change them and make slips, and an attacker sits on every way. Then the faults stop, and the queue must
/// drain.
///
/// What must hold: every recipient that was acknowledged is in the queue, or ended with an event; each failure was told,
/// and for a reason that allows it; nobody received more than once but for deliveries in flight at a cut and for replies
/// that were lost; no mail reaches a host that isn't one of its domain's, nor over a weaker channel than Law 2 leaves it
/// (`WireOracle` says for itself what that is); what a sender wished of the way is never lost; when the faults stop everything ends; and no destination starves another.
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
  var configuration: SimulatedConfiguration
  private(set) var server: SimulatedServer?
  private(set) var store: ModelQueueStore
  private(set) var policyStore: ModelPolicyStore
  var isStopping = false
  /// The policy store that an injected fault has stopped, or will.
  var faultyPolicyStore: ModelPolicyStore?

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
    policyStore = ModelPolicyStore(clock: internet.clock)
  }

  // MARK: The day

  private func play() async {
    await rememberSteadyHosts()
    await withDiscardingTaskGroup { group in
      internet.cutPower = { [weak self] in self?.cut() }
      group.addTask { await self.keepServing() }
      switch internet.weather {
      case .storm:
        group.addTask { await self.bringChaos() }
        group.addTask { await self.operate() }
        group.addTask { await self.operatePolicies() }
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
        let server = try await SimulatedServer(
          internet, store: store, policies: policyStore, configuration: configuration)
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

  func cut() {
    guard let server, !server.life.isOver else { return }
    internet.trace.note("the power is cut")
    (store, policyStore) = server.cut()
  }

  var isFaulty: Bool { internet.clock.uptime < internet.faultsEnd }
}
