import SwiftASN1
import TransportSecurity
import X509

/// What a server presented, as octets for TLSA records and, as far as they can be read, as certificates to build ways
/// from.
struct PresentedChain: Sendable {
  /// As the peer sent them, the server's own first.
  let certificates: [TLSACertificate]
  /// By the places of `certificates`; nil where one is of no supported kind.
  let parsed: [Certificate?]
  let path: Result<CertificatePath, Unreadable>

  /// Why the server's own certificate can't be judged by its issuers.
  struct Unreadable: Error {
    let reason: String
  }

  init(_ presented: some Collection<[UInt8]>) {
    certificates = presented.map { TLSACertificate(der: $0) }
    let read = presented.map(PresentedChain.read)
    parsed = read.map { try? $0.get() }
    let others = parsed.dropFirst().compactMap { $0 }
    path = (read.first ?? .failure(Unreadable(reason: "no certificate was presented"))).map {
      CertificatePath(leaf: $0, others: others)
    }
  }

  static func read(_ der: [UInt8]) -> Result<Certificate, Unreadable> {
    guard der.count <= CertificatePath.maximumCertificateOctets else {
      return .failure(Unreadable(reason: "the certificate has \(der.count) octets"))
    }
    do {
      return .success(try Certificate(derEncoded: der))
    } catch {
      return .failure(Unreadable(reason: "the certificate is of no supported kind: \(error)"))
    }
  }
}
