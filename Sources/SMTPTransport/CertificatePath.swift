import FoundationEssentials
import MailSyntax
import SwiftASN1
import Synchronization
@_spi(FixedExpiryValidationTime) @_spi(DisableValidityCheck) import X509

/// A server's certificate and those presented with it, from which ways to an authority are built.
struct CertificatePath: Sendable {
  /// Of the certificates that might be an issuer, so many are tried in one search. An honest chain takes a dozen;
  /// look-alikes that sign each other would make ways without number (RFC 4158 §2.4.1).
  static let maximumCandidates = 64
  /// A certificate of a hundred names has a third of it.
  static let maximumCertificateOctets = 16 * 1_024

  let leaf: Certificate
  private let others: [Certificate]

  init(leaf: Certificate, others: [Certificate]) {
    self.leaf = leaf
    self.others = others
  }

  enum End {
    case anchor(Certificate)
    case none(reason: String)
  }

  /// Where the certificate leads, by signatures, constraints and usages (RFC 5280 §6).
  ///
  /// - Parameter moment: at which every certificate has to be in date; nil where dates don't matter.
  func end(among anchors: some Sequence<Certificate>, at moment: UTCInstant?) async -> End {
    await end(among: Dictionary(grouping: anchors, by: \.subject), at: moment)
  }

  func end(among anchors: [DistinguishedName: [Certificate]], at moment: UTCInstant?) async -> End {
    let allowance = Allowance()
    let roots = CertificateStore(custom: Candidates(bySubject: anchors, allowance: allowance))
    let issuers = CertificateStore(
      custom: Candidates(bySubject: Dictionary(grouping: others, by: \.subject), allowance: allowance))
    let basics =
      moment.map { RFC5280Policy(fixedExpiryValidationTime: Date(timeIntervalSince1970: Double($0.nanoseconds) / 1e9)) }
      ?? .withValidityCheckDisabled()
    var verifier = Verifier(rootCertificates: roots) {
      basics
      ServerUsagePolicy()
    }
    switch await verifier.validate(leaf: leaf, intermediates: issuers) {
    case .validCertificate(let chain):
      // Never empty; a chain of the leaf alone is an anchor by itself.
      return .anchor(chain.last ?? leaf)
    case .couldNotValidate(let failures):
      let reason = failures.first.map { "\($0.policyFailureReason)" }
      return .none(reason: reason ?? "no chain leads to a trusted authority")
    }
  }
}

/// Certificates by their subject, of which a search is given only so many.
private struct Candidates: CustomCertificateStore {
  let bySubject: [DistinguishedName: [Certificate]]
  let allowance: Allowance

  subscript(subject: DistinguishedName) -> [Certificate]? {
    get async { bySubject[subject].map { allowance.take($0) } }
  }

  func contains(_ certificate: Certificate) async -> Bool {
    bySubject[certificate.subject]?.contains(certificate) ?? false
  }

  /// Nobody adds to what a handshake has shown.
  func append(contentsOf certificates: some Sequence<Certificate>) {}

  static func == (left: Candidates, right: Candidates) -> Bool { left.bySubject == right.bySubject }
  func hash(into hasher: inout Hasher) { hasher.combine(bySubject) }
}

/// What is left of `CertificatePath.maximumCandidates` in one search.
final class Allowance: Sendable {
  private let left = Mutex(CertificatePath.maximumCandidates)

  func take(_ candidates: [Certificate]) -> [Certificate] {
    left.withLock { left in
      let taken = candidates.prefix(left)
      left -= taken.count
      return Array(taken)
    }
  }
}

/// What `RFC5280Policy` leaves out: a leaf that says what it is for must say it is for TLS servers (RFC 5280
/// §4.2.1.12), and an issuer that says what its key is for must say it signs certificates (§4.2.1.3).
private struct ServerUsagePolicy: VerifierPolicy {
  // The name is compared by the judge itself.
  let verifyingCriticalExtensions: [ASN1ObjectIdentifier] = [
    .X509ExtensionID.subjectAlternativeName, .X509ExtensionID.extendedKeyUsage,
  ]

  func chainMeetsPolicyRequirements(chain: UnverifiedCertificateChain) -> PolicyEvaluationResult {
    do {
      if let usage = try chain.leaf.extensions.extendedKeyUsage,
        !usage.contains(.serverAuth), !usage.contains(.any)
      {
        return .failsToMeetPolicy(reason: "the certificate is not meant for TLS servers")
      }
      for issuer in chain.dropFirst() {
        if let usage = try issuer.extensions.keyUsage, !usage.keyCertSign {
          return .failsToMeetPolicy(reason: "an issuer's key is not meant to sign certificates")
        }
      }
      return .meetsPolicy
    } catch {
      return .failsToMeetPolicy(reason: "an extension can't be read")
    }
  }
}
