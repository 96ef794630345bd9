import Accounts
import MailQueue
import MailSyntax
import NIOCore
import QueueModel
import Relay
import SMTPSessions

/// One life of the whole server, from a start to a stop or a cut: the intake and the queue runner that ship, on the model
/// store.
final class SimulatedServer: Sendable {
  static let accounts = ["anna", "bulk", "shop"]
  static let password = "correct horse"

  let store: ModelQueueStore
  let runner: QueueRunner
  let life: Life
  let policies: SimulatedPolicies
  private let intake: Intake
  private let internet: SimulatedInternet
  private let settings: ServerSettings
  private let random: SeededRandom
  private let wires: Wires
  /// Opens when this life is to end by a cut.
  private let isCut = Gate()

  /// The open connections. Touched on the world's thread alone.
  private final class Wires: @unchecked Sendable { var open: [SimulatedWire] = [] }

  init(
    _ internet: SimulatedInternet, store: ModelQueueStore, policies policyStore: ModelPolicyStore,
    configuration: SimulatedConfiguration
  ) async throws {
    let options = configuration.options
    let hostName = options.hostName
    let life = Life()
    let random = SeededRandom(seed: internet.random.next())
    let routing = try configuration.routing()
    policies = try await SimulatedPolicies.open(
      internet, store: policyStore, onDowngrade: configuration.onDowngrade, random)
    let runner = QueueRunner(
      store: store, routes: configuration.routes(to: internet, during: life, policies.memory, random), routing: routing,
      clock: internet.clock, random: random,
      events: internet.trace, options: options)
    let users = try SimulatedServer.users()
    let verifier = InstantVerifier(clock: internet.clock)
    intake = Intake(
      reception: Reception(hostName: hostName, routing: routing, users: users, giveUpAfter: options.giveUpAfter),
      store: store,
      authenticator: Authenticator(
        directory: users, verifier: verifier, decoyHash: InstantVerifier.hash, clock: internet.clock,
        keys: .init(
          recentPasswords: Secret([UInt8](repeating: 1, count: 32)),
          scramDecoys: Secret([UInt8](repeating: 2, count: 32)))),
      clock: internet.clock, random: random, memory: MemoryBudget(limit: 1 << 20), events: internet.trace,
      commit: { [ledger = internet.ledger] message, body, event throws(StoreFault) in
        ledger.committing(message)
        return try await runner.commit(message, body: body, event: event)
      })
    self.internet = internet
    self.random = random
    self.store = store
    self.runner = runner
    self.life = life
    settings = ServerSettings(hostName: hostName)
    wires = Wires()
  }

  // MARK: Life

  /// Serves until a stop, a cut, or a fault of the store.
  func run() async -> QueueRunner.End {
    await withTaskGroup(of: QueueRunner.End?.self) { group in
      group.addTask { await self.runner.run() }
      group.addTask {
        await self.policies.run()
        return nil
      }
      group.addTask {
        await self.isCut.wait()
        return nil
      }
      let end = await group.next() ?? nil
      group.cancelAll()
      return end ?? .stopped
    }
  }

  /// The power is cut. What the next start finds is the answer.
  func cut() -> (ModelQueueStore, ModelPolicyStore) {
    life.end()
    for wire in wires.open { wire.cut() }
    wires.open = []
    internet.ledger.cut()
    var random = RandomSourceGenerator(internet.random)
    let left = (store.crash(using: &random), policies.store.crash(using: &random))
    isCut.open()
    return left
  }

  // MARK: Ways in

  /// A client connects by 465; nil when nobody answers.
  func connect() -> SimulatedWire? {
    guard !life.isOver else { return nil }
    let wire = SimulatedWire(internet.world)
    let facts = SessionFacts(
      session: SessionID(internet.random.next()), role: .submissions,
      peer: SocketEndpoint(address: .v4(0xc000_0201), port: 40_000),
      local: SocketEndpoint(address: .v4(0xc000_0202), port: 465))
    let connection = ServerConnection(wire: wire, facts: facts, conduct: intake, settings: settings)
    wires.open.removeAll { $0.isClosed }
    wires.open.append(wire)
    wire.open(connection)
    return wire
  }

  /// Mail that another part of the house makes: with NOTIFY and RET as its clients don't ask for, or no sender.
  func submit(_ message: NewMessage, _ octets: [UInt8]) async throws(StoreFault) {
    guard !life.isOver else { throw .stopped(reason: "the power is off") }
    let body = try store.beginBody()
    _ = body.write(ByteBuffer(bytes: octets))
    internet.ledger.committing(message)
    let queued = try await runner.commit(
      message, body: body, event: MailEvent(.accepted, [.init("id", .text(message.id.description))]))
    if !life.isOver { internet.ledger.acknowledge(queued.id, message.tlsWish) }
  }

  // MARK: Configuration

  /// Reads the configuration again, as a running server does: first the queue has it, then the sessions.
  func reload(_ configuration: SimulatedConfiguration) async throws {
    let routing = try configuration.routing()
    policies.replace(onDowngrade: configuration.onDowngrade)
    runner.replace(
      routes: configuration.routes(to: internet, during: life, policies.memory, random), routing: routing,
      options: configuration.options)
    var reception = intake.reception
    reception.routing = routing
    reception.giveUpAfter = configuration.options.giveUpAfter
    await intake.replace(reception)
  }

  static func users() throws -> UserDirectory {
    try UserDirectory(
      zip(accounts, PriorityClass.allCases).map { name, priority in
        User(
          name: try UserName(name), passwordHash: InstantVerifier.hash, senders: try SenderRights([.any]),
          priority: priority)
      })
  }
}

/// Knows one password. The real one computes for 33 ms off the loop; here the time passes on the world's clock.
struct InstantVerifier: PasswordVerifier {
  static let hash = knownGood("$model$1")
  let clock: VirtualClock

  func verify(_ password: Secret, against hash: PasswordHash) async -> PasswordCheck {
    await clock.sleep(for: .milliseconds(33))
    return password.isEqual(inConstantTimeTo: Secret(SimulatedServer.password)) ? .matches : .differs
  }
  func hash(_ password: Secret) async throws(PasswordHashingFault) -> PasswordHash { InstantVerifier.hash }
}

private func knownGood(_ encoded: String) -> PasswordHash {
  guard let hash = PasswordHash(encoded: encoded) else { fatalError("the model's hash is not a hash") }
  return hash
}
