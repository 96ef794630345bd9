import MailSyntax
import SwiftASN1
import X509

/// The names of a certificate's subject alternative name that a server can be known by. The common name is none
/// (RFC 9525 §1.4.2).
struct CertificateNames {
  var dnsNames: [String] = []
  var addresses: [IPAddress] = []

  init(of certificate: Certificate) {
    guard let names = try? certificate.extensions.subjectAlternativeNames else { return }
    for name in names {
      switch name {
      case .dnsName(let text): dnsNames.append(text)
      case .ipAddress(let octets): if let address = IPAddress(octets: octets.bytes) { addresses.append(address) }
      case _: break
      }
    }
  }
}
