import Accounts
import Configuration
import ControlPlane
import Foundation
import MailQueue
import MailSyntax
import NIOCore
import NIOPosix
import PasswordHashing
import QueueStorage
import Relay
import SMTPSessions
import SMTPTransport
import SystemWorld

/// A whole server in one process: store, intake, queue runner, listeners, wired together from a `Configuration`.
///
/// Opened in the order in which things are needed and closed in the opposite one, so that nothing is ever accepted that
/// couldn't be kept, and nothing lost that was.
final class House: Sendable {
  /// Threads that compute password hashes: 19 MiB each while they do.
  static let hashingThreads = 2
  /// Threads that write Maildirs, each waiting for its own fsync.
  static let deliveryThreads = 8

  let configuration: Configuration
  let store: SegmentedQueueStore
  let runner: QueueRunner
  let intake: Intake
  let log: any EventSink
  let clock = SystemClock()
  let startedAt = SystemClock().now
  private let foundation: Foundation
  /// Nil where the configuration names no certificate: then only 25 listens, without STARTTLS.
  private let identities: TLSIdentityStore?
  private let listeners: [SMTPListener]
  private let ledger: ConnectionLedger
  private let routes: RouteTable

  /// What everything else stands on.
  private struct Foundation {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)
    let loops: TransportLoops
    let hashingPool = NIOThreadPool(numberOfThreads: House.hashingThreads)
    /// Maildirs are written and synced here.
    let deliveryThreads = NIOThreadPool(numberOfThreads: House.deliveryThreads)

    init() {
      loops = TransportLoops(group: group)
      hashingPool.start()
      deliveryThreads.start()
    }

