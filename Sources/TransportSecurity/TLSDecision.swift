/// What is known, before a connection is made, of how safely mail for a domain must go to one of its MX hosts.
///
/// It holds every voice that may ask for more. Today one speaks, the operator's; the recipient's published policies and
/// the sender's wish join it here.
public struct TLSEvidence: Hashable, Sendable {
  /// What our own operator demands for the domain.
  public var floor: TLSFloor
  /// Which rule of the configuration the floor comes from, as a person finds it there.
  public var floorOrigin: String

  public init(floor: TLSFloor, floorOrigin: String) {
    self.floor = floor
    self.floorOrigin = floorOrigin
  }
}

/// The least that an operator lets mail go by. It never falls back (Law 2).
public enum TLSFloor: String, Hashable, Sendable, CaseIterable {
  /// TLS wherever it can be had, cleartext where it can't. RFC 7435.
  case opportunistic
  /// TLS, whoever answers.
  case encrypt
  /// TLS with a certificate that proves the MX host's name.
  case verified
}

/// How mail must go to one host, and why.
public struct TLSDecision: Hashable, Sendable {
  public let verdict: TLSVerdict
  /// Every rule that was considered, in order.
  public let findings: [TLSFinding]
}

/// From the weakest to the strongest.
public enum TLSVerdict: String, Hashable, Sendable, CaseIterable {
  /// Cleartext only where STARTTLS isn't offered, or has failed on every host and a new connection is made.
  case opportunistic
  case encrypt
  /// The certificate proves the host's name by the public authorities (RFC 5280, RFC 9525).
  case authenticate

  /// Whether a channel is as safe as asked, judged by what its handshake left: for a connection that is to be used
  /// again, for a domain that it wasn't made for.
  ///
  /// - Parameters:
  ///   - tls: nil for a channel in clear.
  ///   - host: the name that the certificate must have proven.
  public func isMet(by tls: TLSFacts?, host: String) -> Bool {
    switch self {
    case .opportunistic: return true
    case .encrypt: return tls != nil
    case .authenticate:
      guard case .verified(let proven)? = tls?.peerCertificate?.verification else { return false }
      return proven == host
    }
  }
}

/// One rule and what it came to.
public struct TLSFinding: Hashable, Sendable, CustomStringConvertible {
  public let rule: Rule
  public let verdict: TLSVerdict
  public let evidence: String
  /// The section that says so.
  public let source: String

  public enum Rule: String, Hashable, Sendable, CaseIterable {
    /// What holds where nobody asks for anything.
    case baseline
    case operatorFloor = "operator-floor"
  }

  public var description: String { "\(rule.rawValue): \(verdict.rawValue), \(evidence) (\(source))" }
}

/// Law 6: the one function that decides what TLS a delivery needs. Pure; the strictest of all that apply, never a
/// choice of one.
public func decide(_ evidence: TLSEvidence) -> TLSDecision {
  let findings = [
    TLSFinding(
      rule: .baseline, verdict: .opportunistic, evidence: "encrypted wherever the host can", source: "RFC 7435 §3"),
    TLSFinding(
      rule: .operatorFloor, verdict: evidence.floor.verdict, evidence: evidence.floorOrigin,
      source: "RFC 3207 §4.1"),
  ]
  let strictest = findings.map(\.verdict).max { $0.strength < $1.strength }
  return TLSDecision(verdict: strictest ?? .opportunistic, findings: findings)
}

extension TLSFloor {
  var verdict: TLSVerdict {
    switch self {
    case .opportunistic: .opportunistic
    case .encrypt: .encrypt
    case .verified: .authenticate
    }
  }
}

extension TLSVerdict {
  var strength: Int {
    switch self {
    case .opportunistic: 0
    case .encrypt: 1
    case .authenticate: 2
    }
  }
}
