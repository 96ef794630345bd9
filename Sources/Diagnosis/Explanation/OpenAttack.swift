import DNSRecords
import MailSyntax
public import Relay
import TransportSecurity

/// What somebody on the way, who can change every packet and forge every unsigned answer, could do to mail beyond keeping
/// it from going: that anybody on the way can do always.
public enum OpenAttack: String, Hashable, Sendable, CaseIterable {
  case stripSTARTTLS = "strip-starttls"
  case forgeCertificate = "forge-certificate"
  case forgeMX = "forge-mx"
  /// Before a server has seen the domain's MTA-STS policy (RFC 8461 §10.2).
  case blockPolicy = "block-policy"

  public var words: String {
    switch self {
    case .stripSTARTTLS: "cut STARTTLS out of the answer, and read and change the mail in clear"
    case .forgeCertificate: "stand in for the server with any certificate, and read and change the mail"
    case .forgeMX: "forge the MX answer, and lead the mail to a server of their own"
    case .blockPolicy:
      "block the policy host or its TXT record for a sending server that hasn't seen the policy yet, and do then what "
        + "the policy prevents"
    }
  }
}

extension TLSVerdict {
  /// On the line to the host.
  fileprivate var attacks: [OpenAttack] {
    switch self {
    case .opportunistic: [.stripSTARTTLS, .forgeCertificate]
    case .encrypt: [.forgeCertificate]
    case .authenticate, .tryLater, .refuse: []
    }
  }

  fileprivate var letsMailGo: Bool {
    switch self {
    case .opportunistic, .encrypt, .authenticate: true
    case .tryLater, .refuse: false
    }
  }
}

extension HostAccount {
  /// What is possible on the line to it.
  public var attacks: [OpenAttack] { policy?.decision.verdict.attacks ?? [] }

  /// The same for whoever doesn't know the domain's MTA-STS policy.
  fileprivate var attacksWithoutPolicy: [OpenAttack] {
    guard var evidence = policy?.evidence else { return [] }
    evidence.sts = .absent
    return decide(evidence).verdict.attacks
  }
}

extension DestinationAccount {
  /// A name that nobody has (RFC 2606 §2), so no policy lists it.
  private static let forgedHost = try? DomainName("forged-mx.invalid")

  /// All of the attacks on the domain's mail: whoever is on the way chooses the host by blocking the others.
  public var attacks: [OpenAttack] {
    let open = Set(hosts.flatMap(\.attacks)).union(isForgeable(sts: nil) ? [.forgeMX] : [])
    let unseen = Set(hosts.flatMap(\.attacksWithoutPolicy)).union(isForgeable(sts: .absent) ? [.forgeMX] : [])
    let possible = unseen.isSubset(of: open) ? open : open.union([.blockPolicy])
    return OpenAttack.allCases.filter(possible.contains)
  }

  /// Whether mail would go to a host that a forged answer names.
  private func isForgeable(sts: STSEvidence?) -> Bool {
    guard exchangers == .insecure, domain.name != nil, let forged = DestinationAccount.forgedHost else { return false }
    return decision(forForgedHost: forged, sts: sts).verdict.letsMailGo
  }
}
