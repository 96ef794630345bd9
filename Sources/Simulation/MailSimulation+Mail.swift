import MailQueue
import MailSyntax
import NIOCore
import OrderedCollections
import Relay
import SMTPGrammar

/// The mail of the day.
extension MailSimulation {
  func sendLetters(_ count: Int, from account: String) async {
    let client = SubmittingClient(internet: internet)
    for number in 0..<count {
      await pause(upTo: 600)
      let sender = random.pick(["anna@example.com", "bulk@example.com", "nobody@example.com", "x@away.example"])
      let wish = pickWish()
      let letter = SubmittingClient.Letter(
        account: account, sender: sender, recipients: pickRecipients(),
        octets: write(from: sender, subject: "\(account) \(number)", wish: wish), wish: wish)
      for _ in 0..<3 {
        guard let server else { break }
        let end = await client.send(letter, to: server)
        internet.trace.note("\(account) \(number): \(end)")
        if case .accepted(let id) = end { internet.ledger.acknowledge(id, wish) }
        guard end == .lost else { break }
        await pause(upTo: 120)
      }
    }
  }

  func sendHouseMail(_ count: Int) async {
    for number in 0..<count {
      await pause(upTo: 900)
      guard let server else { continue }
      let now = internet.clock.now
      let sender =
        random.chance(20) ? nil : random.pick(["anna@example.com", "boss@example.com", "nobody@example.com"])
      let notifies: [Notify?] = [nil, .never, .success, .failure, .delay, [.success, .failure, .delay]]
      do {
        var message = NewMessage(
          id: QueueID(acceptedAt: now, random: random.next()),
          reversePath: try sender.map { .mailbox(try Mailbox($0)) } ?? .null, recipients: [],
          reportContent: random.pick([nil, .full, .headers]), receivedAt: now,
          expiresAt: now + configuration.options.giveUpAfter,
          prefix: ByteBuffer(string: "Received: by the house\r\n"))
        message.envelopeID = random.chance(30) ? "envelope-\(number)+=" : nil
        message.tlsWish = pickWish()
        let octets = write(
          from: sender ?? "house@example.com", subject: "house \(number)", wish: message.tlsWish)
        message.body = octets.isEightBit ? .eightBitMIME : .sevenBit
        for address in Set(pickRecipients()).sorted() {
          let mailbox = try Mailbox(address)
          let route = address.hasSuffix("@example.com") ? SimulatedInternet.local : outboundRoute(mailbox)
          var recipient = NewRecipient(address: mailbox, route: route, notify: random.pick(notifies))
          if random.chance(20), mailbox.isASCII {
            recipient.originalRecipient = OriginalRecipient(addressType: "rfc822", address: "first+\(address)")
          }
          message.recipients.append(recipient)
          message.usesSMTPUTF8 = message.usesSMTPUTF8 || !mailbox.isASCII
        }
        try await server.submit(message, octets)
      } catch {
        internet.trace.note("house \(number) isn't taken: \(error)")
      }
    }
  }

  private func pickWish() -> TLSWish {
    switch random.below(100) {
    case ..<18: .required
    case ..<30: .notRequired
    case _: .unstated
    }
  }

  private func outboundRoute(_ mailbox: Mailbox) -> RouteKey {
    configuration.usesExchangers ? .exchangers(of: mailbox.domain) : SimulatedInternet.outbound
  }

  private func pickRecipients() -> [String] {
    let addresses = [
      "anna@example.com", "carl+lists@example.com", "all@example.com", "everywhere@example.com", "desk@shop.example",
      "one@away.example", "two@away.example", "three@far.example", "nobody@example.com",
    ]
    return (0...random.below(4)).map { _ in
      guard random.chance(60) else { return random.pick(addresses) }
      let domain = internet.foreign.domains.keys[random.below(internet.foreign.domains.count)]
      return "\(random.pick(random.chance(4) ? ["j\u{f6}rg"] : ["one", "two"]))@\(domain)"
    }
  }

  /// A letter of any kind that a way through the mail may treat otherwise: lines that begin with a dot and lines that are
  /// nothing else, eight bits that are UTF-8 and such as are not, lines as long as may be, and now and then one that no
  /// store hands out in one piece.
  func write(from sender: String, subject: String, wish: TLSWish = .unstated) -> [UInt8] {
    // RFC 8689 §4.1: beside REQUIRETLS the field says nothing.
    let hasField = wish == .notRequired || (wish == .required && random.chance(20))
    let header =
      "From: \(sender)\r\nTo: somebody@example.com\r\nSubject: \(subject)\r\n"
      + (hasField ? "TLS-Required: No\r\n" : "") + "Date: Tue, 12 Jan 2027 08:00:00 +0000\r\n\r\n"
    var octets = Array(header.utf8) + Array(".A line with a dot.\r\n..\r\n.\r\n".utf8)
    switch random.below(12) {
    case 0: octets += Array("Gr\u{fc}\u{df}e aus Z\u{fc}rich\r\n".utf8)
    case 1: octets += [0x47, 0x72, 0xfc, 0xdf, 0x65, 0x0d, 0x0a]
    // RFC 5321 §4.5.3.1.6: 1,000 octets with the line's end.
    case 2: octets += [UInt8](repeating: UInt8(ascii: "."), count: 998) + [0x0d, 0x0a]
    case 3 where random.chance(5):
      octets += Array(String(repeating: ".More than a piece.\r\n", count: LetterBook.largeOctets / 20 + 1).utf8)
    case _: octets += Array(String(repeating: "More.\r\n", count: random.below(40)).utf8)
    }
    if random.chance(20) { octets += Array("\r\n\r\n.\r\n".utf8) }
    internet.ledger.letters.enter(octets, wish: wish)
    return octets
  }

  func pause(upTo seconds: Int) async {
    await internet.clock.sleep(for: .milliseconds(1 + random.below(seconds * 1_000)))
  }
}
