import Crypto
import FoundationEssentials
import MailSyntax
import SwiftASN1
import X509

extension DevelopmentAuthority {
  /// What the folder holds, where it is a certificate with the key that belongs to it.
  init?(reading files: Files) {
    guard let certificate = Certificate(reading: files.authority),
      let key = PrivateFile.read(files.authorityKey).flatMap({ try? P256.Signing.PrivateKey(pemRepresentation: $0) }),
      certificate.publicKey == Certificate.PublicKey(key.publicKey)
    else { return nil }
    self.certificate = certificate
    self.key = key
  }

  func isGood(at now: UTCInstant) -> Bool {
    guard case .isCertificateAuthority? = try? certificate.extensions.basicConstraints else { return false }
    return certificate.isValid(at: now, andFor: DevelopmentAuthority.renewalMargin)
  }

  /// Whether the folder's leaf is of this authority, for exactly these names, has its key beside it, and lasts.
  func hasGoodLeaf(in files: Files, for subject: Subject, at now: UTCInstant) -> Bool {
    guard let leaf = Certificate(reading: files.chain),
      let key = PrivateFile.read(files.key).flatMap({ try? P256.Signing.PrivateKey(pemRepresentation: $0) }),
      let names = try? leaf.extensions.subjectAlternativeNames
    else { return false }
    return leaf.publicKey == Certificate.PublicKey(key.publicKey)
      && certificate.publicKey.isValidSignature(leaf.signature, for: leaf)
      && Set(names) == Set(subject.generalNames)
      && leaf.isValid(at: now, andFor: DevelopmentAuthority.renewalMargin)
  }
}

extension DevelopmentAuthority.Subject {
  var generalNames: [GeneralName] {
    dnsNames.map { .dnsName($0) }
      + addresses.map { .ipAddress(ASN1OctetString(contentBytes: $0.networkOctets[...])) }
  }
}

extension IPAddress {
  fileprivate var networkOctets: [UInt8] {
    switch self {
    case .v4(let value): withUnsafeBytes(of: value.bigEndian) { Array($0) }
    case .v6(let high, let low):
      withUnsafeBytes(of: high.bigEndian) { Array($0) } + withUnsafeBytes(of: low.bigEndian) { Array($0) }
    }
  }
}

extension Certificate {
  init?(reading path: String) {
    guard let text = PrivateFile.read(path), let certificate = try? Certificate(pemEncoded: text) else { return nil }
    self = certificate
  }

  var pem: String { ((try? serializeAsPEM().pemString) ?? "") + "\n" }

  func isValid(at now: UTCInstant, andFor margin: Duration) -> Bool {
    notValidBefore <= Date(now) && notValidAfter >= Date(now + margin)
  }
}

extension Date {
  init(_ instant: UTCInstant) { self.init(timeIntervalSince1970: Double(instant.seconds)) }
}
