import MailSyntax
import SwiftASN1
import X509

/// The names that a server can be known by. Public authorities' certificates go by their subject alternative name alone
/// (RFC 9525 §1.4.2).
struct CertificateNames {
  var dnsNames: [String] = []
  var addresses: [IPAddress] = []
  private var commonName: String?
  private var isUnreadable = false

  /// RFC 7672 §3.2.3, for the certificates of a domain's own authority: the DNS-IDs, and only where there is none the
  /// common name, by the same rules.
  var identifiers: [String] {
    guard dnsNames.isEmpty, !isUnreadable else { return dnsNames }
    return commonName.map { [$0] } ?? []
  }

  init(of certificate: Certificate) {
    commonName = certificate.subject.flatMap { $0 }
      .last { $0.type == .RDNAttributeType.commonName }.flatMap { String($0.value) }
    let names: SubjectAlternativeNames?
    do {
      names = try certificate.extensions.subjectAlternativeNames
    } catch {
      isUnreadable = true
      return
    }
    for name in names ?? SubjectAlternativeNames() {
      switch name {
      case .dnsName(let text): dnsNames.append(text)
      case .ipAddress(let octets): if let address = IPAddress(octets: octets.bytes) { addresses.append(address) }
      case _: break
      }
    }
  }
}
