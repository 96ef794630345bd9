import MailSyntax
import NIOCore
import Relay

extension ReceivingSession {
  func answer(_ command: String) {
    let words = command.split(separator: " ", omittingEmptySubsequences: false)
    let isAlone = input.readableBytes == 0
    switch words[0].uppercased() {
    case "EHLO":
      guard goesOn(at: .ehlo) else { return }
      guard tls != nil || attack != .ehloUnknown else {
        internet.inject(.attack(.ehloUnknown))
        return say("500 5.5.1 what")
      }
      greetedBack(withOffers: true)
      let extra = (offeredTLS ? ["STARTTLS"] : []) + (channel.offersRequireTLS ? ["REQUIRETLS"] : [])
      say(["\(host.greetingName) at your service"] + offers.lines + extra, code: 250)
    case "HELO":
      guard goesOn(at: .ehlo) else { return }
      greetedBack(withOffers: false)
      say("250 \(host.greetingName)")
    case "STARTTLS": startTLS()
    case "MAIL": sender(command)
    case "RCPT": recipient(command)
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
    if mode == .commands, !isAlone, !offers("PIPELINING"), words[0] != "BDAT" {
      internet.ledger.violate("\(host.name) offers no PIPELINING and was sent more behind \(words[0])")
    }
  }

  private func startTLS() {
    guard offeredTLS else { return internet.ledger.violate("\(host.name) was asked for TLS that it doesn't offer") }
    visit?.asksForTLS(at: host.name)
    wasAskedForTLS = true
    guard goesOn(at: .startTLS) else { return }
    guard host.tls(at: internet.clock.uptime) != .refused else {
      internet.inject(.startTLSRefused)
      return say("454 4.7.0 TLS is not available")
    }
    if let forged = forgedAnswerToStartTLS() {
      if hasInjected { mode = .handshake }
      return say(forged)
    }
    say("220 2.0.0 go ahead")
    mode = .handshake
  }

  private func sender(_ command: String) {
    guard let path = path(in: command) else { return internet.ledger.violate("\(host.name) was sent \(command)") }
    let marked = path.isEmpty ? nil : (try? Mailbox(path)).flatMap(EnvelopeMark.read)
    guard path.isEmpty || marked != nil else { return internet.ledger.violate("\(host.name) was sent \(command)") }
    let envelope = ReceivedEnvelope(
      sender: marked?.mailbox, parameters: ReceivedEnvelope.parameters(in: command), id: marked?.id)
    auditSender(envelope)
    auditParameters(of: envelope, in: command)
    guard goesOn(at: .mail) else { return }
    if let size = envelope.size, size > offers.sizeTaken {
      internet.inject(.tooBigAtMail)
      return say("552 5.3.4 too big")
    }
    self.envelope = envelope
    content = ByteBuffer()
    say("250 2.1.0 and to whom")
  }

  private func recipient(_ command: String) {
    guard let envelope else { return say("503 5.5.1 MAIL first") }
    guard let (id, mailbox) = path(in: command).flatMap({ try? Mailbox($0) }).flatMap(EnvelopeMark.read) else {
      return internet.ledger.violate("\(host.name) was sent \(command)")
    }
    if let known = envelope.id, known != id { internet.ledger.violate("\(id) and \(known) are in one envelope") }
    self.envelope?.id = id
    audit(mailbox, of: id, in: envelope)
    auditParameters(of: mailbox, of: id, in: command)
    guard goesOn(at: .rcpt) else { return }
    guard !host.putsOff("\(envelope.sender.map { "\($0)" } ?? "") \(mailbox)", at: internet.clock.uptime) else {
      return say("450 4.2.0 greylisted, come again")
    }
    if let limit = host.mood(at: internet.clock.uptime).recipientLimit, envelope.recipients.count >= limit {
      internet.inject(.fewRecipients)
      return say("452 4.5.3 too many recipients")
    }
    self.envelope?.recipients.append(mailbox)
    if hasOffered, let maximum = offers.recipientMaximum, envelope.recipients.count >= maximum {
      internet.ledger.violate("\(host.name) takes \(maximum) recipients and was sent \(envelope.recipients.count + 1)")
    }
    say("250 2.1.5 known")
  }

  private func beginData() {
    guard let envelope, !envelope.recipients.isEmpty || internet.random.chance(20) else {
      return say("554 5.5.1 no valid recipients")
    }
    guard goesOn(at: .data) else { return }
    say("354 go ahead")
    mode = .data
  }

  private func beginChunk(_ words: [Substring]) {
    guard offers("CHUNKING"), words.count >= 2, let length = Int(words[1]) else {
      return internet.ledger.violate("\(host.name) was sent \(words.joined(separator: " "))")
    }
    let isRefused = envelope?.recipients.isEmpty ?? true
    isChunked = true
    mode = .chunk(left: length, isLast: words.last == "LAST", isRefused: isRefused)
    endChunk()
  }

  /// Answers a chunk of which no octet is missing.
  func endChunk() {
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

  private func path(in command: String) -> String? {
    guard let start = command.firstIndex(of: "<"), let end = command[start...].firstIndex(of: ">") else { return nil }
    return String(command[command.index(after: start)..<end])
  }
}
