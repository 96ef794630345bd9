import DNSRecords
import Dispatch
import MailSyntax
import NIOCore
@_spi(TLSProofMinting) import SMTPSessions
import Synchronization
import TransportSecurity

/// A mail server in memory: answers each line by a closure, takes content, remembers what was said on each connection.
final class ScriptedServer: Dialer {
  /// What the server does when a line has come, or `.` for a whole message, or the empty line when the connection opens
  /// (in implicit TLS: when the handshake has ended).
  typealias Respond = @Sendable (_ connection: Int, _ line: String) -> Response
  enum Response: Sendable {
    case say(String)
    case close
    case nothing
  }

  struct Record: Sendable {
    var target: DialTarget
    var lines: [String] = []
    var messages: [String] = []
    var tls: TLSSide?
    var isClosed = false
  }

  private let respond: Respond
  private let verified: Bool
  /// What its certificate is for.
  private let hostName: String
  /// The handshake ends without TLS.
  let failsHandshake: Bool
  /// Of its key, where TLSA records may be matched with it.
  private let keyDigest: [UInt8]
  private let records = Mutex<[Record]>([])
  private let wires = Mutex<[ScriptedWire]>([])

  init(
    verified: Bool = true, hostName: String = "smart.example", failsHandshake: Bool = false,
    keyDigest: [UInt8] = Array(repeating: 1, count: 32), _ respond: @escaping Respond
  ) {
    self.respond = respond
    self.verified = verified
    self.hostName = hostName
    self.failsHandshake = failsHandshake
    self.keyDigest = keyDigest
  }

  var connections: [Record] { records.withLock { $0 } }

  func dial(
    _ target: DialTarget, from egress: Egress, timeout: Duration,
    delegate: @escaping @Sendable (any Wire, DialledPeer) -> any WireDelegate
  ) async throws(DialFault) -> DialledPeer {
    let number = records.withLock { records in
      records.append(Record(target: target))
      return records.count - 1
    }
    let peer = DialledPeer(endpoint: SocketEndpoint(address: .v4(0xc000_0201), port: 587))
    let wire = ScriptedWire(server: self, number: number)
    wires.withLock { $0.append(wire) }
    wire.queue.async {
      wire.delegate = delegate(wire, peer)
      wire.delegate?.opened()
      if !wire.isHandshaking { wire.hear("") }
    }
    return peer
  }

  /// The server ends a connection that nobody uses at the moment.
  func drop(_ connection: Int) {
    let wire = wires.withLock { $0[connection] }
    wire.queue.sync { wire.end(.reset("idle")) }
  }

  /// Returns once every connection has ended, by whichever side.
  func allEnd() async {
    while connections.contains(where: { !$0.isClosed }) { await Task.yield() }
  }

  fileprivate func note(_ number: Int, _ change: (inout Record) -> Void) {
    records.withLock { change(&$0[number]) }
  }
  fileprivate func answer(_ number: Int, _ line: String) -> Response { respond(number, line) }
  fileprivate func proof(to peer: ExpectedPeer) -> TLSProof {
    let record = peer.dane?.tlsa.usable.first { $0.parts.map { Array($0.association) } == keyDigest }
    let dane = peer.dane.map { _ -> DANEVerification in
      record.map { .matched($0, name: nil) } ?? .failed(.tlsaMismatch(reason: "none fits"))
    }
    return TLSProof(
      facts: TLSFacts(
        version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1302), group: nil, serverName: hostName,
        peerCertificate: CertificateFacts(
          sha256Fingerprint: [], dnsNames: [],
          verification: verified ? .verified(hostName: hostName) : .failed(.expired), dane: dane)))
  }

  /// A server that takes everything.
  static func agreeable(_ line: String, ehlo: [String] = ["PIPELINING"]) -> Response {
    switch line.prefix(4).uppercased() {
    case "": .say("220 smart.example\r\n")
    case "EHLO", "LHLO":
      .say((["smart.example"] + ehlo).enumerated().map { $0 < ehlo.count ? "250-\($1)\r\n" : "250 \($1)\r\n" }.joined())
    case "STAR": .say("220 go ahead\r\n")
    case "AUTH": .say("235 2.7.0 ok\r\n")
    case "DATA": .say("354 go on\r\n")
    case "QUIT": .say("221 bye\r\n")
    case ".": .say("250 2.0.0 queued\r\n")
    case _: .say("250 ok\r\n")
    }
  }
}