    func shutDown() async {
      loops.shutDown()
      try? await group.shutdownGracefully()
      try? await hashingPool.shutdownGracefully()
      try? await deliveryThreads.shutdownGracefully()
    }
  }

  private init(
    configuration: Configuration, foundation: Foundation, store: SegmentedQueueStore, runner: QueueRunner,
    intake: Intake, log: any EventSink, identities: TLSIdentityStore?, listeners: [SMTPListener],
    ledger: ConnectionLedger, routes: RouteTable
  ) {
    self.configuration = configuration
    self.foundation = foundation
    self.store = store
    self.runner = runner
    self.intake = intake
    self.log = log
    self.identities = identities
    self.listeners = listeners
    self.ledger = ledger
    self.routes = routes
  }

  /// Opens the store and binds every listener, or throws with nothing left open.
  static func open(
    _ configuration: Configuration, relayReach: RoutingReach = .ownDomains, log: any EventSink,
    inherited: [InheritedSocket] = [], segmentSize: ByteCount? = nil
  ) async throws -> House {
    let clock = SystemClock()
    let random = SystemRandom()
    let users = try UserFiles.load(configuration.usersFile)
    let routing = try configuration.routing()
    let certificates = configuration.certificates.map { TLSIdentityFiles(chain: $0.chain, key: $0.key) }
    let identities = certificates.isEmpty ? nil : try TLSIdentityStore(files: certificates)

    let foundation = Foundation()
    do {
      let store = try await SegmentedQueueStore.open(
        folder: configuration.dataFolder, options: StoreOptions(configuration, segmentSize: segmentSize),
        clock: clock, events: log)
      do {
        let routes = try RouteTable(
          configuration, loops: foundation.loops, threads: foundation.deliveryThreads,
          hashing: foundation.hashingPool, clock: clock, random: random)
        let runner = QueueRunner(
          store: store, routes: routes, routing: routing, clock: clock, random: random,
          options: QueueRunner.Options(configuration))
        let intake = Intake(
          reception: Reception(
            hostName: configuration.hostName, routing: routing, users: users, relayReach: relayReach,
            giveUpAfter: configuration.queue.giveUpAfter),
          store: store, authenticator: try await authenticator(users, configuration, foundation), clock: clock,
          random: random, memory: MemoryBudget(limit: configuration.limits.memoryInFlight.bytes), events: log,
          commit: { [runner] message, body, event throws(StoreFault) in
            try await runner.commit(message, body: body, event: event)
          })
        let ledger = ConnectionLedger(limits: ConnectionLimits(configuration.limits))
        let listeners = try await listen(
          configuration, on: foundation.loops, identities: identities, ledger: ledger, intake: intake,
          inherited: inherited)
        return House(
          configuration: configuration, foundation: foundation, store: store, runner: runner, intake: intake, log: log,
          identities: identities, listeners: listeners, ledger: ledger, routes: routes)
      } catch {
        await store.close()
        throw error
      }
    } catch {
      await foundation.shutDown()
      throw error
    }
  }

  private static func authenticator(
    _ users: UserDirectory, _ configuration: Configuration, _ foundation: Foundation
  ) async throws -> Authenticator {
    let hasher = Argon2idHasher(pool: foundation.hashingPool)
    return Authenticator(
      directory: users, verifier: hasher, decoyHash: try await hasher.hash(Secret.random(octets: 32)),
      clock: SystemClock(),
      keys: .init(
        recentPasswords: .random(octets: 32),
        // Kept: a salt that changed with a restart would tell who isn't there.
        scramDecoys: try SecretFiles.ensure(configuration.dataFolder + "/scram-decoys.key", octets: 32)))
  }

  /// Where a role is listened for, in the order of the configuration.
  func endpoints(_ index: Int) -> [SocketEndpoint] { listeners[index].localEndpoints }

  /// Serves until `stop` returns, then drains within the configured bound.
  func run(until stop: @Sendable @escaping () async -> Void) async -> QueueRunner.End {
    log.record(MailEvent(.started, [.init("hostname", .text(configuration.hostName.description))]))
    let control = await openControl()
    let end = await withTaskGroup(of: QueueRunner.End?.self) { group in
      if let control {
        group.addTask {
          await control.run()
          return nil
        }
      }
      group.addTask { await self.runner.run() }
      group.addTask {
        await self.watchCertificates()
        return nil
      }
      group.addTask {
        await self.store.run()
        return nil
      }
      group.addTask {
        await stop()
        await self.drain()
        return nil
      }
      var end = QueueRunner.End.stopped
      for await finished in group {
        guard let finished else { continue }
        end = finished
        group.cancelAll()
      }
      return end
    }
    await close()
    return end
  }

  /// Operators' commands; a server without them still carries mail, so a socket that can't be had is an alarm alone.
  private func openControl() async -> ControlServer? {
    do throws(ControlFault) {
      return try await ControlServer.open(
        socketPath: ControlServer.socketPath(inDataFolder: configuration.dataFolder), handler: self)
    } catch {
      log.record(
        MailEvent(.alarm, [.init("what", .text("no-control-socket")), .init("reason", .text(error.text))]))
      return nil
    }
  }

  /// Takes no more connections, waits for the transactions that are open, then for the deliveries: half of `drain_time`
  /// each.
  private func drain() async {
    log.record(MailEvent(.stopping, []))
    for listener in listeners {
      await listener.stopAccepting()
      listener.visit { ($0 as? ServerConnection)?.shutDown() }
    }
    let deadline = clock.uptime + configuration.drainTime / 2
    while ledger.connections > 0, clock.uptime < deadline {
      await clock.sleep(until: clock.uptime + .milliseconds(50))
    }
    runner.stop()
  }

  private func close() async {
    for listener in listeners { await listener.stopAccepting() }
    await routes.close()
    await store.close()
    await foundation.shutDown()
    log.record(MailEvent(.stopped, []))
  }

  // MARK: Reloading

  /// Certificates and users are read again, each whole or not at all, and each whatever becomes of the other. Says which
  /// were; what is bad keeps the old one and raises an alarm.
  func reload() async throws(ControlFault) -> [String] {
    var done: [String] = []
    var trouble: [String] = []
    do throws(TLSIdentityFault) {
      if let identities {
        try identities.reload()
        tellReload(.success(identities.identities))
        done.append("certificates")
      }
    } catch {
      tellReload(.failure(error))
      trouble.append(error.description)
    }
    do {
      var reception = intake.reception
      reception.users = try UserFiles.load(configuration.usersFile)
      await intake.replace(reception)
      log.record(
        MailEvent(.reloaded, [.init("what", .text("users")), .init("count", .number(reception.users.users.count))]))
      done.append("users")
    } catch {
      log.record(
        MailEvent(.alarm, [.init("what", .text("users-not-reloaded")), .init("reason", .text("\(error)"))]))
      trouble.append("\(error)")
    }
    guard !done.isEmpty else { throw ControlFault(.failed, trouble.joined(separator: "; ")) }
    return done
  }

  private func watchCertificates() async {
    await identities?.watch { self.tellReload($0) }
  }

  private func tellReload(_ outcome: Result<[TLSIdentity], TLSIdentityFault>) {
    switch outcome {
    case .success(let identities):
      log.record(
        MailEvent(.reloaded, [.init("what", .text("certificates")), .init("count", .number(identities.count))]))
    case .failure(let fault):
      log.record(
        MailEvent(
          .alarm, [.init("what", .text("certificates-not-reloaded")), .init("reason", .text(fault.description))]))
    }
  }

  // MARK: Listening

  private static func listen(
    _ configuration: Configuration, on loops: TransportLoops, identities: TLSIdentityStore?,
    ledger: ConnectionLedger, intake: Intake, inherited: [InheritedSocket]
  ) async throws -> [SMTPListener] {
    let settings = ServerSettings(
      hostName: configuration.hostName, limits: configuration.limits.session, offersSTARTTLS: identities != nil)
    let random = SystemRandom()
    var listeners: [SMTPListener] = []
    for listener in configuration.listeners {
      var options = ListenerOptions(
        opening: listener.role == .submissions ? .implicitTLS : .clear, addresses: listener.addresses,
        inherited: inherited.filter { listener.inherited.contains($0.name) },
        hostName: configuration.hostName.description)
      options.trustedProxies = listener.trustedProxies.compactMap { IPNetwork($0) }
      let role = listener.role
      do {
        listeners.append(
          try await SMTPListener.start(
            options, on: loops, identities: identities, ledger: ledger,
            report: { event, peer, local in
              let facts = SessionFacts(
                session: SessionID(random.next()), role: role, peer: peer ?? .unknown, local: local ?? .unknown)
              intake.observe(event, facts)
            },
            delegate: { wire, peer, local in
              ServerConnection(
                wire: wire,
                facts: SessionFacts(session: SessionID(random.next()), role: role, peer: peer, local: local),
                conduct: intake, settings: settings)
            }))
      } catch {
        for open in listeners { await open.stopAccepting() }
        throw error
      }
    }
    return listeners
  }
}

