import MailQueue
import MailSyntax
import NIOCore
import Relay
import SMTPSessions
import TransportSecurity

/// A mail host's side of one connection: speaks SMTP as RFC 5321 has it, and fails at any step as its mood is. It is
/// written anew here, and not the server that ships: what both ends misread alike would not show.
///
/// It sees every octet of ours, so it is here that Law 2 is checked (`ReceivingSession+Audit`).
final class ReceivingSession {
  private enum Mode: Hashable {
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
  /// What it offers in EHLO, beside STARTTLS.
  private let extensions: [String]
  private let recipientMaximum: Int?
  private var mode = Mode.commands
  private(set) var tls: TLSProof?
  /// EHLO's answer said so, in this session.
  private(set) var offeredTLS = false
  private var input = ByteBuffer()
  private var reversePath: String?
  private var recipients: [Mailbox] = []
  private var content = ByteBuffer()
  private var isClientGone = false
  /// Taken by the message whose 250 is on its way.
  private var unheard: [Ledger.Entry] = []

  init(_ host: MailHost, on line: SimulatedLine, of internet: SimulatedInternet, for visit: ExchangerVisit?) {
    self.host = host
    self.line = line
    self.internet = internet
    self.visit = visit
    let random = internet.random
    extensions = ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 10000000", "DSN", "CHUNKING", "ENHANCEDSTATUSCODES"]
      .filter { _ in random.chance(75) }
    recipientMaximum = random.chance(15) ? 1 + random.below(3) : nil
  }

  // MARK: What the line tells

  func opened() {
    if goesOn(at: .greeting) { say("220 \(host.greetingName) ESMTP") }
  }

  func received(_ bytes: ByteBuffer) {
    input.writeImmutableBuffer(bytes)
    while step() {}
  }

  func handshake(with hostName: String, _ demand: CertificateDemand) {
    guard mode == .handshake else { return internet.ledger.violate("a handshake that STARTTLS didn't announce") }
    guard survives(.handshake) else { return }
    let isNamed = hostName == host.name.folded
    switch host.tls(at: internet.clock.uptime) {
    case .verified where isNamed: establish(ModelledHandshake.proof(of: hostName))
    case .verified, .unverified:
      internet.inject(.certificateUnverified)
      guard demand != .verified else { return refuseHandshake(.certificateRefused(.expired)) }
      establish(ModelledHandshake.proofOfNobody)
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
      answer(command)
      return true
    case .data:
      guard let line = takeLine() else { return false }
      guard line != "." else {
        endContent()
        return true
      }
      // RFC 5321 §4.5.2.
      content.writeString((line.hasPrefix(".") ? String(line.dropFirst()) : line) + "\r\n")
      return true
    case .chunk(let left, let isLast, let isRefused):
      let length = min(left, input.readableBytes)
      guard length > 0, var piece = input.readSlice(length: length) else { return false }
      content.writeBuffer(&piece)
      mode = .chunk(left: left - piece.readableBytes, isLast: isLast, isRefused: isRefused)
      endChunk()
      return true
    case .handshake, .deaf: return false
    }
  }

  private func takeLine() -> String? {
    let bytes = input.readableBytesView
    guard let end = bytes.firstIndex(of: 0x0a) else { return nil }
    let line = bytes[..<end]
    if line.last != 0x0d { internet.ledger.violate("\(host.name) was sent a bare LF") }
    let text = String(decoding: line.dropLast(), as: UTF8.self)
    input.moveReaderIndex(forwardBy: end - bytes.startIndex + 1)
    return text
  }

  private func answer(_ command: String) {
    let words = command.split(separator: " ", omittingEmptySubsequences: false)
    let isAlone = input.readableBytes == 0
    switch words[0].uppercased() {
    case "EHLO":
      guard goesOn(at: .ehlo) else { return }
      offeredTLS = tls == nil && host.tls(at: internet.clock.uptime) != .notOffered
      let offers =
        extensions + (offeredTLS ? ["STARTTLS"] : []) + (recipientMaximum.map { ["LIMITS RCPTMAX=\($0)"] } ?? [])
      say((["\(host.greetingName) at your service"] + offers), code: 250)
    case "HELO": if goesOn(at: .ehlo) { say("250 \(host.greetingName)") }
    case "STARTTLS": startTLS()
    case "MAIL":
      guard goesOn(at: .mail) else { return }
      auditSender()
      (reversePath, recipients, content) = (path(in: command), [], ByteBuffer())
      say("250 2.1.0 and to whom")
    case "RCPT": recipient(path(in: command))
    case "DATA": beginData()
    case "BDAT": beginChunk(words)
    case "RSET":
      forget()
      say("250 2.0.0 forgotten")
    case "QUIT":
      say("221 2.0.0 goodbye")
      hangUp()
    case _: internet.ledger.violate("\(host.name) was told \(command)")
    }
    // RFC 2920 §3.1. BDAT's octets are no command.
    if mode == .commands, !isAlone, !extensions.contains("PIPELINING"), words[0] != "BDAT" {
      internet.ledger.violate("\(host.name) offers no PIPELINING and was sent more behind \(words[0])")
    }
  }

  private func startTLS() {
    guard offeredTLS else { return internet.ledger.violate("\(host.name) was asked for TLS that it doesn't offer") }
    visit?.asksForTLS(at: host.name)
    guard goesOn(at: .startTLS) else { return }
    guard host.tls(at: internet.clock.uptime) != .refused else {
      internet.inject(.startTLSRefused)
      return say("454 4.7.0 TLS is not available")
    }
    say("220 2.0.0 go ahead")
    mode = .handshake
  }

