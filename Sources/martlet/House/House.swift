import Accounts
import Configuration
import ControlPlane
import DNSRecords
import Foundation
import InternationalDomainNames
import MailQueue
import MailSyntax
import Metrics
import PasswordHashing
import QueueStorage
import Relay
import SMTPSessions
import SMTPTransport
import Synchronization
import SystemWorld

/// A whole server in one process: store, intake, queue runner, listeners, wired together from a `Configuration`.
///
/// Opened in the order in which things are needed and closed in the opposite one, so that nothing is ever accepted that
/// couldn't be kept, and nothing lost that was.
final class House: Sendable {
  /// What a reload replaces.
  let standing: Standing
  let store: SegmentedQueueStore
  /// What of the transport policy outlives a restart.
  let kept: KeptPolicy
  let runner: QueueRunner
  let intake: Intake
  let lists: DNSListCheck
  let signing: MailSigning
  /// Of what came in whose name.
  let tally: AuthenticationLedger
  /// Everything that is recorded goes through it to the log.
  let alarms: StandingAlarms
  /// On the same way.
  let metrics: MailMetrics
  var log: any EventSink { alarms }
  let clock = SystemClock()
  let startedAt = SystemClock().now
  let foundation: HouseFoundation
  /// Nil where the configuration names no certificate: then only 25 listens, without STARTTLS.
  let identities: TLSIdentityStore?
  let ledger: ConnectionLedger
  /// Where the configuration is found again; nil where it came from no file.
  let source: ConfigurationSource?
  /// The reload that was asked for last: one after another.
  let lastReload = Mutex<Task<ReloadOutcome, Never>?>(nil)
  /// Given for a demonstration or a test, in place of the DNS.
  let resolver: (any DNSRecords.Resolver)?
  /// Given in place of the web.
  let policyFetcher: (any PolicyFetcher)?
  let listeners: [SMTPListener]

  var configuration: Configuration { standing.current.configuration }

  private init(
    standing: Standing, source: ConfigurationSource?, foundation: HouseFoundation, store: SegmentedQueueStore,
    kept: KeptPolicy, runner: QueueRunner, intake: Intake, lists: DNSListCheck,
    signing: MailSigning, tally: AuthenticationLedger, alarms: StandingAlarms,
    metrics: MailMetrics, identities: TLSIdentityStore?,
    listeners: [SMTPListener], ledger: ConnectionLedger, resolver: (any DNSRecords.Resolver)?,
    policyFetcher: (any PolicyFetcher)?
  ) {
    self.standing = standing
    self.source = source
    self.foundation = foundation
    self.store = store
    self.kept = kept
    self.runner = runner
    self.intake = intake
    self.lists = lists
    self.signing = signing
    self.tally = tally
    self.alarms = alarms
    self.metrics = metrics
    self.identities = identities
    self.listeners = listeners
    self.ledger = ledger
    self.resolver = resolver
    self.policyFetcher = policyFetcher
  }

