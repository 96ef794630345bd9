import MailSyntax
import Relay
import TransportSecurity

/// What became of one message of the demonstration to another domain.
struct DemoCrossing: Sendable {
  /// The relay's record of mail that went in clear: nobody asked for more, and this is why.
  static let clearRecord = "none (STARTTLS is not offered)"

  let domain: DemoDomain
  var octets = 0
  /// From the first octet of the program's connection to the file in the receiver's Maildir, or to the relay's word that
  /// the message waits.
  var endedAfter = Duration.zero
  /// The last wire, by the word of the server that took the message.
  private(set) var hop: DemoHop?
  /// The same wire, by the relay's record.
  private(set) var record: DemoEars.Report?
  var fault: DemoFault?

  init(domain: DemoDomain) { self.domain = domain }

  /// What the relay's record says of the server's certificate; empty where none was shown.
  var certificate: String {
    guard let record, let hop, !hop.channel.isEmpty, record.tls.hasPrefix(hop.channel) else { return "" }
    return String(record.tls.dropFirst(hop.channel.count).drop { $0 == " " })
  }

  /// Why the message went in clear, by the relay's record; empty where it didn't.
  var cleartextReason: String {
    guard let record, record.tls.hasPrefix("none ("), record.tls.hasSuffix(")") else { return "" }
    return String(record.tls.dropFirst("none (".count).dropLast())
  }

  /// Of a message that has arrived: holds the receiver's word against the relay's record, and both against what had to
  /// come of it.
  mutating func judge(
    _ arrival: DemoArrival, submittedUnder submitted: String?, recorded: DemoEars.Report
  ) throws(DemoFault) {
    let (first, last) = arrival.wires
    (hop, record) = (last, recorded)
    try first.judge(
      seen: submitted ?? "none", transmission: "ESMTPSA", certificate: "verified \(DemoTheatre.hostName)")
    try judgeHost(recorded)
    guard last.host == domain.server.hostName else { throw .unexpected("\(last.host) took it") }
    switch domain.ending {
    case .inClear:
      guard recorded.tls == DemoCrossing.clearRecord else { throw .unexpected("the relay recorded \(recorded.tls)") }
      guard last.transmission == "ESMTP", last.channel.isEmpty else {
        throw .disagreement("in clear for the relay, \(last.transmission) \(last.channel) for \(last.host)")
      }
    case .unproven:
      try last.judge(seen: recorded.tls, transmission: "ESMTPS", certificate: "unverified certificate-not-trusted")
    case .proven:
      try last.judge(seen: recorded.tls, transmission: "ESMTPS", certificate: "verified \(last.host)")
    case .waiting:
      throw .insecure("it went to \(last.host), though the floor of \(domain.name) is \(domain.floor.rawValue)")
    }
  }

  /// Of a message that the relay was to keep.
  ///
  /// - Parameter hasArrived: the mail server has accepted it.
  mutating func judge(waiting recorded: DemoEars.Report, hasArrived: Bool) throws(DemoFault) {
    record = recorded
    guard !recorded.isDelivered, !hasArrived else {
      throw .insecure("it went to \(recorded.host), though the floor of \(domain.name) is \(domain.floor.rawValue)")
    }
    guard domain.ending == .waiting, recorded.reason == Outcome.Reason.insecure.rawValue else {
      throw .unexpected("it waits: \(recorded.result)")
    }
    try judgeHost(recorded)
  }

  private func judgeHost(_ recorded: DemoEars.Report) throws(DemoFault) {
    let expected = "\(domain.server.hostName) (\(domain.server.address))"
    guard recorded.host == expected else {
      throw .unexpected("the relay met \(recorded.host) instead of \(expected)")
    }
  }
}
