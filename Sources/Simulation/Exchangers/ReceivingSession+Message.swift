import MailQueue
import MailSyntax
import NIOCore
import OrderedCollections
import Relay
import SMTPGrammar

/// What becomes of a message, and whether it and its parameters are those that were accepted.
extension ReceivingSession {
  /// A line between DATA and the dot.
  func takeContent(_ line: [UInt8]) {
    let dot = UInt8(ascii: ".")
    guard line != [dot] else { return endContent() }
    // RFC 5321 §4.5.2.
    content.writeBytes(line.first == dot ? line.dropFirst() : line[...])
    content.writeStaticString("\r\n")
  }

  func endContent() {
    mode = .commands
    guard let envelope, let id = envelope.id, !envelope.recipients.isEmpty else {
      forget()
      return say("554 5.5.1 no valid recipients")
    }
    let octets = [UInt8](content)
    defer { forget() }
    auditContent(octets, of: envelope)
    guard survives(.content), goesOn(at: .finalReply) else { return }
    guard octets.count <= offers.sizeTaken else {
      internet.inject(.tooBigAtEnd)
      return say("552 5.3.4 too big")
    }
    note(octets, envelope)
    let entries = envelope.recipients.map { Ledger.Entry(id: id, address: $0) }
    let losesWord = internet.random.chance(host.mood(at: internet.clock.uptime).losesWords)
    for entry in entries {
      if losesWord || isClientGone { internet.ledger.tookSilently(entry) } else { internet.ledger.took(entry) }
    }
    internet.trace.note("\(host.name) takes \(id) for \(envelope.recipients.map(\.description))")
    if envelope.isReport { internet.ledger.received(report: String(decoding: octets, as: UTF8.self)) }
    guard !losesWord else {
      internet.inject(.lostReply)
      return hangUp()
    }
    if !isClientGone { unheard = entries }
    say("250 2.0.0 taken") { [self] in unheard = [] }
  }

  private func note(_ octets: [UInt8], _ envelope: ReceivedEnvelope) {
    internet.inject(.arrival(isChunked ? .byChunks : .byDots))
    if octets.isEightBit { internet.inject(.arrival(.eightBit)) }
    if envelope.parameters["SMTPUTF8"] != nil { internet.inject(.arrival(.international)) }
    if envelope.parameters["ENVID"] != nil { internet.inject(.arrival(.withReportParameters)) }
    if octets.count > LetterBook.largeOctets { internet.inject(.arrival(.large)) }
    if envelope.parameters["REQUIRETLS"] != nil { internet.inject(.arrival(.withRequireTLS)) }
    if envelope.id.map({ internet.ledger.wish(of: $0) }) == .notRequired {
      internet.inject(.arrival(.withoutTLSRequired))
    }
    let keys = host.tlsa?.value(at: internet.clock.uptime).records ?? []
    if let key = channel.key, key.isMeant(by: keys) { internet.inject(.arrival(.underKeys)) }
    if envelope.recipients.contains(where: { $0.domain.name.map(internet.oracle.knowsEnforcement) ?? false }) {
      internet.inject(.arrival(.underPolicy))
    }
    let domains = envelope.recipients.compactMap { $0.domain.name.flatMap { internet.foreign.domains[$0] } }
    if domains.contains(where: internet.oracle.holds) { internet.inject(.arrival(.underSteadiness)) }
  }

  private func auditContent(_ octets: [UInt8], of envelope: ReceivedEnvelope) {
    let ledger = internet.ledger
    if let fault = ledger.letters.fault(in: octets, isReport: envelope.isReport) {
      ledger.violate("\(host.name) received what was not sent: \(fault)")
    }
    // RFC 8689 §5: what has no sender may lose it at a host that lacks the extension.
    if let wish = ledger.letters.wish(of: octets), !envelope.isReport,
      (wish == .required) != (envelope.parameters["REQUIRETLS"] != nil)
    {
      ledger.violate(
        "\(host.name) received \(envelope.id?.description ?? "") against the wish of its sender, \(wish.rawValue)")
    }
    // RFC 6531 §3.6: SMTPUTF8 speaks of the header alone.
    let (header, body) = LetterBook.parts(of: octets)
    let isInternational = envelope.parameters["SMTPUTF8"] != nil
    if envelope.parameters["BODY"] != "8BITMIME", body.isEightBit || (header.isEightBit && !isInternational) {
      ledger.violate(
        "\(host.name) was sent 8-bit content of \(envelope.id?.description ?? "nobody") that MAIL had not declared")
    }
    if let size = envelope.size, size != octets.count {
      ledger.violate("\(host.name) was told SIZE=\(size) and sent \(octets.count)")
    }
  }

  /// MAIL says what the host offers to hear, and of that whatever the message needs.
  func auditParameters(of envelope: ReceivedEnvelope, in command: String) {
    let said = envelope.parameters
    for (keyword, value) in said {
      let isOffered =
        switch keyword {
        case "SIZE": offers("SIZE") && Int(value) ?? .max <= offers.sizeOffered ?? 0
        case "BODY": offers("8BITMIME")
        case "SMTPUTF8": offers("SMTPUTF8")
        case "RET", "ENVID": offers("DSN")
        case "REQUIRETLS": value.isEmpty && channel.offersRequireTLS
        case _: false
        }
      if !isOffered { internet.ledger.violate("\(host.name) doesn't offer \(keyword)=\(value) and was sent it") }
    }
    if !command.utf8.allSatisfy({ $0 < 0x80 }), said["SMTPUTF8"] == nil {
      internet.ledger.violate("\(host.name) was sent \(command)")
    }
    if said["SMTPUTF8"] != nil, let message = envelope.id.flatMap({ internet.ledger.message($0) }),
      !message.usesSMTPUTF8, message.recipients.allSatisfy(\.address.isASCII)
    {
      internet.ledger.violate("\(host.name) was told SMTPUTF8 of a message that needs none")
    }
    guard let message = envelope.id.flatMap({ internet.ledger.message($0) }), offers("DSN") else { return }
    let expected = ReportParameters.ofMail(message)
    guard said.filter({ $0.key == "RET" || $0.key == "ENVID" }) != expected else { return }
    internet.ledger.violate("\(host.name) was sent \(said) where the message has \(expected)")
  }

  func auditParameters(of mailbox: Mailbox, of id: QueueID, in command: String) {
    let said = ReceivedEnvelope.parameters(in: command)
    if !command.utf8.allSatisfy({ $0 < 0x80 }), envelope?.parameters["SMTPUTF8"] == nil {
      internet.ledger.violate("\(host.name) was sent \(command) without SMTPUTF8")
    }
    let recipient = internet.ledger.message(id)?.recipients.first { $0.address == mailbox }
    let expected = offers("DSN") ? recipient.map(ReportParameters.ofRecipient) ?? [:] : [:]
    if said != expected {
      internet.ledger.violate("\(host.name) was sent \(said) where \(mailbox) has \(expected)")
    }
  }
}
