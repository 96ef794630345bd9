public import MailSyntax
public import Relay
internal import SMTPGrammar
internal import SMTPSessions
internal import TransportSecurity

/// Every way a delivery can fail: all stages of the dialogue, with every kind of reply and every other cause. The golden
/// table of outcomes lists what each comes to, and simulated next hops draw from it.
public enum FaultCatalogue {
  /// A code alone, or with the enhanced code that changes its meaning.
  public static let replies: [(code: UInt16, enhanced: EnhancedStatusCode?)] = [
    (220, nil), (250, nil), (299, nil), (334, nil), (354, nil), (399, nil),
    (421, nil), (421, temporary(7, 0)), (432, nil), (450, nil), (450, temporary(2, 0)), (450, temporary(7, 1)),
    (451, nil), (451, temporary(3, 0)), (451, temporary(7, 1)), (452, nil), (452, temporary(2, 2)),
    (452, temporary(3, 1)), (452, temporary(5, 3)), (454, nil), (454, temporary(7, 0)), (455, nil), (459, nil),
    (500, nil), (501, nil), (502, nil), (503, nil), (504, nil), (521, nil), (530, nil), (530, permanent(7, 0)),
    (534, permanent(7, 9)), (535, nil), (535, permanent(7, 8)), (538, permanent(7, 11)),
    (550, nil), (550, permanent(1, 1)), (550, permanent(1, 8)), (550, permanent(2, 1)), (550, permanent(2, 2)),
    (550, permanent(7, 1)), (550, permanent(7, 999)), (551, nil), (552, nil), (552, permanent(2, 2)),
    (552, permanent(3, 4)), (552, permanent(5, 3)), (553, nil), (553, permanent(7, 1)), (554, nil),
    (554, permanent(4, 6)), (554, permanent(7, 1)), (555, nil), (556, nil), (556, permanent(1, 10)), (599, nil),
  ]

  /// A short name for each cause, and the cause.
  public static let causes: [(name: String, cause: DeliveryFault.Cause)] =
    replies.map { code, enhanced in
      ("\(code)" + (enhanced.map { " \($0)" } ?? ""), reply(code, enhanced))
    } + [
      ("transport", .transport("lost")), ("tls not offered", .security(.notOffered)),
      ("tls refused", .security(.refused(serverReply(454, temporary(7, 0))))),
      ("tls handshake", .security(.handshake("wrong version number"))), ("tls obsolete", .security(.obsoleteTLS)),
      ("tls certificate", .security(.certificate(.expired))),
      ("tls unproven", .security(.certificate(.hostMismatch(expected: "mx.example", presented: [])))),
      ("no mechanism", .security(.noMechanism)),
      ("protocol violation", .protocolViolation("reply too long")),
      ("unsupported 5.6.7", .unsupported(permanent(6, 7), "SMTPUTF8")),
      ("unsupported 5.3.4", .unsupported(permanent(3, 4), "SIZE")), ("local", .local("disk full")),
    ]

  /// What the look-up of a domain's hosts can end in.
  public static let destinations: [(name: String, cause: DeliveryFault.Cause)] =
    [
      ("no such domain", .noSuchDomain(domain)), ("no mail host", .noMailHost(domain)),
      ("null MX", .takesNoMail(domain)), ("only ourselves", .onlyOurselves(domain)),
      ("no usable host", .noUsableHost(domain)), ("no address", .noAddress(domain)),
      ("look-up failed", .lookupFailed(domain, reason: "SERVFAIL")),
      ("bogus", .bogus(domain, reason: "signature expired")),
    ].map { (name: String, fault: DestinationFault) in (name, .destination(fault)) } + policies

  /// How what is asked of the channel can rule a host out.
  private static let policies: [(name: String, cause: DeliveryFault.Cause)] = [
    ("policy not met", .policy(PolicyFault(TLSObstacle("it isn't listed"), rule: .mtaSTS))),
    ("REQUIRETLS, unsure", .policy(PolicyFault(TLSObstacle("the policy can't be had"), rule: .sender))),
    ("REQUIRETLS, lacking", .policy(PolicyFault(TLSObstacle("unproven"), rule: .sender, isForGood: true))),
  ]

  private static let domain: DomainName = {
    guard let name = try? DomainName("example.org") else { preconditionFailure("example.org is a name") }
    return name
  }()

  public static func reply(_ code: UInt16, _ enhanced: EnhancedStatusCode? = nil) -> DeliveryFault.Cause {
    .reply(serverReply(code, enhanced))
  }

  private static func serverReply(_ code: UInt16, _ enhanced: EnhancedStatusCode?) -> ServerReply {
    ServerReply(code: ReplyCode(code), enhanced: enhanced, lines: ["words that decide nothing"])
  }

  private static func temporary(_ subject: UInt16, _ detail: UInt16) -> EnhancedStatusCode {
    EnhancedStatusCode(.persistentTransient, subject, detail)
  }
  private static func permanent(_ subject: UInt16, _ detail: UInt16) -> EnhancedStatusCode {
    EnhancedStatusCode(.permanent, subject, detail)
  }
}