extension QueueRunner.Options {
  init(_ configuration: Configuration) {
    self.init(hostName: configuration.hostName, schedule: configuration.queue.retry)
    giveUpAfter = configuration.queue.giveUpAfter
    delayReportAfter = configuration.queue.delayReportAfter
    // Sessions have the other half.
    drainTime = configuration.drainTime / 2
  }
}

extension StoreOptions {
  init(_ configuration: Configuration, segmentSize: ByteCount? = nil) {
    self.init()
    history = configuration.queue.history
    freeSpaceFloor = configuration.queue.spaceFloor
    spillThreshold = ByteCount(configuration.limits.memoryInFlight.bytes / 2)
    // Whatever SIZE announces must find its place, and so must a report that returns it.
    longestBody = max(longestBody, ByteCount(configuration.limits.session.messageSize.bytes + (1 << 20)))
    if let segmentSize { self.segmentSize = segmentSize }
  }
}

extension ConnectionLimits {
  init(_ limits: Configuration.Limits) {
    self.init()
    total = limits.connections
    perAddress = limits.connectionsPerAddress
    handshakesPerAddressPerMinute = limits.handshakesPerAddressPerMinute
  }
}

extension SocketEndpoint {
  fileprivate static let unknown = SocketEndpoint(address: .v4(0), port: 0)
}

extension Secret {
  static func random(octets: Int) -> Secret {
    var generator = SystemRandomNumberGenerator()
    return Secret((0..<octets).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
  }
}
