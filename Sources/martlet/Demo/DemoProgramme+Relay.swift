import MailSyntax
import TransportSecurity

extension DemoProgramme {
  var relayLines: [String] {
    switch relay {
    case .skipped(let reason):
      return QueueText.wrapped("2. The small internet is left out: \(reason).", indent: 0)
    case .played(let crossings, let names, let octets, let elapsed):
      var lines = [
        "2. The server is a relay now. Each domain promises something of its mail",
        "   servers, or nothing; copies of it are attacked. The table tells what the",
        "   relay demanded of the server, and whether the attacker could read the",
        "   message. What waits is tried again until its time is over; nothing of it has",
        "   gone out.",
      ]
      lines += QueueText.wrapped(
        "\(octets) bytes to \(crossings.count) domains, \(DemoProgramme.milliseconds(elapsed)). Names: \(names).",
        indent: 3)
      lines += ["", DemoProgramme.heading]
      var promise: DemoPromise?
      for crossing in crossings {
        if crossing.destination.promise != promise {
          promise = crossing.destination.promise
          lines.append("\(crossing.destination.promise.rawValue).example: \(crossing.destination.promise.title)")
        }
        lines.append(line(for: crossing))
        if let fault = crossing.fault { lines += QueueText.wrapped("FAILED: \(fault)", indent: 4) }
      }
      return lines + [""] + DemoProgramme.legend
    }
  }

  private static let columns = (attack: 31, conduct: 9, demand: 11, channel: 17)

  private static let heading =
    [
      "  " + QueueText.left("attack", columns.attack), QueueText.left("Martlet", columns.conduct),
      QueueText.left("demands", columns.demand), QueueText.left("message over", columns.channel), "read",
    ].joined(separator: " ").trimmingSpacesAtEnd

  private static let legend = [
    "  demands       certificate  of a trusted authority, for the server's name",
    "                DANE         the key or authority of its signed TLSA record",
    "                another MX   this server must not be used",
    "                nothing      TLS where it can be had, with whoever answers",
    "  message over  verified, DANE  the server proved who it is",
    "                unproven        encrypted, but to whoever answered",
  ]

  private func line(for crossing: DemoCrossing) -> String {
    let attack = QueueText.left(crossing.destination.attack.title, DemoProgramme.columns.attack)
    guard let sight = crossing.sight else { return "  \(attack) " + paint.paint("unknown", .red) }
    let demand = DemoExpectation.Demand(rawValue: sight.demand)?.word ?? sight.demand
    let isWrong = crossing.fault != nil
    return [
      "  " + attack,
      paint.paint(
        QueueText.left(sight.conduct.rawValue, DemoProgramme.columns.conduct),
        isWrong ? .red : sight.conduct == .waits ? .yellow : .green),
      QueueText.left(demand, DemoProgramme.columns.demand),
      QueueText.left(crossing.channelText, DemoProgramme.columns.channel),
      sight.isRead ? paint.paint("READ", .red) : "no",
    ].joined(separator: " ")
  }
}

extension DemoCrossing {
  /// What the message went over, as the table shows it.
  fileprivate var channelText: String {
    guard let sight else { return "" }
    let version = record?.tls.prefix { $0 != " " } ?? ""
    switch sight.channel {
    case .none: return "-"
    case .clear: return "in clear"
    case .unproven: return "\(version) unproven"
    case .verified: return "\(version) verified"
    case .dane: return "\(version) DANE"
    }
  }
}
