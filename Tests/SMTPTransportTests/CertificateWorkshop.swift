import Crypto
import FoundationEssentials
import MailSyntax
import SwiftASN1
import X509

@testable import SMTPTransport

/// A certificate made for a test, and its key.
struct Crafted {
  let certificate: Certificate
  let key: Certificate.PrivateKey

  var der: [UInt8] { get throws { try certificate.serializeAsPEM().derBytes } }
  var pem: String { get throws { try certificate.serializeAsPEM().pemString } }

  /// The pair of these PEM texts, which is its own issuer.
  init(certificatePEM: String, keyPEM: String) throws {
    certificate = try Certificate(pemEncoded: certificatePEM)
    key = try Certificate.PrivateKey(pemEncoded: keyPEM)
  }

  /// What a test has to say of a certificate; the rest is what an honest one has, from a day before `House.today`.
  struct Form {
    var commonName = "an authority"
    var dnsNames: [String] = []
    var isAuthority = false
    var signsCertificates = true
    var usage: ExtendedKeyUsage.Usage?
    var lifetime = Duration.seconds(30 * 86_400)

    static func authority(_ name: String, lifetime: Duration = .seconds(60 * 86_400)) -> Form {
      Form(commonName: name, isAuthority: true, lifetime: lifetime)
    }
    static func server(_ names: String...) -> Form { Form(commonName: "", dnsNames: names) }
  }

  init(
    _ form: Form, key: Certificate.PrivateKey = .init(P256.Signing.PrivateKey()), issuedBy issuer: Crafted? = nil
  ) throws {
    let subject = try DistinguishedName {
      if !form.commonName.isEmpty { CommonName(form.commonName) }
    }
    let start = Date(timeIntervalSince1970: Double(House.today.seconds) - 86_400)
    self.key = key
    certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey, notValidBefore: start,
      notValidAfter: start.addingTimeInterval(86_400 + Double(form.lifetime.components.seconds)),
      issuer: issuer?.certificate.subject ?? subject, subject: subject,
      extensions: try Certificate.Extensions {
        if form.isAuthority {
          Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
          Critical(KeyUsage(digitalSignature: true, keyCertSign: form.signsCertificates))
        } else {
          Critical(BasicConstraints.notCertificateAuthority)
        }
        if !form.dnsNames.isEmpty { SubjectAlternativeNames(form.dnsNames.map { .dnsName($0) }) }
        if let usage = form.usage { try ExtendedKeyUsage([usage]) }
      }, issuerPrivateKey: (issuer?.key ?? key))
  }
}
