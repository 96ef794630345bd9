import Crypto
import FoundationEssentials
import MailSyntax
import SwiftASN1
import TransportSecurity
@_spi(FixedExpiryValidationTime) @_spi(DisableValidityCheck) import X509

/// Says of a presented chain what it is, whether or not anybody demands it to be anything (`CertificateFacts`).
struct CertificateJudge: Sendable {
  /// Chains of public authorities have two or three; building paths over many look-alikes costs.
  static let maximumPresentedCertificates = 10
  /// Of a certificate's names, so many are recorded. All count in matching.
  static let maximumRecordedNames = 100

  let roots: TrustRoots

  /// - Parameters:
  ///   - presented: DER forms, leaf first, as the peer sent them.
  ///   - hostName: a DNS name, or the text of an address where the connection was meant for an address.
  func judge(presented: [[UInt8]], for hostName: String, at now: UTCInstant) async -> CertificateFacts {
    var facts = CertificateFacts(
      sha256Fingerprint: [], dnsNames: [], verification: .failed(.notTrusted(reason: "no certificate was presented")))
    guard let first = presented.first else { return facts }
    facts.sha256Fingerprint = Array(SHA256.hash(data: first))
    let leaf: Certificate
    do {
      leaf = try Certificate(derEncoded: first)
    } catch {
      // Keys under 2048 bits and unknown algorithms end here too: a verdict, for DANE looks at the DER form itself.
      facts.verification = .failed(.notTrusted(reason: "the certificate is of no supported kind: \(error)"))
      return facts
    }
    let names = CertificateNames(of: leaf)
    facts.dnsNames = Array(names.dnsNames.prefix(CertificateJudge.maximumRecordedNames))
    let others = presented.dropFirst().prefix(CertificateJudge.maximumPresentedCertificates)
    let intermediates = CertificateStore(others.compactMap { try? Certificate(derEncoded: $0) })
    if let fault = await fault(leaf, intermediates, names, hostName, now) {
      facts.verification = .failed(fault)
    } else {
      facts.verification = .verified(hostName: hostName)
    }
    return facts
  }

  /// Trust first, then the name, then the dates: whoever is told of an expired certificate can rely on the rest.
  private func fault(
    _ leaf: Certificate, _ intermediates: CertificateStore, _ names: CertificateNames, _ hostName: String,
    _ now: UTCInstant
  ) async -> CertificateFault? {
    var timeless = Verifier(rootCertificates: roots.store) {
      RFC5280Policy.withValidityCheckDisabled()
      ServerUsagePolicy()
    }
    if case .couldNotValidate(let failures) = await timeless.validate(leaf: leaf, intermediates: intermediates) {
      let reason = failures.first.map { "\($0.policyFailureReason)" }
      return .notTrusted(reason: reason ?? "no chain leads to a trusted authority")
    }
    guard CertificateJudge.proves(names, hostName) else {
      return .hostMismatch(
        expected: hostName, presented: Array(names.dnsNames.prefix(CertificateJudge.maximumRecordedNames)))
    }
    let date = Date(timeIntervalSince1970: Double(now.nanoseconds) / 1e9)
    var dated = Verifier(rootCertificates: roots.store) {
      RFC5280Policy(fixedExpiryValidationTime: date)
      ServerUsagePolicy()
    }
    guard case .validCertificate = await dated.validate(leaf: leaf, intermediates: intermediates) else {
      return .expired
    }
    return nil
  }

  /// RFC 9525 §6.2: an address is proven by an iPAddress of the same octets, a name by a DNS-ID, neither by the other.
  private static func proves(_ names: CertificateNames, _ hostName: String) -> Bool {
    if let address = IPAddress(hostName) { return names.addresses.contains(address) }
    return DNSID.anyMatches(presented: names.dnsNames, host: hostName)
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
