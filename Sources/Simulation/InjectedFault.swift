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

  public enum Arrival: String, Hashable, Sendable, CaseIterable {
    case byDots, byChunks, eightBit, international, withReportParameters, large
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
    + Arrival.allCases.map(InjectedFault.arrival)
}
