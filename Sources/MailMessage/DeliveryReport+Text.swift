internal import MailSyntax

extension DeliveryReport {
  static let textWidth = 72

  /// The part a person reads: what happened, to whom, whose words, and what to do.
  var humanPart: Part {
    var paragraphs = ["This is the mail system at \(reportingHost).", opening]
    for recipient in recipients { paragraphs.append(account(of: recipient)) }
    if let closing { paragraphs.append(closing) }
    paragraphs.append(
      "Queue identifier: \(asciiOnly(queueID, limit: 64)); received \(MessageDate.format(arrival)).")
    let text = normalisedLines((paragraphs.joined(separator: "\n\n") + "\n").utf8)
    let isASCII = text.allSatisfy { $0 < 0x80 }
    return Part(
      type: "text/plain; charset=\(isASCII ? "us-ascii" : "utf-8")",
      encoding: .choose(for: text, allowsEightBit: !sender.isASCII), text: text)
  }

  private var opening: String {
    let them = recipients.count == 1 ? "this recipient" : "these recipients"
    let text =
      switch (action, author) {
      case (.failed, .untold(let sender?)):
        "A message of <\(sanitised(sender.description))> could not be delivered to \(them). Its sender can't be told, for "
          + "no mail to that address goes from here, so you get this report in the sender's place. The message will not be "
          + "tried again for them."
      case (.failed, .untold(nil)):
        "A message with the empty sender <>, which nobody may answer with a report, could not be delivered to \(them). It "
          + "is mostly a report itself. You get this as the postmaster; it will not be tried again for them."
      case (.failed, .reader):
        "Your message could not be delivered to \(them). It will not be tried again for them; send it anew when the "
          + "cause is mended."
      case (.delayed, _):
        "Your message has not reached \(them) yet. This is only a warning: you need not send it again. It is still "
          + "being tried."
      case (.delivered, _): "Your message was delivered to \(them), as you asked to be told."
      case (.relayed, _):
        "Your message for \(them) was handed on to a mail server that sends no delivery reports. You may hear no more "
          + "of it."
      case (.expanded, _): "Your message was delivered to a list of several addresses behind \(them)."
      }
    return wrap(text, indent: "")
  }

  private func account(of recipient: Recipient) -> String {
    var lines = ["  <\(sanitised(recipient.mailbox.description))>"]
    if let channel = recipient.channel { lines.append(wrap(sanitised("The channel: \(channel)"), indent: "    ")) }
    if let explanation = recipient.explanation { lines.append(wrap(sanitised(explanation), indent: "    ")) }
    if let reply = recipient.remoteReply {
      let host = recipient.remoteHost.map { asciiOnly($0, limit: 255) } ?? "The server"
      lines.append(wrap("\(host) answered: \(shown(reply))", indent: "    "))
    } else if let host = recipient.remoteHost, recipient.explanation == nil {
      lines.append(wrap("Server: \(asciiOnly(host, limit: 255))", indent: "    "))
    }
    switch action {
    case .failed:
      if let advice = advice(for: recipient) { lines.append(wrap("What to do: \(advice)", indent: "    ")) }
    case .delayed:
      if let until = recipient.retryUntil {
        lines.append(wrap("It will be tried until \(MessageDate.format(until)), then given up.", indent: "    "))
      }
    case .delivered, .relayed, .expanded: break
    }
    return lines.joined(separator: "\n")
  }

  private static let adviceOnOurselves =
    "neither you nor the recipient can mend this: it is this mail system that couldn't hand your message on."

  /// What is advised to an author; a postmaster knows. Where no server answered, there is no answer to look into.
  private func advice(for recipient: Recipient) -> String? {
    guard author == .reader else { return nil }
    if recipient.isOurs { return DeliveryReport.adviceOnOurselves }
    return recipient.status.advice ?? (recipient.remoteReply == nil ? nil : EnhancedStatusCode.adviceByAnswer)
  }

  private var closing: String? {
    guard action == .failed || action == .delayed else { return nil }
    let message = author == .reader ? "your message" : "the message"
    let returned =
      returnsWholeMessage
      ? message.prefix(1).uppercased() + message.dropFirst() + " or its header is below"
      : "The header of \(message) is below"
    guard author == .reader else { return wrap("\(returned), for reference.", indent: "") }
    let helper = postmaster.map { sanitised($0.description) } ?? "postmaster@\(reportingHost)"
    let isOurs = action == .failed && recipients.allSatisfy(\.isOurs)
    return wrap(
      "\(isOurs ? "Please forward" : "If that doesn't help, forward") this report to \(helper). \(returned), for "
        + "reference.", indent: "")
  }

  /// Breaks at spaces so that lines keep `textWidth`; a word that is longer stands alone, cut at 900 octets.
  private func wrap(_ text: String, indent: String) -> String {
    var lines: [String] = []
    var line = indent
    for word in text.split(separator: " ") {
      if line.utf8.count > indent.utf8.count, line.utf8.count + 1 + word.utf8.count > DeliveryReport.textWidth {
        lines.append(line)
        line = indent
      }
      if line.utf8.count > indent.utf8.count { line += " " }
      line += word.utf8.count > HeaderField.maximumWordOctets ? word.prefix(HeaderField.maximumWordOctets / 4) : word
    }
    lines.append(line)
    return lines.joined(separator: "\n")
  }
}

extension EnhancedStatusCode {
  /// What a sender can do about a failure. Source: RFC 3463 §3 and the registry of RFC 5248.
  var advice: String? {
    switch (subject, detail) {
    case (1, 1), (1, 3), (1, 6), (2, 1): "check the address for mistakes, and ask the person for the right one."
    case (1, 2), (1, 10), (4, 3): "check the part of the address behind the @ for mistakes."
    case (1, 7), (1, 8): "your own address was not accepted; check your mail program's settings."
    case (2, 2): "the mailbox is full; reach the person another way, or try again later."
    case (2, 3), (3, 4): "the message is too large; send it without its attachments, or share them by a link."
    case (4, 6): "the message went in circles between servers; tell the postmaster."
    case (4, 7), (4, 1), (4, 2), (4, 4): "the other side could not be reached for long; try again later."
    case (6, 7), (6, 8): "the other side takes no addresses outside ASCII; use an ASCII address."
    case (6, 9): "the other side takes no header fields outside ASCII; use ASCII addresses and an encoded subject."
    case (7, 4), (7, 5), (7, 10), (7, 30):
      "no connection was safe enough for this message; tell the postmaster of the other side."
    case (7, _): "the other side refuses this mail by its rules; its answer says why, or its postmaster does."
    case _: nil
    }
  }

  /// Where the status alone says too little, and a server has answered.
  static let adviceByAnswer = "the other side's answer says what is wrong; its postmaster can help."
}
