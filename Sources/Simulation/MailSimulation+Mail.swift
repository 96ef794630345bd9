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
      let letter = SubmittingClient.Letter(
        account: account, sender: sender, recipients: pickRecipients(),
        text: text(from: sender, subject: "\(account) \(number)"))
      for _ in 0..<3 {
        guard let server else { break }
        let end = await client.send(letter, to: server)
        internet.trace.note("\(account) \(number): \(end)")
        if case .accepted(let id) = end { internet.ledger.acknowledge(id) }
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
        message.envelopeID = random.chance(30) ? "envelope-\(number)" : nil
        for address in Set(pickRecipients()).sorted() {
          let mailbox = try Mailbox(address)
          let route = address.hasSuffix("@example.com") ? SimulatedInternet.local : outboundRoute(mailbox)
          message.recipients.append(NewRecipient(address: mailbox, route: route, notify: random.pick(notifies)))
        }
        try await server.submit(message, text(from: sender ?? "house@example.com", subject: "house \(number)"))
      } catch {
        internet.trace.note("house \(number) isn't taken: \(error)")
      }
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
      return "\(random.pick(["one", "two"]))@\(domain)"
    }
  }

  func text(from sender: String, subject: String) -> String {
    "From: \(sender)\r\nTo: somebody@example.com\r\nSubject: \(subject)\r\nDate: Tue, 12 Jan 2027 08:00:00 +0000\r\n"
      + "\r\n.A line with a dot.\r\n" + String(repeating: "More.\r\n", count: random.below(40))
  }

  func pause(upTo seconds: Int) async {
    await internet.clock.sleep(for: .milliseconds(1 + random.below(seconds * 1_000)))
  }
}
