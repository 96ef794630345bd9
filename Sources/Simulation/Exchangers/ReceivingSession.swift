import MailQueue
import MailSyntax
import NIOCore
import Relay
import SMTPSessions
import TransportSecurity

/// A mail host's side of one connection: speaks SMTP as RFC 5321 has it, and fails at any step as its mood is. It is
/// written anew here, and not the server that ships: what both ends misread alike would not show.
///
/// It sees every octet of ours, so it is here that Law 2 is checked (`ReceivingSession+Audit`), and that messages and their
/// parameters arrive as they were given (`ReceivingSession+Message`).
final class ReceivingSession {
  enum Mode: Hashable {
    case commands, handshake, data
    case chunk(left: Int, isLast: Bool, isRefused: Bool)
    /// Nothing that comes is answered.
    case deaf
  }

  let host: MailHost
  let internet: SimulatedInternet
  /// The delivery that made the connection; others may use it later.
  let visit: ExchangerVisit?
  private let line: SimulatedLine
  let offers: HostOffers
  var mode = Mode.commands
  private(set) var tls: TLSProof?
  /// What this end knows of the channel, whatever the other one believes.
  private(set) var channel = WireOracle.Channel()
  /// Somebody on the way does this to the connection.
  let attack: InjectedFault.Attack?
  private(set) var hasInjected = false
  /// EHLO's answer said so, in this session.
  private(set) var offeredTLS = false
  private(set) var hasOffered = false
  /// STARTTLS was said on this connection.
  var wasAskedForTLS = false
  var input = ByteBuffer()
  var envelope: ReceivedEnvelope?
  var content = ByteBuffer()
  var isChunked = false
  private(set) var isClientGone = false
  /// Taken by the message whose 250 is on its way.
  var unheard: [Ledger.Entry] = []

  init(_ host: MailHost, on line: SimulatedLine, of internet: SimulatedInternet, for visit: ExchangerVisit?) {
    self.host = host
    self.line = line
    self.internet = internet
    self.visit = visit
    offers = HostOffers(internet.random, takesAnyMail: host.takesAnyMail)
    attack = internet.attackOnWire(to: host)
  }

  // MARK: What the line tells

  func opened() {
    guard !host.mood(at: internet.clock.uptime).turnsAway else {
      say("421 4.3.2 \(host.greetingName) has no time")
      return hangUp()
    }
    if goesOn(at: .greeting) { say("220 \(host.greetingName) ESMTP") }
  }

  func received(_ bytes: ByteBuffer) {
    input.writeImmutableBuffer(bytes)
    while step() {}
  }

  func handshake(with peer: ExpectedPeer) {
    guard mode == .handshake else { return internet.ledger.violate("a handshake that STARTTLS didn't announce") }
    // Law 4, RFC 3207 §4.2: what stands behind the 220 was sent in clear, by anybody.
    if hasInjected { internet.ledger.violate("\(host.name): TLS was begun behind injected replies") }
    guard survives(.handshake) else { return }
    if let forged = forgedCertificate { return present(forged, to: peer) }
    switch host.tls(at: internet.clock.uptime) {
    case .verified: present(.init(key: host.key, names: [host.name], isTrusted: true), to: peer)
    case .unverified:
      internet.inject(.certificateUnverified)
      present(.init(key: host.key, names: [host.name], isTrusted: false), to: peer)
    case .notOffered, .refused, .broken:
      internet.inject(.handshakeFailed)
      refuseHandshake(.handshakeFailed("wrong version number"))
    case .obsolete:
      internet.inject(.obsoleteTLS)
      refuseHandshake(.obsoleteTLS)
    case .stalled:
      internet.inject(.handshakeStalled)
      mode = .deaf
    }
  }

  /// What somebody on the way shows in the host's place.
  private var forgedCertificate: PresentedCertificate? {
    switch attack {
    case .certificateForged: .init(key: .attackers, names: [host.name], isTrusted: false)
    case .certificateOfAnother:
      .init(
        key: .attackers, names: internet.foreign.attackersHost.map { [$0.name] } ?? [], isTrusted: true)
    case _: nil
    }
  }

  private func present(_ certificate: PresentedCertificate, to peer: ExpectedPeer) {
    if let attack, certificate.key == .attackers, host.key != .attackers { internet.inject(.attack(attack)) }
    noteSlips()
    switch certificate.judged(by: peer) {
    case .success(let proof):
      establish(proof)
      channel = .init(
        isEncrypted: true, provenNames: certificate.isTrusted ? certificate.names : [], key: certificate.key,
        offersRequireTLS: offers.offersRequireTLS)
    case .failure(let fault): refuseHandshake(fault)
    }
  }

  private func noteSlips() {
    guard let published = host.tlsa?.value(at: internet.clock.uptime), !published.records.isEmpty else { return }
    if !published.isUsable { internet.inject(.slip(.keysUnusable)) }
    if published.isUsable, !host.key.isMeant(by: published.records) { internet.inject(.slip(.keysLeftBehind)) }
  }

