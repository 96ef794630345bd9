import Accounts
import DNSRecords
import MailQueue
public import MailSyntax
public import TransportSecurity

/// Where MTA-STS policies come from.
public protocol STSPolicySource: Sendable {
  /// What is known of the domain's policy now; never throws, and is bounded in time.
  func evidence(for domain: DomainName) async -> STSEvidence
  /// The same, asked anew whatever was tried lately: before mail is given up for a policy (RFC 8461 §5.1).
  func recheck(_ domain: DomainName) async -> STSEvidence
}

/// Brings together, for one domain and its hosts, all that `decide` weighs. What it asks the network for is bounded in
/// time by those that it asks.
public struct EvidenceGatherer: Sendable {
  let rules: DestinationRules
  /// Nil where no MTA-STS policies are kept.
  let policies: (any STSPolicySource)?
  let tlsa: TLSALookup
  let overrides: FloorOverrides?
  let ratchet: TLSRatchet?
  let port: UInt16
  let clock: any MailClock
  let decided = DecidedPolicies()

  /// What holds for all hosts of a domain, and for as long as a delivery goes on.
  struct OfDomain: Sendable {
    let domain: MailDomain
    /// The names that a certificate under DANE-TA may carry beside the host's: the next-hop domain and what its CNAME
    /// leads to (RFC 7672 §3.2.2). Empty where the way from it to the host isn't proven.
    let names: [DomainName]
    let wish: TLSWish
    /// What this delivery asks for where the operator asks for nothing.
    let leastFloor: OperatorFloor?
    let reversePath: ReversePath
    let sts: STSEvidence
  }

  /// - Parameter isLastAttempt: what fails now is given up for good.
  func evidence(
    of domain: MailDomain, names: [DomainName], wish: TLSWish, leastFloor: OperatorFloor?,
    isLastAttempt: Bool, from reversePath: ReversePath
  ) async -> OfDomain {
    var sts = STSEvidence.absent
    // RFC 8461 §3.4: none for address literals.
    if let name = domain.name, let policies {
      sts = isLastAttempt ? await policies.recheck(name) : await policies.evidence(for: name)
    }
    return OfDomain(
      domain: domain, names: names, wish: wish, leastFloor: leastFloor, reversePath: reversePath, sts: sts)
  }

  /// - Parameter addresses: what the DNS said of the host's addresses.
  func policy(for host: ExchangerHost, of domain: OfDomain, addresses: HostAddresses) async -> AppliedPolicy {
    let tlsa = await tlsaEvidence(of: addresses)
    // What is known here is asked behind every wait: an operator's word holds at once.
    var evidence = TLSEvidence(host: host.name.name, floor: floor(of: domain))
    evidence.port = port
    evidence.wish = domain.wish
    evidence.sts = domain.sts
    evidence.history = history(of: domain)
    evidence.exchangers = host.security
    evidence.tlsa = tlsa
    return decided.policy(of: domain.domain, host.name, evidence, domain.names)
  }

  /// The same by the word that an operator may have given since, and by what hosts have shown meanwhile.
  func renewed(_ policy: AppliedPolicy, for host: ExchangerHost, of domain: OfDomain) -> AppliedPolicy {
    var evidence = policy.evidence
    evidence.floor = floor(of: domain)
    evidence.history = history(of: domain)
    return decided.policy(of: domain.domain, host.name, evidence, domain.names)
  }

  private func tlsaEvidence(of addresses: HostAddresses) async -> TLSAEvidence {
    switch addresses {
    case .literal: .notSought(reason: "an address has no name that records could stand at")
    case .answers(let name, let v6, let v4): await tlsa.evidence(for: name, port: port, addresses: [v6, v4])
    }
  }

  // MARK: What is known here

  func floor(of domain: OfDomain) -> OperatorFloor {
    let floor = floor(for: domain.domain)
    return floor.floor == .opportunistic ? domain.leastFloor ?? floor : floor
  }

  /// What our operator asks for, be it by an override.
  func floor(for domain: MailDomain) -> OperatorFloor {
    let written = rules.floor(for: domain)
    return overrides?.floor(for: domain, configured: written, at: clock.now) ?? written
  }

  func history(of domain: OfDomain) -> SteadyTLS? {
    domain.domain.name.flatMap { ratchet?.expectation(for: $0, from: domain.reversePath, at: clock.now) }
  }
}
