import Crypto
import FoundationEssentials
import MailSyntax
import X509

/// The two kinds of certificate a development authority needs, with the extensions that OpenSSL, Go, Java and Node ask
/// for. Source: RFC 5280 §4.2.
enum CertificateMaking {
  /// Clocks of one machine's programs and containers may differ a little.
  static let backdating = Duration.seconds(3_600)

  static func authority(
    _ key: P256.Signing.PrivateKey, from now: UTCInstant, lasting lifetime: Duration
  ) throws(AuthorityFault) -> Certificate {
    let publicKey = Certificate.PublicKey(key.publicKey)
    let serial = serialNumber()
    return try issuing {
      // The serial in the name keeps the roots of two folders apart in a client's list.
      let name = try DistinguishedName {
        OrganizationName("Martlet")
        CommonName("Martlet development authority \(hexadecimal(serial.prefix(4)))")
      }
      return try Certificate(
        version: .v3, serialNumber: Certificate.SerialNumber(bytes: serial), publicKey: publicKey,
        notValidBefore: Date(now + (.zero - backdating)), notValidAfter: Date(now + lifetime), issuer: name,
        subject: name,
        extensions: try Certificate.Extensions {
          Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
          Critical(KeyUsage(keyCertSign: true, cRLSign: true))
          SubjectKeyIdentifier(hash: publicKey)
        },
        issuerPrivateKey: Certificate.PrivateKey(key))
    }
  }

  static func leaf(
    _ key: P256.Signing.PrivateKey, for subject: DevelopmentAuthority.Subject, by authority: DevelopmentAuthority,
    from now: UTCInstant, lasting lifetime: Duration
  ) throws(AuthorityFault) -> Certificate {
    let publicKey = Certificate.PublicKey(key.publicKey)
    return try issuing {
      let issuerIdentifier = try authority.certificate.extensions.subjectKeyIdentifier?.keyIdentifier
      return try Certificate(
        version: .v3, serialNumber: Certificate.SerialNumber(bytes: serialNumber()), publicKey: publicKey,
        notValidBefore: Date(now + (.zero - backdating)),
        notValidAfter: min(Date(now + lifetime), authority.certificate.notValidAfter),
        issuer: authority.certificate.subject,
        subject: try DistinguishedName {
          OrganizationName("Martlet")
          CommonName(subject.dnsNames.first ?? "server")
        },
        extensions: try Certificate.Extensions {
          Critical(BasicConstraints.notCertificateAuthority)
          Critical(KeyUsage(digitalSignature: true))
          try ExtendedKeyUsage([.serverAuth])
          SubjectAlternativeNames(subject.generalNames)
          SubjectKeyIdentifier(hash: publicKey)
          AuthorityKeyIdentifier(keyIdentifier: issuerIdentifier)
        },
        issuerPrivateKey: Certificate.PrivateKey(authority.key))
    }
  }

  /// Sixteen octets of randomness as a positive number: RFC 5280 §4.1.2.2 allows twenty, sign included.
  private static func serialNumber() -> [UInt8] {
    var random = SystemRandomNumberGenerator()
    var octets = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    octets[0] = octets[0] & 0x7f | 0x40
    return octets
  }

  private static func hexadecimal(_ octets: some Sequence<UInt8>) -> String {
    octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func issuing(_ make: () throws -> Certificate) throws(AuthorityFault) -> Certificate {
    do {
      return try make()
    } catch {
      throw .cannotIssue("\(error)")
    }
  }
}
