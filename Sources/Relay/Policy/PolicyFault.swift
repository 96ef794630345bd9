import MailSyntax
import SMTPGrammar
import SMTPSessions
public import TransportSecurity

/// Why a host may not have a message, by what is asked of the channel to it.
public struct PolicyFault: Hashable, Sendable, CustomStringConvertible {
  public let obstacle: TLSObstacle
  /// The rule that rules it out.
  public let rule: TLSFinding.Rule
  /// The sender asks for more than the host has: where no other host has it either, the message is returned (RFC 8689
  /// §4.2.1).
  public let isForGood: Bool

  public var description: String { obstacle.reason }

  public init(_ obstacle: TLSObstacle, rule: TLSFinding.Rule, isForGood: Bool = false) {
    self.obstacle = obstacle
    self.rule = rule
    self.isForGood = isForGood
  }

  /// Nil where the decision lets a connection be made.
  init?(_ decision: TLSDecision) {
    switch decision.verdict {
    case .opportunistic, .encrypt, .authenticate: return nil
    case .tryLater(let obstacle):
      (self.obstacle, isForGood) = (obstacle, false)
    case .refuse(let obstacle):
      (self.obstacle, isForGood) = (obstacle, true)
    }
    rule = decision.findings.first { $0.verdict == decision.verdict }?.rule ?? .baseline
  }

  /// A host that answered, and whose TLS falls short of REQUIRETLS alone.
  init(ofTheSender fault: SecurityFault) {
    obstacle = TLSObstacle("the sender asks for REQUIRETLS, and \(fault)")
    rule = .sender
    isForGood = true
  }
}

extension SecurityFault {
  /// Anybody on the way can say it.
  var isSaidInClear: Bool {
    switch self {
    case .notOffered, .refused, .refusedBeforeTLS: true
    case .obsoleteTLS, .certificate, .handshake, .noProvenPeer, .noMechanism, .unprovenSuccess, .authentication,
      .noPermit:
      false
    }
  }

  /// The server has answered, and no other answer is to be expected of it soon.
  var isLasting: Bool {
    switch self {
    case .notOffered, .obsoleteTLS, .certificate: true
    case .refused(let reply): reply.code.severity == .permanentNegative
    case .refusedBeforeTLS, .handshake, .noProvenPeer, .noMechanism, .unprovenSuccess, .authentication, .noPermit: false
    }
  }
}
