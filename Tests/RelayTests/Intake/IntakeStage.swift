import Accounts
import DNSRecords
import MailQueue
import MailSyntax
import NIOCore
import QueueModel
import Relay
@_spi(TLSProofMinting) import SMTPSessions
import Simulation
import Synchronization
import TransportSecurity

/// A real session over a real `Intake` and the model store, on a wire in memory. User `alice`, password `wonderland`,
/// may write as `alice@example.com` and anybody `@alice.example`; `example.com` is our domain.
final class IntakeStage {
  let store: ModelQueueStore
  let intake: Intake
  let events = EventLog()
  let memory: MemoryBudget
  /// What the next commits are refused with; nil takes one.
  let refusals = Refusals()
  private let wire = Wire()
  private let connection: ServerConnection

  init(
    _ role: ListenerRole, quota: QuotaLimits = QuotaLimits(), memory octets: Int = 1 << 20,
    asking authority: (any RecipientAuthority)? = nil, lists: DNSListCheck? = nil, exchangers: (any Resolver)? = nil,
    signing: MailSigning? = nil, authentication: InboundAuthentication? = nil,
    clock: any MailClock = StoppedClock()
  ) throws {
    let random = SeededRandom(seed: 1)
    let verifier = PlainVerifier()
    let alice = User(
      name: try UserName("alice"), passwordHash: PasswordHash(encoded: "wonderland")!,
      senders: try SenderRights([SenderPattern("alice@example.com"), SenderPattern("@alice.example")]), quota: quota,
      priority: .interactive)
    let users = try UserDirectory([alice])
    let domain = LocalDomain(
      name: try DomainName("example.com"), recipients: [.init("bob"), .init("postmaster")],
      aliases: [
        .init("team", targets: [try Mailbox("bob@example.com"), try Mailbox("carol@elsewhere.example")]),
        .init("info", targets: [try Mailbox("bob@example.com")]),
        .init("away", targets: [try Mailbox("dave@elsewhere.example")]),
      ], delivery: RouteKey(rawValue: "domain/example.com"), postmaster: try Mailbox("postmaster@example.com"))
    let asked = RouteKey(rawValue: "domain/far.example")
    var far = LocalDomain(
      name: try DomainName("far.example"), aliases: [.init("all", targets: [try Mailbox("x@far.example")])],
      delivery: asked, postmaster: try Mailbox("boss@far.example"))
    far.asksForRecipients = true
    var reception = Reception(
      hostName: try DomainName("mail.example.com"),
      routing: try Routing(
        domains: authority == nil ? [domain] : [domain, far], outbound: .route(.outbound)), users: users)
    store = ModelQueueStore(clock: clock, events: events)
    memory = MemoryBudget(limit: octets)
    if let authority {
      reception.recipientChecks[asked] = RecipientCheck(authority, route: asked, clock: clock, events: events)
    }
    reception.authentication = authentication
    if let exchangers { reception.nullExchangers = NullExchangerCheck(exchangers, clock: clock) }
    intake = Intake(
      reception: reception, store: store,
      authenticator: Authenticator(
        directory: users, verifier: verifier, decoyHash: PasswordHash(encoded: "decoy")!, clock: clock,
        keys: .init(recentPasswords: Secret("a"), scramDecoys: Secret("b"))),
      clock: clock, random: random, memory: memory, events: events, lists: lists, signing: signing,
      commit: { [store, refusals] message, body, event throws(StoreFault) in
        if let refusal = refusals.next() { throw refusal }
        return try await store.commit(message, body: body, event: event)
      })
    connection = ServerConnection(
      wire: wire,
      facts: SessionFacts(
        session: SessionID(7), role: role, peer: SocketEndpoint(address: .v4(0xc000_0201), port: 4711),
        local: SocketEndpoint(address: .v4(0xc000_0202), port: 465)),
      conduct: intake, settings: ServerSettings(hostName: try DomainName("mail.example.com")))
    if role == .submissions { secure() }
    connection.opened()
  }

