import MailSyntax
import TransportSecurity

extension DemoProgramme {
  /// A value begins behind its name.
  private static let valueColumn = 21

  var relayLines: [String] {
    switch relay {
    case .skipped(let reason):
      return QueueText.wrapped("The relay is left out: \(reason).", indent: 0)
    case .played(let crossings):
      var lines = [
        "Now the server is a relay, and the DNS names who takes a domain's mail. TLS is",
        "taken wherever it is offered, whoever signed the certificate: in clear anybody",
        "could read it. Where the operator asks for more, nothing less will do. Again",
        "both ends of a wire tell the same of it.",
      ]
      for (number, crossing) in zip((scenes.count + 1)..., crossings) {
        lines.append("")
        lines += DemoProgramme.lines(for: crossing, number)
      }
      return lines
    }
  }

  private static func lines(for crossing: DemoCrossing, _ number: Int) -> [String] {
    let domain = crossing.domain
    var lines = [
      "\(number) to \(domain.name), \(crossing.octets) bytes"
        + (crossing.fault == nil ? ": \(outcome(of: crossing)) \(milliseconds(crossing.endedAfter))" : "")
    ]
    if let fault = crossing.fault { lines += QueueText.wrapped("FAILED: \(fault)", indent: 2) }
    lines += fact("mail server", "\(domain.server.hostName): \(domain.server.offer)")
    if domain.floor != .opportunistic {
      lines += fact("operator's floor", "\(domain.floor.rawValue), or it isn't sent")
    }
    if let hop = crossing.hop, !hop.channel.isEmpty { lines += fact("TLS", hop.channel) }
    if !crossing.certificate.isEmpty { lines += fact("certificate", crossing.certificate) }
    if !crossing.cleartextReason.isEmpty { lines += fact("went in clear", "\(crossing.cleartextReason)") }
    if domain.ending == .waiting, let record = crossing.record {
      lines += fact("why it waits", record.result)
      lines += fact("what was sent", "nothing: it goes once the server proves its name")
    }
    return lines
  }

  private static func outcome(of crossing: DemoCrossing) -> String {
    switch crossing.domain.ending {
    case .inClear, .unproven, .proven: "delivered"
    case .waiting: "put off"
    }
  }

  /// `  name   value`, the value wrapped beside its name.
  private static func fact(_ name: String, _ value: String) -> [String] {
    var lines = QueueText.wrapped(value, indent: valueColumn + 1)
    guard !lines.isEmpty else { return ["  \(name)"] }
    lines[0] = "  " + QueueText.left(name, valueColumn - 2) + " " + lines[0].dropFirst(valueColumn + 1)
    return lines
  }
}
