import Certificates
import Foundation
import MailSyntax
import NIOCore
import NIOPosix
import SMTPSessions
import Synchronization
import Testing
import TransportSecurity

@testable import SMTPTransport

/// What happened on one wire, in order; tests wait for it instead of for time.
final class EventLog: Sendable {
  /// A test that has waited so long has failed, and says for what.
  static let patience = Duration.seconds(20)

  private struct Waiter {
    let id: Int
    let isMet: @Sendable ([String]) -> Bool
    let continuation: CheckedContinuation<Bool, Never>
  }
  private struct State {
    var events: [String] = []
    var waiters: [Waiter] = []
    var lastID = 0
  }
  private let state = Mutex(State())

  var events: [String] { state.withLock { $0.events } }

  func add(_ event: String) {
    let met = state.withLock { state in
      state.events.append(event)
      let met = state.waiters.filter { $0.isMet(state.events) }
      state.waiters.removeAll { $0.isMet(state.events) }
      return met
    }
    for waiter in met { waiter.continuation.resume(returning: true) }
  }

  func wait(
    until isMet: @escaping @Sendable ([String]) -> Bool, sourceLocation: SourceLocation = #_sourceLocation
  ) async {
    let id = state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
    let alarm = Task {
      try await Task.sleep(for: EventLog.patience)
      let late = state.withLock { state in
        let late = state.waiters.filter { $0.id == id }
        state.waiters.removeAll { $0.id == id }
        return late
      }
      for waiter in late { waiter.continuation.resume(returning: false) }
    }
    defer { alarm.cancel() }
    let hasHappened = await withCheckedContinuation { continuation in
      let isMetNow = state.withLock { state in
        if isMet(state.events) { return true }
        state.waiters.append(Waiter(id: id, isMet: isMet, continuation: continuation))
        return false
      }
      if isMetNow { continuation.resume(returning: true) }
    }
    if !hasHappened {
      Issue.record("waited in vain; this happened: \(events.filter { $0 != "tick" })", sourceLocation: sourceLocation)
    }
  }

  /// Waits for an event with this beginning, and gives it whole.
  @discardableResult
  func wait(for beginning: String, sourceLocation: SourceLocation = #_sourceLocation) async -> String {
    await wait(until: { $0.contains { $0.hasPrefix(beginning) } }, sourceLocation: sourceLocation)
    return events.first { $0.hasPrefix(beginning) } ?? ""
  }

  /// All that was received, joined.
  var received: String {
    events.compactMap { $0.hasPrefix("received ") ? String($0.dropFirst(9)) : nil }.joined()
  }

  func waitToReceive(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) async {
    await wait(
      until: { $0.filter { $0.hasPrefix("received ") }.map { $0.dropFirst(9) }.joined().contains(text) },
      sourceLocation: sourceLocation)
  }
}

/// Plays one side of wires from a script, and writes down what it is told.
final class Player: Sendable {
  typealias Line = @Sendable (any Wire, inout ByteBuffer) -> Void
  let log = EventLog()
  let facts = Mutex<TLSFacts?>(nil)
  private let onOpened: @Sendable (any Wire) -> Void
  private let onReceived: Line
  private let onTLS: @Sendable (any Wire) -> Void
  private let onWritable: @Sendable (any Wire) -> Void
  private let wires = Mutex<[NIOLoopBound<any Wire>]>([])

  init(
    opened: @escaping @Sendable (any Wire) -> Void = { _ in }, received: @escaping Line = { _, _ in },
    tls: @escaping @Sendable (any Wire) -> Void = { _ in },
    writable: @escaping @Sendable (any Wire) -> Void = { _ in }
  ) {
    onOpened = opened
    onReceived = received
    onTLS = tls
    onWritable = writable
  }

  func delegate(on wire: any Wire) -> any WireDelegate {
    let loop = (wire as! WireChannelHandler).station.loop
    wires.withLock { $0.append(NIOLoopBound(wire, eventLoop: loop)) }
    return Puppet(wire: wire, player: self)
  }

  /// Does something with the newest wire, on its loop.
  func perform(_ body: @escaping @Sendable (any Wire) -> Void) {
    guard let wire = wires.withLock({ $0.last }) else { return }
    wire._eventLoop.execute { body(wire.value) }
  }

  /// Answers the end of the peer's input with our own end.
  func end(sourceLocation: SourceLocation = #_sourceLocation) async {
    await log.wait(for: "inputClosed", sourceLocation: sourceLocation)
    perform { $0.close() }
    await log.wait(for: "closed by us", sourceLocation: sourceLocation)
  }

  func say(_ text: String) {
    perform { wire in
      wire.write(ByteBuffer(string: text))
      wire.flush()
    }
  }

  func say(_ octets: [UInt8]) {
    perform { wire in
      wire.write(ByteBuffer(bytes: octets))
      wire.flush()
    }
  }

  private final class Puppet: WireDelegate {
    let wire: any Wire
    let player: Player
    init(wire: any Wire, player: Player) {
      self.wire = wire
      self.player = player
    }
    func opened() {
      player.log.add("opened")
      player.onOpened(wire)
    }
    func received(_ bytes: inout ByteBuffer) {
      player.log.add("received " + String(decoding: bytes.readableBytesView, as: UTF8.self))
      player.onReceived(wire, &bytes)
    }
    func tlsEstablished(_ proof: TLSProof) {
      player.facts.withLock { $0 = proof.facts }
      player.log.add("tls")
      player.onTLS(wire)
    }
    func becameWritable() {
      player.log.add("writable")
      player.onWritable(wire)
    }
    func inputClosed() { player.log.add("inputClosed") }
    func tick() { player.log.add("tick") }
    func closed(_ fault: WireFault?) { player.log.add("closed \(fault.map { "\($0)" } ?? "by us")") }
  }
}