  private func secure() {
    connection.tlsEstablished(
      TLSProof(
        facts: TLSFacts(
          version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1302), group: NamedGroup(rawValue: 0x11ec))))
  }

  /// Says hello, goes to TLS where the port wants it, and says who we are where that is asked.
  func enter() async {
    _ = await say("EHLO client.example.net\r\n")
    if connection.facts.role == .submission {
      _ = await say("STARTTLS\r\n")
      secure()
      _ = await say("EHLO client.example.net\r\n")
    }
    if connection.facts.role.isSubmission { _ = await say("AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\r\n") }
  }

  func limit(connectionsPerMinute limit: Int) async {
    var reception = intake.reception
    reception.connectionsPerAddressPerMinute = limit
    await intake.replace(reception)
  }

  /// The wire is gone.
  func close() { connection.closed(nil) }

  func say(_ text: String) async -> String { await say(Array(text.utf8)) }

  func say(_ octets: [UInt8]) async -> String {
    var bytes = ByteBuffer(bytes: octets)
    connection.received(&bytes)
    await wire.settle()
    defer { wire.written.clear() }
    return String(buffer: wire.written)
  }

  /// The last line said to MAIL, RCPT, DATA and `message` with its end; earlier refusals end it early.
  func submit(
    _ message: [UInt8], from: String = "<alice@example.com>", to: [String] = ["<bob@example.com>"], mail: String = ""
  ) async -> String {
    var said = await say("MAIL FROM:\(from)\(mail)\r\n")
    guard said.hasPrefix("250") else { return said }
    for recipient in to {
      said = await say("RCPT TO:\(recipient)\r\n")
      guard said.hasPrefix("250") else { return said }
    }
    guard await say("DATA\r\n").hasPrefix("354") else { return "no 354" }
    return await say(message + Array("\r\n.\r\n".utf8))
  }

  /// Message as it would leave: what we put in front, then the stored body.
  func queued() async throws -> [(message: QueuedMessage, text: String)] {
    var found: [(QueuedMessage, String)] = []
    for message in try await store.list(QueueFilter(), after: nil, limit: 100) {
      var text = message.message.prefix
      let reader = try await store.openBody(of: message.id)
      while var piece = try await reader.next() { text.writeBuffer(&piece) }
      found.append((message, String(buffer: text)))
    }
    return found
  }

  /// The names under this key of the last `message.accepted`.
  func noted(_ key: String) -> [String] {
    guard case .text(let text)? = events.events.last(where: { $0.kind == .accepted })?[key] else { return [] }
    return text.split(separator: ",").map(String.init)
  }

  final class Refusals: Sendable {
    private let waiting = Mutex<[StoreFault?]>([])
    func set(_ refusals: [StoreFault?]) { waiting.withLock { $0 = refusals } }
    func next() -> StoreFault? { waiting.withLock { $0.isEmpty ? nil : $0.removeFirst() } }
  }

  private final class Wire: SMTPSessions.Wire {
    var uptime = Uptime(nanoseconds: 0)
    var isWritable: Bool { true }
    var written = ByteBuffer()
    private var pending: [() async -> Void] = []

    func write(_ bytes: ByteBuffer) {
      var bytes = bytes
      written.writeBuffer(&bytes)
    }
    func flush() {}
    func pauseReading() {}
    func resumeReading() {}
    func startTLS(_ side: TLSSide) {}
    func close() {}
    func await<Answer: Sendable>(
      _ question: @escaping @Sendable () async -> Answer, then: @escaping (Answer) -> Void
    ) { pending.append { then(await question()) } }
    func settle() async { while !pending.isEmpty { await pending.removeFirst()() } }
  }
}

struct StoppedClock: MailClock {
  let now = UTCInstant(seconds: 1_795_351_810)
  let uptime = Uptime(nanoseconds: 0)
  func sleep(until deadline: Uptime) async {}
}

struct PlainVerifier: PasswordVerifier {
  func verify(_ password: Secret, against hash: PasswordHash) async -> PasswordCheck {
    password.isEqual(inConstantTimeTo: Secret(hash.encoded)) ? .matches : .differs
  }
  func hash(_ password: Secret) async throws(PasswordHashingFault) -> PasswordHash { throw .unavailable }
}
