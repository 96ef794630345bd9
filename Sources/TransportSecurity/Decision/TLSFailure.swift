import DNSRecords
import MailSyntax

/// How the TLS of one host fell short, before or in its handshake.
public enum TLSFailure: Hashable, Sendable {
  /// EHLO's answer has no STARTTLS.
  case notOffered
  /// STARTTLS was answered with no.
  case refused
  /// The session was refused before TLS, by whomever.
  case refusedBeforeTLS
  case handshake
  /// TLS 1.1 at most.
  case obsolete
  case certificate(CertificateFault)
  /// Bytes stood in clear behind the answer to STARTTLS.
  case injected
  /// No connection was allowed.
  case obstacle(TLSObstacle, rule: TLSFinding.Rule)
}

/// What a failure says to a person: how likely somebody is in the way, and what the recipient's postmaster can mend.
public struct TLSFailureReading: Hashable, Sendable {
  public enum Likelihood: String, Hashable, Sendable, CaseIterable {
    /// A mistake or an outage explains it better.
    case accident
    /// Both explain it.
    case unclear
    /// Somebody on the way explains it better.
    case attack

    /// A clause for records.
    public var words: String {
      switch self {
      case .accident: "rather an accident than an attack"
      case .unclear: "an accident or an attack"
      case .attack: "rather an attack than an accident"
      }
    }
  }
  public let likelihood: Likelihood
  /// Why so, as a sentence.
  public let grounds: String
  /// For the recipient's postmaster, as a sentence.
  public let remedy: String
  /// What a report to the recipient's domain would count it as (RFC 8460 §4.3); nil where it is none of its concern.
  public let report: TLSReportResult?
}

extension TLSEvidence {
  /// Reads a failure in the light of what was known: attack and accident told apart as far as evidence goes. Pure.
  public func reading(of failure: TLSFailure) -> TLSFailureReading {
    let host = host.map { "\($0)" } ?? "the server"
    switch failure {
    case .notOffered:
      return TLSFailureReading(
        likelihood: promise == nil ? .unclear : .attack,
        grounds: promise.map { "\($0), and STARTTLS is missing from what \(host) offers: it may have been cut out." }
          ?? "STARTTLS is missing from what \(host) offers: it may never have been there.",
        remedy: "Let \(host) offer STARTTLS to everybody, and see that no firewall cuts it out.",
        report: .startTLSNotSupported)
    case .refused:
      return TLSFailureReading(
        likelihood: .unclear, grounds: "\(host) offers STARTTLS and answers it with no; anybody on the way could, too.",
        remedy: "Look in the log of \(host) for why STARTTLS fails: often its certificate or key can't be read.",
        report: .startTLSNotSupported)
    case .refusedBeforeTLS:
      return TLSFailureReading(
        likelihood: .unclear, grounds: "The refusal came before TLS, where anybody on the way may have said it.",
        remedy: "Let \(host) refuse inside TLS, where its word is its own.", report: .validationFailure)
    case .handshake:
      return TLSFailureReading(
        likelihood: .unclear, grounds: "The handshake broke; a fault of \(host) and a hand on the line look alike.",
        remedy: "Try openssl s_client -starttls smtp -connect \(host):25 and look in the log of \(host).",
        report: .validationFailure)
    case .obsolete:
      return TLSFailureReading(
        likelihood: .accident, grounds: "\(host) knows no TLS above 1.1, which is no longer safe (RFC 8996).",
        remedy: "Let \(host) speak TLS 1.2 and 1.3.", report: .validationFailure)
    case .injected:
      return TLSFailureReading(
        likelihood: .attack,
        grounds: "Bytes stood in clear behind the answer to STARTTLS, as an attacker puts them there.",
        remedy: "Look for a proxy in front of \(host) that answers in its place.", report: .validationFailure)
    case .certificate(let fault): return reading(of: fault, host)
    case .obstacle(let obstacle, let rule): return reading(of: obstacle, rule, host)
    }
  }