/// One connection to a `ScriptedServer`; its queue is its thread of control.
private final class ScriptedWire: Wire, @unchecked Sendable {
  let queue = DispatchQueue(label: "scripted wire")
  var delegate: (any WireDelegate)?
  var isHandshaking = false
  let uptime = Uptime(nanoseconds: 0)
  let isWritable = true
  private let server: ScriptedServer
  private let number: Int
  private var unread = ""
  private var isInContent = false
  private var isClosed = false

  init(server: ScriptedServer, number: Int) {
    self.server = server
    self.number = number
  }

  func write(_ bytes: ByteBuffer) {
    unread += String(buffer: bytes)
    queue.async { self.read() }
  }
  func flush() {}
  func pauseReading() {}
  func resumeReading() {}
  func startTLS(_ side: TLSSide) {
    server.note(number) { $0.tls = side }
    isHandshaking = true
    let isImplicit = unread.isEmpty && server.connections[number].lines.isEmpty
    queue.async {
      self.isHandshaking = false
      guard !self.server.failsHandshake else { return self.end(.handshakeFailed("no common version")) }
      guard case .client(let peer) = side else { return }
      let proof = self.server.proof(to: peer)
      // Another's name is left to the client to notice, as behind a transport that judges less.
      if let fault = peer.fault(with: proof.facts.peerCertificate), proof.verifiedPeer == nil || peer.demand == .dane {
        return self.end(.certificateRefused(fault))
      }
      self.delegate?.tlsEstablished(proof)
      if isImplicit { self.hear("") }
    }
  }
  func close() { queue.async { self.end(nil) } }
  func await<Answer: Sendable>(
    _ question: @escaping @Sendable () async -> Answer, then: @escaping (Answer) -> Void
  ) {
    nonisolated(unsafe) let then = then
    Task {
      let answer = await question()
      queue.async { if !self.isClosed { then(answer) } }
    }
  }

  func end(_ fault: WireFault?) {
    guard !isClosed else { return }
    isClosed = true
    server.note(number) { $0.isClosed = true }
    delegate?.closed(fault)
    delegate = nil
  }

  private func read() {
    while !isClosed {
      if isInContent {
        let end = unread.hasPrefix(".\r\n") ? unread.startIndex..<unread.startIndex : unread.range(of: "\r\n.\r\n")
        guard let end else { return }
        let isEmpty = end.isEmpty
        let content = isEmpty ? "" : unread[..<end.lowerBound] + "\r\n"
        unread.removeFirst(isEmpty ? 2 : unread.distance(from: unread.startIndex, to: end.upperBound))
        isInContent = false
        server.note(number) { $0.messages.append(String(content)) }
        hear(".")
      } else {
        guard let end = unread.range(of: "\r\n") else { return }
        let line = String(unread[..<end.lowerBound])
        unread.removeSubrange(..<end.upperBound)
        server.note(number) { $0.lines.append(line) }
        hear(line)
      }
    }
  }

  func hear(_ line: String) {
    switch server.answer(number, line) {
    case .nothing: break
    case .close: end(.peerClosed)
    case .say(let text):
      if text.hasPrefix("354") { isInContent = true }
      var bytes = ByteBuffer(string: text)
      delegate?.received(&bytes)
    }
  }
}

extension String {
  fileprivate func range(of needle: String) -> Range<String.Index>? { firstRange(of: needle) }
}
