import Crypto
import DNSRecords
import FoundationEssentials
import MailSyntax
import SwiftASN1
import TransportSecurity
import X509

/// Matches what a server presented with its TLSA records. Source: RFC 7672 §3.2.
struct DANEJudge: Sendable {
  /// Of the records that bring an authority's whole certificate or key with them, so many are tried.
  static let maximumPublishedAnchors = 8

  let expectation: DANEExpectation

  /// Nil where no record can be used.
  func verification(of presented: PresentedChain, at now: UTCInstant) async -> DANEVerification? {
    let usable = expectation.tlsa.usable
    guard !usable.isEmpty else { return nil }
    guard let own = presented.certificates.first else {
      return .failed(.tlsaMismatch(reason: "no certificate was presented"))
    }
    // RFC 7672 §3.1.1: the key that signed the handshake is the published one. Names, dates and issuers say no more.
    if let record = usable.first(where: { $0.usage == .daneEE && own.matches($0) }) {
      return .matched(record, name: nil)
    }
    let authorities = usable.filter { $0.usage == .daneTA }
    let anchors = anchors(of: authorities, in: presented, at: now)
    guard !anchors.isEmpty else {
      return .failed(.tlsaMismatch(reason: mismatch(own, authorities, ofUsable: usable.count)))
    }
    switch presented.path {
    case .success(let path): return await verification(of: path, by: anchors, at: now)
    case .failure(let unreadable): return .failed(.notTrusted(reason: unreadable.reason))
    }
  }

  private func mismatch(_ own: TLSACertificate, _ authorities: [TLSARecord], ofUsable count: Int) -> String {
    let base = expectation.tlsa.base
    if let record = authorities.first(where: own.matches) {
      return "the record \(record) at \(base) is of an authority (usage 2) and fits the server's own (usage 3)"
    }
    let what = count == 1 ? "the TLSA record" : "none of the \(count) TLSA records"
    let presence = authorities.isEmpty ? "the certificate" : "the certificate or an authority presented with it"
    // For the domain's postmaster: whose key was met, the server's or somebody else's.
    let key = own.publicKeyInfo.map {
      TLSARecord(usage: 3, selector: 1, matchingType: 1, association: Array(SHA256.hash(data: $0)))
    }
    let met = key.map { " (its key would be \($0))" } ?? ""
    return "\(what) at \(base) \(count == 1 ? "doesn't fit" : "fits") \(presence)\(met)"
  }

  // MARK: DANE-TA

  private struct Anchor {
    let certificate: Certificate
    let record: TLSARecord
  }

  /// The authorities that the records speak of: those presented (RFC 7672 §3.1.2 asks servers to), and those whose
  /// whole certificate or key a record brings with it (RFC 7671 §5.2.1, §5.2.3). The server's own certificate is no
  /// authority over itself.
  private func anchors(of records: [TLSARecord], in presented: PresentedChain, at now: UTCInstant) -> [Anchor] {
    guard !records.isEmpty, let own = presented.certificates.first else { return [] }
    var anchors: [Anchor] = []
    for (octets, certificate) in zip(presented.certificates, presented.parsed).dropFirst() where octets.der != own.der {
      guard let certificate, let record = records.first(where: octets.matches) else { continue }
      anchors.append(Anchor(certificate: certificate, record: record))
    }
    let full = records.filter { $0.matchingType == .full }.prefix(DANEJudge.maximumPublishedAnchors)
    for record in full {
      guard let association = record.parts?.association else { continue }
      switch record.selector {
      case .certificate:
        guard !association.elementsEqual(own.der),
          case .success(let certificate) = PresentedChain.read(Array(association))
        else { continue }
        anchors.append(Anchor(certificate: certificate, record: record))
      case .publicKey:
        guard let top = presented.parsed.last ?? nil,
          let key = try? Certificate.PublicKey(derEncoded: Array(association)),
          let certificate = DANEJudge.certificate(for: key, namedAsIssuerOf: top, at: now)
        else { continue }
        anchors.append(Anchor(certificate: certificate, record: record))
      case nil: continue
      }
    }
    return anchors
  }

  /// A bare key as a trust anchor (RFC 7671 §5.2.3: it may have signed the topmost certificate). It is given the form
  /// that the search asks for; an anchor's own signature is looked at by nobody, so any key may make it.
  private static func certificate(
    for key: Certificate.PublicKey, namedAsIssuerOf top: Certificate, at now: UTCInstant
  ) -> Certificate? {
    let moment = Date(timeIntervalSince1970: Double(now.seconds))
    return try? Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key,
      notValidBefore: moment.addingTimeInterval(-86_400), notValidAfter: moment.addingTimeInterval(86_400),
      issuer: top.issuer, subject: top.issuer, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions { Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil)) },
      issuerPrivateKey: .init(P256.Signing.PrivateKey()))
  }

  /// Trust first, then the name, then the dates, as under public authorities (RFC 7672 §3.2.2).
  private func verification(
    of path: CertificatePath, by anchors: [Anchor], at now: UTCInstant
  ) async -> DANEVerification {
    let certificates = anchors.map(\.certificate)
    if case .none(let reason) = await path.end(among: certificates, at: nil) {
      return .failed(.notTrusted(reason: "from the authority of a TLSA record: \(reason)"))
    }
    let presented = CertificateNames(of: path.leaf).identifiers
    guard let name = expectation.names.first(where: { DNSID.anyMatches(presented: presented, host: $0.folded) }) else {
      let expected = expectation.names.map(\.folded).joined(separator: " or ")
      return .failed(
        .hostMismatch(
          expected: expected, presented: Array(presented.prefix(CertificateJudge.maximumRecordedNames))))
    }
    guard case .anchor(let anchor) = await path.end(among: certificates, at: now),
      let record = anchors.first(where: { $0.certificate == anchor })?.record
    else { return .failed(.expired) }
    return .matched(record, name: name.folded)
  }
}