  /// Opens the store and binds every listener, or throws with nothing left open.
  static func open(
    _ configuration: Configuration, from source: ConfigurationSource? = nil, relayReach: RoutingReach = .ownDomains,
    resolver: (any DNSRecords.Resolver)? = nil, policyFetcher: (any PolicyFetcher)? = nil, log: any EventSink,
    inherited: [InheritedSocket] = [],
    segmentSize: ByteCount? = nil
  ) async throws -> House {
    try BackupFolder.expectNoUnfinishedRestore(in: configuration.dataFolder)
    let clock = SystemClock()
    let metrics = MailMetrics(before: log, clock: clock)
    let alarms = StandingAlarms(before: metrics, clock: clock)
    let random = SystemRandom()
    let users = try UserFiles.load(configuration.usersFile)
    let routing = try configuration.routing(converter: LibraryIDNAConverter())
    let certificates = configuration.certificates.map { TLSIdentityFiles($0) }
    let identities = certificates.isEmpty ? nil : try TLSIdentityStore(files: certificates)

    let foundation = HouseFoundation()
    do {
      let store = try await SegmentedQueueStore.open(
        folder: configuration.dataFolder, options: StoreOptions(configuration, segmentSize: segmentSize),
        clock: clock, events: alarms)
      var opened: KeptPolicy?
      do {
        let kept = try await KeptPolicy.open(
          folder: configuration.dataFolder, onDowngrade: configuration.outbound.rules.onDowngrade, clock: clock,
          events: alarms)
        opened = kept
        let found = try foundation.resolvers.resolver(for: configuration)
        foundation.resolvers.take(found, for: configuration)
        try kept.replaceReach(configuration, foundation, resolver: resolver ?? found, fetcher: policyFetcher)
        let routes = try RouteTable(
          configuration, foundation: foundation, resolver: resolver ?? found, memory: kept.memory, clock: clock,
          random: random, events: alarms)
        let signing = try MailSigning(
          store: SigningKeyFile(dataFolder: configuration.dataFolder), converter: LibraryIDNAConverter(), clock: clock,
          events: alarms)
        let resolvers = foundation.resolvers
        signing.replace(
          resolver: { resolver ?? resolvers.anyResolver(for: configuration) },
          giveUpAfter: configuration.queue.giveUpAfter)
        let runner = QueueRunner(
          store: store, routes: routes, routing: routing, clock: clock, random: random, events: alarms,
          options: QueueRunner.Options(configuration), signing: signing)
        var reception = Reception(
          hostName: configuration.hostName, routing: routing, users: users, relayReach: relayReach,
          giveUpAfter: configuration.queue.giveUpAfter)
        reception.connectionsPerAddressPerMinute = configuration.limits.connectionsPerAddressPerMinute
        reception.converter = LibraryIDNAConverter()
        let tally = AuthenticationLedger(store: kept.store, clock: clock, events: alarms)
        reception.authentication = configuration.inboundAuthentication(
          foundation, resolver: resolver, ledger: tally)
        reception.nullExchangers = configuration.nullExchangers(resolver ?? found, clock: clock)
        reception.recipientChecks = routes.recipientChecks(configuration, clock: clock, events: alarms)
        let lists = DNSListCheck(clock: clock, events: alarms)
        lists.replace(configuration.inbound.lists, resolver: resolver ?? found)
        let intake = Intake(
          reception: reception,
          store: store, authenticator: try await authenticator(users, configuration, foundation), clock: clock,
          random: random, memory: MemoryBudget(limit: configuration.limits.memoryInFlight.bytes), events: alarms,
          lists: lists, signing: signing,
          commit: { [runner] message, body, event throws(StoreFault) in
            try await runner.commit(message, body: body, event: event)
          })
        let ledger = ConnectionLedger(limits: ConnectionLimits(configuration.limits))
        let standing = Standing(configuration, routes: routes)
        let listeners = try await listen(
          standing, on: foundation.loops, identities: identities, ledger: ledger, intake: intake,
          dialogues: foundation.dialogues, inherited: inherited)
        return House(
          standing: standing, source: source, foundation: foundation, store: store, kept: kept, runner: runner,
          intake: intake,
          lists: lists, signing: signing, tally: tally, alarms: alarms, metrics: metrics, identities: identities,
          listeners: listeners, ledger: ledger,
          resolver: resolver,
          policyFetcher: policyFetcher)
      } catch {
        await opened?.close()
        await store.close()
        throw error
      }
    } catch {
      await foundation.shutDown()
      throw error
    }
  }

  private static func authenticator(
    _ users: UserDirectory, _ configuration: Configuration, _ foundation: HouseFoundation
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

  /// Every endpoint that is listened on, by the name its port has for people.
  var ports: [(name: String, endpoint: SocketEndpoint)] {
    let ports = configuration.listeners.indices.flatMap { index in
      endpoints(index).map { (role: configuration.listeners[index].role, endpoint: $0) }
    }
    return ports.map { (PortName.name($0.endpoint, of: $0.role, among: ports), $0.endpoint) }
  }

  /// Operators' commands; a server without them still carries mail, so a socket that can't be had is an alarm alone.
  func openControl() async -> ControlServer? {
    do throws(ControlFault) {
      return try await ControlServer.open(
        socketPath: ControlServer.socketPath(inDataFolder: configuration.dataFolder), handler: self)
    } catch {
      log.record(
        MailEvent(.alarm, [.init("what", .text("no-control-socket")), .init("reason", .text(error.text))]))
      return nil
    }
  }
}
