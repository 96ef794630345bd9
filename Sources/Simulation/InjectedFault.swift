public import Relay

/// A kind of thing that goes wrong in a simulated world. A run counts each as it happens, so that a test can see whether
/// the simulation still looks where it is meant to.
public enum InjectedFault: Hashable, Sendable {
  /// A next hop answered so: a stage and a name of `FaultCatalogue.causes`.
  case answer(DeliveryStage, cause: String)
  case chaos(Chaos)
  case dns(DNSTrouble)
  case host(HostFault)
  /// A mail host refused at a stage, with a reply of the golden table.
  case refusal(DeliveryStage, reply: String)
  /// A mail host's connection was lost at a stage, or nothing came any more.
  case sessionEnd(DeliveryStage)
  case stall(DeliveryStage)
  /// The power is cut at the very moment a delivery to a mail host reaches a stage.
  case cutDuring(DeliveryStage)
  /// No fault, but a way of arriving that some mail takes only: what never arrives so, proves nothing.
  case arrival(Arrival)
  case attack(Attack)
  case slip(Slip)

  public enum Arrival: String, Hashable, Sendable, CaseIterable {
    case byDots, byChunks, eightBit, international, withReportParameters, large
    /// Where the domain's policy is known to enforce, and where a host's TLSA records fit.
    case underPolicy, underKeys
    /// Where what the hosts have steadily shown holds back what is weaker.
    case underSteadiness
    case withRequireTLS, withoutTLSRequired
  }

  /// What somebody on the way does, until the faults stop.
  public enum Attack: String, Hashable, Sendable, CaseIterable {
    // On a connection: STARTTLS is taken out of EHLO's answer, or answered by him; EHLO is answered 500, so that HELO
    // follows; he ends TLS himself with a certificate of his own making, or with one that an authority gave him for his
    // own name; he puts replies behind the 220.
    case startTLSStripped, startTLSRefused, startTLSUnknown, ehloUnknown
    case certificateForged, certificateOfAnother, repliesInjected
    // In the DNS, and on the way to policy hosts.
    case exchangerForged, policyRecordSuppressed, policyRecordUnanswered, policyRecordForged, keysUnanswered
    case policyHostSilent, policyHostForged, policyGarbled

    static let onWires: [Attack] = [
      .startTLSStripped, .startTLSRefused, .startTLSUnknown, .ehloUnknown, .certificateForged, .certificateOfAnother,
      .repliesInjected,
    ]
    static var onNames: [Attack] { allCases.filter { !onWires.contains($0) } }
  }

  /// What a domain's own people get wrong.
  public enum Slip: String, Hashable, Sendable, CaseIterable {
    /// The TLSA records are those of an outworn key, or such as nobody can use.
    case keysLeftBehind, keysUnusable
    /// A policy that is published without its TXT record.
    case policyRecordGone
  }

  public enum DNSTrouble: String, Hashable, Sendable, CaseIterable { case serverFailure, timeout, bogus }

  /// What goes wrong at a mail host besides its replies.
  public enum HostFault: String, Hashable, Sendable, CaseIterable {
    /// Nobody answers, or somebody says no.
    case silent, connectionRefused
    case startTLSRefused, handshakeFailed, handshakeStalled, obsoleteTLS, certificateUnverified
    /// Mail goes in clear to a host that offers STARTTLS, since TLS failed on every one.
    case clearAtLast
    /// It takes a message and the connection is lost before it says so; it takes no more recipients at a time.
    case lostReply, fewRecipients
    /// It takes no message of that size: SIZE says so, or its end.
    case tooBigAtMail, tooBigAtEnd
  }

  public enum Chaos: String, Hashable, Sendable, CaseIterable {
    /// The power is cut.
    case cut
    /// A sync fails, and the store stops.
    case failedSync
    /// Free space is under its floor; beyond the reserve, too.
    case spaceLow, fullDisk
    /// A reading or a change finds a descriptor wanting.
    case unavailable
    case clockJump
    /// The configuration is read again, and says something else.
    case reload
    /// A stored body no longer matches its checksum.
    case damagedBody
    /// A next hop takes a recipient and the connection is lost before it says so.
    case lostWord
    /// A next hop takes no more recipients at a time.
    case recipientLimit
    /// The commit of a policy fails, and its store stops.
    case failedPolicyCommit
    /// An operator stands in for a floor, forgets a policy, or has it fetched.
    case floorOverridden, policyForgotten, policyRefreshed
  }

  /// Where a mail host may refuse, and what with.
  public static let refusalStages: [DeliveryStage] = [.greeting, .ehlo, .startTLS, .mail, .rcpt, .data, .finalReply]
  static let refusals = FaultCatalogue.replies.filter { $0.code >= 400 }
    .map { reply in "\(reply.code)" + (reply.enhanced.map { " \($0)" } ?? "") }
  private static let sessionStages = refusalStages + [.handshake, .content]

  /// Every kind there is: the golden table at hops and at mail hosts, the DNS, and what machines and people do.
  public static let allKinds: [InjectedFault] =
    // A hop is configured, so nothing is looked up for it.
    DeliveryStage.allCases.filter { $0 != .lookup }.flatMap { stage in
      FaultCatalogue.causes.map { .answer(stage, cause: $0.name) }
    }
    + Chaos.allCases.map(InjectedFault.chaos) + DNSTrouble.allCases.map(InjectedFault.dns)
    + HostFault.allCases.map(InjectedFault.host)
    + refusalStages.flatMap { stage in refusals.map { .refusal(stage, reply: $0) } }
    + sessionStages.map(InjectedFault.sessionEnd) + sessionStages.map(InjectedFault.stall)
    + (sessionStages + [.lookup, .connect]).map(InjectedFault.cutDuring)
    + Arrival.allCases.map(InjectedFault.arrival) + Attack.allCases.map(InjectedFault.attack)
    + Slip.allCases.map(InjectedFault.slip)
}