  private func recipient(_ path: String) {
    guard reversePath != nil else { return say("503 5.5.1 MAIL first") }
    guard let mailbox = try? Mailbox(path) else { return internet.ledger.violate("\(host.name) was sent RCPT \(path)") }
    audit(mailbox)
    guard goesOn(at: .rcpt) else { return }
    if let limit = host.mood(at: internet.clock.uptime).recipientLimit, recipients.count >= limit {
      internet.inject(.fewRecipients)
      return say("452 4.5.3 too many recipients")
    }
    recipients.append(mailbox)
    if let recipientMaximum, recipients.count > recipientMaximum {
      internet.ledger.violate("\(host.name) takes \(recipientMaximum) recipients and was sent \(recipients.count)")
    }
    say("250 2.1.5 known")
  }

  private func beginData() {
    guard reversePath != nil, !recipients.isEmpty || internet.random.chance(20) else {
      return say("554 5.5.1 no valid recipients")
    }
    guard goesOn(at: .data) else { return }
    say("354 go ahead")
    mode = .data
  }

  private func beginChunk(_ words: [Substring]) {
    guard extensions.contains("CHUNKING"), words.count >= 2, let length = Int(words[1]) else {
      return internet.ledger.violate("\(host.name) was sent \(words.joined(separator: " "))")
    }
    mode = .chunk(left: length, isLast: words.last == "LAST", isRefused: reversePath == nil || recipients.isEmpty)
    endChunk()
  }

  /// Answers a chunk of which no octet is missing.
  private func endChunk() {
    guard case .chunk(0, let isLast, let isRefused) = mode else { return }
    mode = .commands
    if isRefused {
      say("503 5.5.1 nothing is open")
    } else if isLast {
      endContent()
    } else {
      say("250 2.0.0 \(content.readableBytes) octets")
    }
  }

  // MARK: The message

  private func endContent() {
    mode = .commands
    let (takers, isReport) = (recipients, reversePath == "")
    defer { forget() }
    guard !takers.isEmpty else { return say("554 5.5.1 no valid recipients") }
    let text = String(buffer: content)
    guard let id = text.mark else { return internet.ledger.violate("\(host.name) was sent a message of nobody") }
    if tls != nil { visit?.hasTLS() }
    guard survives(.content), goesOn(at: .finalReply) else { return }
    let entries = takers.map { Ledger.Entry(id: id, address: $0) }
    let losesWord = internet.random.chance(host.mood(at: internet.clock.uptime).losesWords)
    for entry in entries {
      if losesWord || isClientGone { internet.ledger.tookSilently(entry) } else { internet.ledger.took(entry) }
    }
    internet.trace.note("\(host.name) takes \(id) for \(takers.map(\.description))")
    if isReport { internet.ledger.received(report: text) }
    guard !losesWord else {
      internet.inject(.lostReply)
      return hangUp()
    }
    if !isClientGone { unheard = entries }
    say("250 2.0.0 taken") { [self] in unheard = [] }
  }

  private func forget() {
    (reversePath, recipients, content) = (nil, [], ByteBuffer())
  }

  // MARK: Answers

  /// Whether this step is taken as it should be; else it has failed already.
  private func goesOn(at stage: DeliveryStage) -> Bool {
    guard survives(stage) else { return false }
    // Few sessions come as far as the message, so there more is refused: all replies are to be met there, too.
    let isLate = stage == .data || stage == .finalReply
    guard internet.random.chance(host.mood(at: internet.clock.uptime).refuses * (isLate ? 5 : 1)) else { return true }
    let reply = internet.nextRefusal(at: stage)
    say(reply)
    if reply.hasPrefix("421") { hangUp() }
    return false
  }

  private func survives(_ stage: DeliveryStage) -> Bool {
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

  private func say(_ lines: [String], code: Int) {
    say(lines.enumerated().map { "\(code)\($0 == lines.count - 1 ? " " : "-")\($1)" }.joined(separator: "\r\n"))
  }

  private func say(_ text: String, heard: @escaping () -> Void = {}) {
    line.say(text + "\r\n", within: host.mood(at: internet.clock.uptime).slowest, heard: heard)
  }

  private func hangUp() {
    mode = .deaf
    line.hangUp()
  }

  private func establish(_ proof: TLSProof) {
    // Law 4: nothing of what was said in clear counts any more.
    forget()
    (tls, offeredTLS, mode) = (proof, false, .commands)
    visit?.hasTLS()
    line.finishHandshake(.success(proof), within: .milliseconds(40))
  }

  private func refuseHandshake(_ fault: WireFault) {
    mode = .deaf
    line.finishHandshake(.failure(fault), within: .milliseconds(40))
  }

  private func path(in command: String) -> String {
    guard let start = command.firstIndex(of: "<"), let end = command[start...].firstIndex(of: ">") else { return "" }
    return String(command[command.index(after: start)..<end])
  }
}

extension String {
  /// The queue's name of a message, as `VisitingDeliverer` wrote it in front.
  fileprivate var mark: QueueID? {
    guard hasPrefix(VisitingDeliverer.mark) else { return nil }
    return QueueID(prefix { $0 != "\r\n" }.dropFirst(VisitingDeliverer.mark.count))
  }
}