  /// What the domain has promised of its TLS, as a clause; nil where it has promised nothing.
  private var promise: String? {
    if case .published = tlsa { return "the domain publishes TLSA records" }
    if case .inForce(let known, _) = sts, known.policy.mode == .enforce {
      return "the domain's MTA-STS policy promises TLS"
    }
    return history == nil ? nil : "its servers have steadily spoken TLS"
  }

  private func reading(of fault: CertificateFault, _ host: String) -> TLSFailureReading {
    let result = TLSReportResult(rawValue: fault.resultType) ?? .validationFailure
    switch fault {
    case .expired:
      return TLSFailureReading(
        likelihood: .accident, grounds: "All but the dates of the certificate is as it should be.",
        remedy: "Renew the certificate of \(host) now, and let it renew itself.", report: result)
    case .hostMismatch(let expected, let presented):
      return TLSFailureReading(
        likelihood: .accident,
        grounds:
          "An authority vouches for the certificate, but for \(presented.isEmpty ? "no name" : presented.joined(separator: ", ")).",
        remedy: "Give \(host) a certificate with the DNS name \(expected).", report: result)
    case .notTrusted:
      return TLSFailureReading(
        likelihood: history?.level == .verified ? .attack : .unclear,
        grounds: history?.level == .verified
          ? "Its servers have steadily proven their names, and now one doesn't."
          : "Nobody trusted vouches for the certificate: a server set up so, or somebody in its place.",
        remedy: "Give \(host) a certificate of a public authority, and let it send the intermediates too.",
        report: result)
    case .tlsaMismatch(_, let isVouchedFor):
      return TLSFailureReading(
        likelihood: isVouchedFor ? .accident : .attack,
        grounds: isVouchedFor
          ? "A public authority vouches for the very name: the key was changed and its TLSA record wasn't."
          : "The server presents a key that its signed TLSA records don't know.",
        remedy: tlsaRemedy, report: result)
    }
  }

  private var tlsaRemedy: String {
    guard case .published(let set) = tlsa else { return "Publish a TLSA record of the server's present key." }
    return
      "Publish at _\(port)._tcp.\(set.base) the TLSA record (3 1 1) of the key that the server uses now, and keep the "
      + "next key's record there before each change (RFC 7671 §8)."
  }

  private func reading(of obstacle: TLSObstacle, _ rule: TLSFinding.Rule, _ host: String) -> TLSFailureReading {
    func reading(_ likelihood: TLSFailureReading.Likelihood, _ grounds: String, _ remedy: String) -> TLSFailureReading {
      TLSFailureReading(likelihood: likelihood, grounds: grounds, remedy: remedy, report: obstacle.report)
    }
    switch rule {
    case .mtaSTS:
      return reading(
        exchangers == .secure ? .accident : .unclear,
        exchangers == .secure
          ? "The MX record is signed, so it is the policy that is behind."
          : "An MX record that isn't signed can be forged; a policy can also be forgotten when servers change.",
        (exchangers == .secure
          ? "" : "If \(host) isn't yours, somebody forges your MX record: sign the zone with DNSSEC. If it is yours: ")
          + "add mx: \(host) to the domain's policy file, /.well-known/mta-sts.txt on its mta-sts host, and change the id "
          + "of its TXT record at _mta-sts, or take \(host) out of the MX records.")
    case .dane:
      return reading(
        .unclear, "Who can block the answer can hide the record; broken name servers look the same.",
        "See that the name servers of \(host) answer for _\(port)._tcp.\(host), type TLSA, with proofs that validate.")
    case .sender:
      return reading(
        .accident, "The sender asks for more than the domain publishes.",
        "Publish an MTA-STS policy, or sign the domain with DNSSEC and publish TLSA records for \(host).")
    case .operatorFloor:
      return reading(
        .accident, "The floor asks for more than the domain publishes.",
        "Sign the domain and \(host) with DNSSEC, and publish a TLSA record (3 1 1) at _\(port)._tcp.\(host).")
    case .baseline, .ratchet:
      return reading(.unclear, "It isn't as it used to be.", "See that \(host) offers TLS as it did.")
    }
  }
}
