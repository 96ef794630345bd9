import Diagnosis
import MailSyntax
import Relay

/// What became of the message to one destination, by the word of the relay, of the receiver, and of whoever stood between
/// them; and whether that is what had to.
struct DemoCrossing: Sendable {
  /// What was seen.
  struct Sight: Hashable, Sendable {
    let conduct: DemoExpectation.Conduct
    /// By the relay's record.
    let demand: String
    let channel: DemoExpectation.Channel
    let isRead: Bool
  }

  let expectation: DemoExpectation
  private(set) var sight: Sight?
  /// The relay's record of its attempt.
  private(set) var record: DemoEars.Report?
  /// The last wire, by the word of the server that took the message.
  private(set) var hop: DemoHop?
  private(set) var attacker = AttackRecord()
  var fault: DemoFault?

  var destination: DemoDestination { expectation.destination }

  init(_ expectation: DemoExpectation) { self.expectation = expectation }

  /// - Parameters:
  ///   - arrival: the message as it lies at the receiver; nil where it isn't there.
  ///   - attacker: what the one in the way did and saw.
  mutating func judge(
    _ recorded: DemoEars.Report, arrival: DemoArrival?, attacker: AttackRecord
  ) throws(DemoFault) {
    record = recorded
    self.attacker = attacker
    hop = arrival?.wires.last
    let channel = DemoCrossing.channel(recorded)
    let sight = Sight(
      conduct: recorded.isDelivered ? .delivered : .waits, demand: recorded.policy, channel: channel,
      isRead: attacker.hasSeenMail)
    self.sight = sight
    guard recorded.isDelivered == (arrival != nil) else {
      throw .disagreement(
        "\(sight.conduct.rawValue) for the relay, and the receiver \(arrival == nil ? "lacks" : "has") it")
    }
    if !expectation.isRead, sight.isRead { throw .insecure("the attacker has read it") }
    let expected = Sight(
      conduct: expectation.conduct, demand: expectation.demand.rawValue, channel: expectation.channel,
      isRead: expectation.isRead)
    guard sight == expected else {
      throw .unexpected("\(sight.words); \(expected.words) was to be: \(recorded.result)")
    }
    // From bytes behind the 220 nobody goes on, not in clear either, whatever is demanded.
    if !recorded.isDelivered, recorded.reason != Outcome.Reason.insecure.rawValue {
      throw .unexpected("it waits: \(recorded.result)")
    }
    // RFC 8461 §5: a policy that is only tried out is noted all the same.
    let inForce = destination.attack.policyInForce(under: destination.promise)
    guard recorded.sts.hasPrefix(inForce), recorded.sts.isEmpty == inForce.isEmpty else {
      throw .unexpected("the policy in force was '\(recorded.sts)'")
    }
    try judgeAttack()
    if let hop { try judge(hop, recorded) }
  }

  /// An attack that was not carried out proves nothing; and one that only listens changes nothing.
  private func judgeAttack() throws(DemoFault) {
    let strikes: Bool
    switch (expectation.demand, destination.attack.interception) {
    case (.later, _):
      guard attacker.connections == 0 else { throw .insecure("the relay went to a host that it was to leave alone") }
      strikes = false
    case (_, .listen): strikes = false
    case (_, .strip), (_, .refuse), (_, .refuseEHLO), (_, .inject), (_, .show): strikes = true
    }
    guard (attacker.strikes > 0) == strikes else {
      throw .unexpected("the attack \(destination.attack.rawValue) was carried out \(attacker.strikes) times")
    }
  }

  /// Holds the receiver's word against the relay's. Where an attacker has ended TLS itself they differ, which is what it
  /// is there for.
  private func judge(_ hop: DemoHop, _ recorded: DemoEars.Report) throws(DemoFault) {
    let house = destination.promise.server.hostName
    guard hop.host == house else { throw .unexpected("\(hop.host) took it instead of \(house)") }
    if case .show = destination.attack.interception { return }
    switch expectation.channel {
    case .none, .clear:
      // RFC 3848: HELO makes it SMTP, EHLO ESMTP; an S would stand for TLS.
      guard hop.channel.isEmpty, ["ESMTP", "SMTP"].contains(hop.transmission) else {
        throw .disagreement("in clear for the relay, \(hop.transmission) \(hop.channel) for \(hop.host)")
      }
    case .unproven, .verified, .dane:
      guard !hop.channel.isEmpty, recorded.tls.hasPrefix(hop.channel), hop.transmission == "ESMTPS" else {
        throw .disagreement("\(recorded.tls) for the relay, \(hop.transmission) \(hop.channel) for \(hop.host)")
      }
    }
  }

  /// Reads the relay's record of the channel (`TLSFacts.summary`, or why there was no TLS).
  private static func channel(_ recorded: DemoEars.Report) -> DemoExpectation.Channel {
    guard recorded.isDelivered else { return .none }
    if recorded.tls.hasPrefix("none") { return .clear }
    if recorded.dane.hasPrefix("matched ") { return .dane }
    return recorded.tls.contains(" verified ") ? .verified : .unproven
  }

  /// Why the message went in clear, by the relay's record; empty where it didn't.
  var cleartextReason: String {
    guard let record, record.isDelivered, record.tls.hasPrefix("none ("), record.tls.hasSuffix(")") else { return "" }
    return String(record.tls.dropFirst("none (".count).dropLast())
  }
}

extension DemoCrossing.Sight {
  /// For a person who has to see the difference.
  fileprivate var words: String {
    "\(conduct.rawValue), \(demand) demanded, over \(channel.rawValue), \(isRead ? "read" : "unread")"
  }
}