extension NIOLoopBound {
  fileprivate var _eventLoop: any EventLoop { eventLoop }
}

/// A server that greets, echoes lines as 250, knows STARTTLS and QUIT, and closes on bytes behind STARTTLS.
func smtpLikePlayer() -> Player {
  Player(
    opened: { wire in
      wire.write(ByteBuffer(string: "220 hello\r\n"))
      wire.flush()
    },
    received: { wire, bytes in
      while let line = bytes.takeLine() {
        if line == "STARTTLS" {
          wire.write(ByteBuffer(string: "220 go\r\n"))
          wire.startTLS(.server)
          return
        }
        wire.write(ByteBuffer(string: (line == "QUIT" ? "221 " : "250 ") + line + "\r\n"))
        if line == "QUIT" { return wire.close() }
      }
      wire.flush()
    })
}

extension ByteBuffer {
  mutating func takeLine() -> String? {
    guard let end = readableBytesView.firstIndex(of: 10) else { return nil }
    let line = readString(length: end - readerIndex + 1) ?? ""
    return line.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}

/// Loops, an authority of this process's own, and what is made of both.
struct House: Sendable {
  let loops: TransportLoops
  let authority: DevelopmentAuthority
  let roots: TrustRoots
  /// The day the certificates are from.
  static let today = UTCInstant(seconds: 1_800_000_000)

  static let shared: House = {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let loops = TransportLoops(group: group, sweepEvery: .milliseconds(20))
    do {
      let authority = try DevelopmentAuthority(now: today)
      return House(
        loops: loops, authority: authority, roots: try .pem(Array(authority.issued.certificatePEM.utf8)))
    } catch {
      fatalError("\(error)")
    }
  }()

  func identity(_ names: [String] = ["localhost"], addresses: [IPAddress] = [.v4(0x7f00_0001)]) throws -> TLSIdentity {
    let issued = try authority.issue(for: .init(dnsNames: names, addresses: addresses), now: House.today)
    return try TLSIdentity(chainPEM: Array(issued.certificatePEM.utf8), keyPEM: issued.keyPEM)
  }

  func dialer(roots: TrustRoots? = nil, now: UTCInstant = today, resolver: any HostResolver = LoopbackResolver())
    throws -> NIODialer
  {
    try NIODialer(loops: loops, resolver: resolver, roots: roots ?? self.roots, timeouts: .brief, now: { now })
  }

  /// Starts a listener on a free port of 127.0.0.1.
  func listen(
    _ opening: ListenerOptions.Opening, _ player: Player, identities: [TLSIdentity]? = nil,
    limits: ConnectionLimits = ConnectionLimits(), reports: EventLog = EventLog(),
    adjust: (inout ListenerOptions) -> Void = { _ in }
  ) async throws -> (listener: SMTPListener, endpoint: SocketEndpoint) {
    let store = try TLSIdentityStore(identities: identities ?? [identity()])
    return try await listen(opening, player, store: store, limits: limits, reports: reports, adjust: adjust)
  }

  func listen(
    _ opening: ListenerOptions.Opening, _ player: Player, store: TLSIdentityStore,
    limits: ConnectionLimits = ConnectionLimits(), reports: EventLog = EventLog(),
    adjust: (inout ListenerOptions) -> Void = { _ in }
  ) async throws -> (listener: SMTPListener, endpoint: SocketEndpoint) {
    var options = ListenerOptions(
      opening: opening, addresses: [SocketEndpoint(address: .v4(0x7f00_0001), port: 0)], hostName: "mx.example")
    options.timeouts = .brief
    adjust(&options)
    let listener = try await SMTPListener.start(
      options, on: loops, identities: store, ledger: ConnectionLedger(limits: limits),
      report: { report in
        switch report {
        case .wrongWrapper(let wrapper, _): reports.add(wrapper.rawValue)
        case .badProxyHeader(let reason, let proxy, _): reports.add("\(proxy.address): \(reason)")
        case .notAdmitted(let bound, let peer, _): reports.add("\(peer.address): \(bound.rawValue)")
        }
      },
      delegate: { wire, peer, local in
        player.log.add("accepted \(peer.address) at \(local.address)")
        return player.delegate(on: wire)
      })
    return (listener, listener.localEndpoints.first ?? SocketEndpoint(address: .v4(0), port: 0))
  }

  /// Dials in clear.
  func dial(_ endpoint: SocketEndpoint, _ player: Player, dialer: NIODialer? = nil) async throws {
    _ = try await (dialer ?? self.dialer()).dial(.address(endpoint), from: .test, timeout: .seconds(10)) { wire, _ in
      player.delegate(on: wire)
    }
  }
}

extension WireTimeouts {
  /// Long enough for a busy machine, short enough for a test.
  static var brief: WireTimeouts {
    var timeouts = WireTimeouts()
    timeouts.handshake = .seconds(20)
    timeouts.silenceSaid = .seconds(10)
    timeouts.silenceClosed = .seconds(20)
    timeouts.proxyHeader = .seconds(10)
    timeouts.close = .seconds(2)
    return timeouts
  }
}

extension Egress {
  static let test = Egress(name: .unrecognised("client.example"))
}

/// Every name is 127.0.0.1.
struct LoopbackResolver: HostResolver {
  func addresses(of name: DomainName) async throws(DialFault) -> [IPAddress] { [.v4(0x7f00_0001)] }
}

/// A client that goes to TLS as soon as it is connected.
func implicitTLSPlayer(_ hostName: String, _ demand: CertificateDemand = .verified) -> Player {
  Player(opened: { $0.startTLS(.client(hostName: hostName, demand: demand)) })
}