  /// The answer to STARTTLS where somebody on the way gives it; nil where the host does.
  func forgedAnswerToStartTLS() -> String? {
    let answer: String
    switch attack {
    case .startTLSRefused: answer = "454 4.7.0 TLS is not available"
    case .startTLSUnknown: answer = "500 5.5.1 what"
    case .repliesInjected:
      hasInjected = true
      answer = "220 2.0.0 go ahead\r\n" + (internet.random.chance(50) ? "250 2.0.0 and so on" : "250-2.0")
    case _: return nil
    }
    if let attack { internet.inject(.attack(attack)) }
    return answer
  }

  /// Our end went: what it had not heard by then it never hears.
  func lostClient() {
    isClientGone = true
    for entry in unheard { internet.ledger.wordLost(entry) }
    unheard = []
  }

  /// Nothing more comes.
  func closed() { mode = .deaf }

  // MARK: Steps

  private func step() -> Bool {
    switch mode {
    case .commands:
      guard let command = takeLine() else { return false }
      answer(String(decoding: command, as: UTF8.self))
      return true
    case .data:
      guard let line = takeLine() else { return false }
      takeContent(line)
      return true
    case .chunk(let left, let isLast, let isRefused):
      let length = min(left, input.readableBytes)
      guard length > 0, var piece = input.readSlice(length: length) else { return false }
      content.writeBuffer(&piece)
      mode = .chunk(left: left - length, isLast: isLast, isRefused: isRefused)
      endChunk()
      return true
    case .handshake, .deaf: return false
    }
  }

  /// Without its end.
  private func takeLine() -> [UInt8]? {
    guard let end = input.readableBytesView.firstIndex(of: 0x0a),
      var line = input.readBytes(length: end - input.readerIndex + 1)
    else { return nil }
    line.removeLast()
    if line.last != 0x0d { internet.ledger.violate("\(host.name) was sent a bare LF") }
    return line.dropLast()
  }

  // MARK: Answers

  /// Whether this step is taken as it should be; else it has failed already.
  func goesOn(at stage: DeliveryStage) -> Bool {
    guard survives(stage) else { return false }
    let chance = host.mood(at: internet.clock.uptime).refuses * ReceivingSession.weight(of: stage)
    guard internet.random.chance(chance) else { return true }
    let reply = internet.nextRefusal(at: stage)
    say(reply)
    if reply.hasPrefix("421") { hangUp() }
    return false
  }

  /// Few sessions come as far as the message, so there more is refused: all replies are to be met there, too.
  private static func weight(of stage: DeliveryStage) -> Int {
    switch stage {
    case .data, .finalReply: 5
    case .mail, .rcpt: 2
    case .lookup, .connect, .greeting, .ehlo, .startTLS, .handshake, .auth, .content, .write: 1
    }
  }

  func survives(_ stage: DeliveryStage) -> Bool {
    internet.passes(stage)
    let mood = host.mood(at: internet.clock.uptime)
    if internet.random.chance(mood.hangsUp) {
      internet.inject(.sessionEnd(stage))
      hangUp()
      return false
    }
    if internet.random.chance(mood.stalls) {
      internet.inject(.stall(stage))
      mode = .deaf
      return false
    }
    return true
  }

  func say(_ lines: [String], code: Int) {
    say(lines.enumerated().map { "\(code)\($0 == lines.count - 1 ? " " : "-")\($1)" }.joined(separator: "\r\n"))
  }

  func say(_ text: String, heard: @escaping () -> Void = {}) {
    line.say(text + "\r\n", within: host.mood(at: internet.clock.uptime).slowest, heard: heard)
  }

  func hangUp() {
    mode = .deaf
    line.hangUp()
  }

  func forget() {
    envelope = nil
    content = ByteBuffer()
    isChunked = false
  }

  /// EHLO is answered, or HELO, which offers nothing.
  func greetedBack(withOffers: Bool) {
    hasOffered = withOffers
    if tls == nil { internet.visits.host(host.name, told: withOffers ? offers : nil) }
    offeredTLS = withOffers && tls == nil && host.tls(at: internet.clock.uptime) != .notOffered
    guard offeredTLS, attack == .startTLSStripped else { return }
    internet.inject(.attack(.startTLSStripped))
    offeredTLS = false
  }

  /// Whether it has said so, in this channel.
  func offers(_ keyword: String) -> Bool { hasOffered && offers.offers(keyword) }

  private func establish(_ proof: TLSProof) {
    // Law 4: nothing of what was said in clear counts any more.
    forget()
    (tls, offeredTLS, hasOffered, mode) = (proof, false, false, .commands)
    visit?.hasTLS()
    line.finishHandshake(.success(proof), within: .milliseconds(40))
  }

  private func refuseHandshake(_ fault: WireFault) {
    mode = .deaf
    line.finishHandshake(.failure(fault), within: .milliseconds(40))
  }
}
