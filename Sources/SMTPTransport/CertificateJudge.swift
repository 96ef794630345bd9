import Crypto
import MailSyntax
import TransportSecurity
import X509

/// Says of a presented chain what it is, whether or not anybody demands it to be anything (`CertificateFacts`).
struct CertificateJudge: Sendable {
  /// Chains of public authorities have two or three; building paths over many look-alikes costs.
  static let maximumPresentedCertificates = 10
  /// Of a certificate's names, so many are recorded. All count in matching.
  static let maximumRecordedNames = 100

  let roots: TrustRoots

  /// - Parameters:
  ///   - presented: DER forms, leaf first, as the peer sent them.
  ///   - peer: by a DNS name, or by the text of an address where the connection was meant for an address.
  func judge(presented: [[UInt8]], for peer: ExpectedPeer, at now: UTCInstant) async -> CertificateFacts {
    var facts = CertificateFacts(
      sha256Fingerprint: [], dnsNames: [], verification: .failed(.notTrusted(reason: "no certificate was presented")))
    let chain = PresentedChain(presented.prefix(CertificateJudge.maximumPresentedCertificates + 1))
    if let dane = peer.dane { facts.dane = await DANEJudge(expectation: dane).verification(of: chain, at: now) }
    guard let first = presented.first else { return facts }
    facts.sha256Fingerprint = Array(SHA256.hash(data: first))
    facts.sha256OfPublicKey = TLSACertificate(der: first).publicKeyInfo.map { Array(SHA256.hash(data: $0)) }
    let path: CertificatePath
    switch chain.path {
    case .success(let read): path = read
    case .failure(let unreadable):
      // Keys under 2048 bits and unknown algorithms end here too: a verdict, for DANE looks at the DER form itself.
      facts.verification = .failed(.notTrusted(reason: unreadable.reason))
      return facts
    }
    let names = CertificateNames(of: path.leaf)
    facts.dnsNames = Array(names.dnsNames.prefix(CertificateJudge.maximumRecordedNames))
    if let fault = await fault(path, names, peer.hostName, now) {
      facts.verification = .failed(fault)
    } else {
      facts.verification = .verified(hostName: peer.hostName)
    }
    return facts
  }

  /// Trust first, then the name, then the dates: whoever is told of an expired certificate can rely on the rest.
  private func fault(
    _ path: CertificatePath, _ names: CertificateNames, _ hostName: String, _ now: UTCInstant
  ) async -> CertificateFault? {
    if case .none(let reason) = await path.end(among: roots.bySubject, at: nil) { return .notTrusted(reason: reason) }
    guard CertificateJudge.proves(names, hostName) else {
      return .hostMismatch(
        expected: hostName, presented: Array(names.dnsNames.prefix(CertificateJudge.maximumRecordedNames)))
    }
    guard case .anchor = await path.end(among: roots.bySubject, at: now) else { return .expired }
    return nil
  }

  /// RFC 9525 §6.2: an address is proven by an iPAddress of the same octets, a name by a DNS-ID, neither by the other.
  private static func proves(_ names: CertificateNames, _ hostName: String) -> Bool {
    if let address = IPAddress(hostName) { return names.addresses.contains(address) }
    return DNSID.anyMatches(presented: names.dnsNames, host: hostName)
  }
}
