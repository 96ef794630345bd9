import Crypto
import SwiftASN1
import X509

extension DevelopmentAuthority.Issued {
  /// SHA-256 over the whole certificate in DER: what a TLSA record of selector 0 and matching type 1 holds.
  /// RFC 6698 §2.1.2, §2.1.3.
  public func certificateDigest() throws(AuthorityFault) -> [UInt8] {
    try digesting { try $0.serializeAsPEM().derBytes }
  }

  /// SHA-256 over the public key as it stands in the certificate, SubjectPublicKeyInfo in DER: that of selector 1.
  public func publicKeyDigest() throws(AuthorityFault) -> [UInt8] {
    try digesting { certificate in
      guard let key = P256.Signing.PublicKey(certificate.publicKey) else {
        throw AuthorityFault.cannotIssue("its key is not one of ours")
      }
      return Array(key.derRepresentation)
    }
  }

  private func digesting(_ part: (Certificate) throws -> [UInt8]) throws(AuthorityFault) -> [UInt8] {
    do {
      return Array(SHA256.hash(data: try part(try Certificate(pemEncoded: certificatePEM))))
    } catch {
      throw .cannotIssue("\(error)")
    }
  }
}
