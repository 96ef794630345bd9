import MailSyntax

/// What became of one message of the demonstration.
struct DemoScene: Sendable {
  let message: DemoMessage
  var octets = 0
  /// From the first octet of the connection to the server's 250.
  var acceptedAfter = Duration.zero
  /// From the same moment to the file in the smarthost's Maildir.
  var deliveredAfter = Duration.zero
  var hops: [DemoHop] = []
  var fault: DemoFault?

  init(message: DemoMessage) { self.message = message }

  /// Holds what the takers wrote against what the givers saw (`TLSFacts.summary`), and both against what is promised:
  /// every wire inside TLS, the taker's certificate verified, the giver authenticated.
  mutating func judge(
    _ arrival: DemoArrival, submittedUnder submitted: String?, relayedUnder relayed: String
  ) throws(DemoFault) {
    hops = arrival.hops
    for (hop, seen) in zip(arrival.hops, [submitted ?? "none", relayed]) {
      try hop.judge(seen: seen, transmission: "ESMTPSA", certificate: "verified \(DemoTheatre.hostName)")
    }
  }
}
