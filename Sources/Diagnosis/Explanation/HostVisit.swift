public import MailSyntax
public import Relay
import SMTPGrammar
public import SMTPSessions
public import TransportSecurity

/// What a mail host shows who connects to it: EHLO, STARTTLS, EHLO and QUIT, and no mail.
public struct HostVisit: Hashable, Sendable {
  /// Of a domain's hosts, so many are visited, the first ones.
  public static let maximumHosts = 5
  /// For each step of the dialogue: a person waits for it.
  public static let patience = Duration.seconds(15)

  /// Who answered; nil where nobody did.
  public let peer: SocketEndpoint?
  /// What its handshake settled, the certificate judged by everything that there is to judge it by.
  public let tls: TLSFacts?
  /// `REQUIRETLS` stands in what it offers inside TLS.
  public let offersRequireTLS: Bool
  /// What ended it early.
  public let fault: DialogueFault?

  public init(peer: SocketEndpoint?, tls: TLSFacts?, offersRequireTLS: Bool = false, fault: DialogueFault? = nil) {
    self.peer = peer
    self.tls = tls
    self.offersRequireTLS = offersRequireTLS
    self.fault = fault
  }

  /// Makes one connection to the host, at the first of its addresses of either family, whichever answers first.
  ///
  /// - Parameter timeouts: those of the whole visit; a test's are shorter.
  /// - Returns: nil where it has no address.
  public static func pay(
    to host: HostAccount, port: UInt16, from egress: Egress, by dialer: some Dialer,
    timeouts: ClientTimeouts = ClientTimeouts(eachStep: patience, idle: patience)
  ) async -> HostVisit? {
    let first = [true, false].compactMap { isV6 in host.addresses.first { $0.address.isV6 == isV6 }?.address }
    // As between servers where nobody asks for anything, so that everything is seen; nothing is sent that would have to
    // be protected.
    let verdict = TLSVerdict.opportunistic
    guard !first.isEmpty, let peer = verdict.expectedPeer(hostName: host.tlsName, dane: host.policy?.dane) else {
      return nil
    }
    let plan = ClientPlan(egress: egress, security: .startTLS(peer), timeouts: timeouts)
    do throws(OpeningFault) {
      let conversation = try await ClientConversation.open(
        plan, to: .addresses(first.map { SocketEndpoint(address: $0, port: port) }), by: dialer)
      let visit = HostVisit(
        peer: conversation.peer.endpoint, tls: conversation.tls,
        offersRequireTLS: conversation.capabilities.offersRequireTLS)
      await conversation.quit()
      return visit
    } catch {
      return HostVisit(peer: error.peer?.endpoint, tls: error.tls, fault: error.fault)
    }
  }
}

extension IPAddress {
  fileprivate var isV6: Bool {
    switch self {
    case .v4: false
    case .v6: true
    }
  }
}

/// A visit, compared with what the decision asks for.
public enum VisitJudgement: Hashable, Sendable {
  /// As safe as is asked for, or safer.
  case met
  /// Nobody asks for TLS there, and mail would go in clear.
  case metInClear(TLSFailureReading, words: String)
  /// Less safe than is asked for: mail wouldn't go there.
  case fellShort(TLSFailureReading, words: String)
  /// It doesn't offer REQUIRETLS, which the sender asks for.
  case lacksRequireTLS
  /// It can't be said: no connection, or a no before TLS mattered.
  case unreached(words: String)

  public var letsMailGo: Bool {
    switch self {
    case .met, .metInClear: true
    case .fellShort, .lacksRequireTLS, .unreached: false
    }
  }
}

extension HostAccount {
  /// Compares promise and reality. Pure.
  public func judgement(of visit: HostVisit) -> VisitJudgement {
    if let fault = visit.fault { return judgement(of: fault) }
    if let policy, let demand = policy.decision.verdict.expectedPeer(hostName: tlsName, dane: policy.dane),
      let fault = demand.fault(with: visit.tls?.peerCertificate)
    {
      let words = "\(SecurityFault.certificate(fault))"
      return .fellShort(policy.evidence.reading(of: .certificate(fault)), words: words)
    }
    if policy?.decision.asksNextHop == true, !visit.offersRequireTLS { return .lacksRequireTLS }
    return .met
  }

  private func judgement(of fault: DialogueFault) -> VisitJudgement {
    guard let reading = reading(of: fault) else { return .unreached(words: "\(fault)") }
    guard case .opportunistic = policy?.decision.verdict else { return .fellShort(reading, words: "\(fault)") }
    // RFC 7435 §3, RFC 3207 §4: only where there is no TLS, or none that works.
    let isNoTLS = fault.isTLSFailure || fault.cause == .security(.notOffered)
    return isNoTLS ? .metInClear(reading, words: "\(fault)") : .unreached(words: "\(fault)")
  }
}
