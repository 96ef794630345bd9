public import MailSyntax
import NIOSSL
import SwiftASN1
import TransportSecurity
import X509

/// A certificate chain and the key that belongs to it, checked to be a pair: what a server proves itself with.
public struct TLSIdentity: Sendable {
  /// More than any authority issues: leaf, a few intermediates, and a root that need not be there.
  public static let maximumChainLength = 16

  /// The DNS-IDs of the leaf, wildcards included: the names of SNI that this identity answers.
  public let dnsNames: [String]
  public let notValidBefore: UTCInstant
  public let notValidAfter: UTCInstant
  let chain: [NIOSSLCertificate]
  /// Made once: a context holds its own keys for session tickets.
  let context: NIOSSLContext

  /// Reads PEM text, leaf first. ECDSA and RSA keys, in PKCS#8, SEC 1 or PKCS#1 form, unencrypted.
  public init(chainPEM: [UInt8], keyPEM: Secret) throws(TLSIdentityFault) {
    let chain = try TLSIdentity.certificates(chainPEM)
    guard let leaf = chain.first else { throw .noCertificate }
    let key = try keyPEM.withExposedBytes { (bytes) throws(TLSIdentityFault) in try TLSIdentity.privateKey(bytes) }
    let parsed: Certificate
    do {
      parsed = try Certificate(derEncoded: leaf.toDERBytes())
    } catch {
      throw .badCertificate(
        "its key must be RSA of 2048 bits or more, or ECDSA on P-256, P-384 or P-521 (\(error))")
    }
    // RFC 9325 §4.5: SHA-256 at least. Clients refuse such a certificate, each in its own words.
    guard !TLSIdentity.signaturesOfSHA1.contains(parsed.signatureAlgorithm) else {
      throw .badCertificate("it is signed with SHA-1, which clients refuse; have it issued again with SHA-256")
    }
    do {
      context = try NIOSSLContext(configuration: TLSIdentity.configuration(chain: chain, key: key))
    } catch {
      // BoringSSL compares the key with the leaf; nothing else of this configuration comes from outside.
      throw .keyDoesNotMatch
    }
    self.chain = chain
    dnsNames = CertificateNames(of: parsed).dnsNames
    notValidBefore = UTCInstant(seconds: Int64(leaf.notValidBefore))
    notValidAfter = UTCInstant(seconds: Int64(leaf.notValidAfter))
  }

  /// Whether the leaf carries `serverName` as a DNS-ID.
  public func answers(to serverName: String) -> Bool { DNSID.anyMatches(presented: dnsNames, host: serverName) }

  private static let signaturesOfSHA1: Set<Certificate.SignatureAlgorithm> = [.sha1WithRSAEncryption]

  private static func certificates(_ pem: [UInt8]) throws(TLSIdentityFault) -> [NIOSSLCertificate] {
    guard !pem.isEmpty else { throw .noCertificate }
    let chain: [NIOSSLCertificate]
    do {
      chain = try NIOSSLCertificate.fromPEMBytes(pem)
    } catch {
      // BoringSSL says the same of a file without any and of a broken one.
      throw String(decoding: pem, as: UTF8.self).contains("-----BEGIN CERTIFICATE-----")
        ? .badCertificate("its base 64 or its content is broken") : .noCertificate
    }
    guard chain.count <= maximumChainLength else { throw .badCertificate("\(chain.count) certificates are too many") }
    return chain
  }

  private static func privateKey(_ pem: [UInt8]) throws(TLSIdentityFault) -> NIOSSLPrivateKey {
    let text = String(decoding: pem, as: UTF8.self)
    guard text.contains("PRIVATE KEY-----") else { throw .noKey }
    guard !text.contains("ENCRYPTED") else { throw .encryptedKey }
    do {
      return try NIOSSLPrivateKey(bytes: pem, format: .pem)
    } catch {
      throw .badKey
    }
  }

  /// RFC 8314 §4 with RFC 8997: TLS 1.2 at least. RFC 9325 §4.2: in 1.2 forward secrecy and AEAD alone. Without a
  /// preference of ours NIOSSL offers X25519MLKEM768, X25519, P-256, P-384.
  private static func configuration(chain: [NIOSSLCertificate], key: NIOSSLPrivateKey) -> TLSConfiguration {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.minimumTLSVersion = .tlsv12
    configuration.cipherSuiteValues = allowedCipherSuites
    configuration.signingSignatureAlgorithms = allowedSignatures
    // RFC 8314 §4.2: no certificate is asked of a client.
    configuration.certificateVerification = .none
    return configuration
  }
}

/// TLS 1.2's suites with forward secrecy and AEAD; those of 1.3 are always on. Source: RFC 9325 §4.2.
let allowedCipherSuites: [NIOTLSCipher] = [
  .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
  .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
  .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
  .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
  .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
  .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
]

/// What a handshake is signed with, of either side: BoringSSL's own, and those of P-521 and Ed25519 keys, which browsers
/// can do without, but a mail server that has no other key would be met in clear else. None with SHA-1, which RFC 9155
/// forbids for TLS 1.2 too: who offers nothing better, or names nothing at all, gets no handshake.
let allowedSignatures: [SignatureAlgorithm] = [
  .ecdsaSecp256R1Sha256, .rsaPssRsaeSha256, .rsaPkcs1Sha256, .ecdsaSecp384R1Sha384, .rsaPssRsaeSha384,
  .rsaPkcs1Sha384, .ecdsaSecp521R1Sha512, .ed25519, .rsaPssRsaeSha512, .rsaPkcs1Sha512,
]

/// Why chain and key can't be used, and what to do about it.
public enum TLSIdentityFault: Error, Hashable, Sendable, CustomStringConvertible {
  case unreadable(FileFault)
  case noCertificate
  case badCertificate(String)
  case noKey
  case badKey
  case encryptedKey
  case keyDoesNotMatch
  /// A fault of the pair in these files.
  indirect case inFiles(chain: String, key: String, TLSIdentityFault)
  case noIdentity

  public var description: String {
    switch self {
    case .unreadable(let fault): fault.description
    case .noCertificate: "no certificate in PEM form is there; the chain begins with -----BEGIN CERTIFICATE-----"
    case .badCertificate(let reason): "the certificate can't be used: \(reason)"
    case .noKey: "no private key in PEM form is there; it begins with -----BEGIN PRIVATE KEY----- or names its kind"
    case .badKey: "the private key can't be read; give an RSA key, or ECDSA on P-256, P-384 or P-521, in PEM form"
    case .encryptedKey: "the private key is encrypted; decrypt it with: openssl pkey -in KEY -out NEW"
    case .keyDoesNotMatch:
      "the private key does not belong to the first certificate of the chain; give the leaf first, and the key it "
        + "was issued for"
    case .inFiles(let chain, let key, let fault): fault.inFiles(chain: chain, key: key)
    case .noIdentity: "no certificate is configured"
    }
  }

  private func inFiles(chain: String, key: String) -> String {
    switch self {
    case .noCertificate, .badCertificate: "\(chain): \(self)"
    case .noKey, .badKey, .encryptedKey: "\(key): \(self)"
    case .keyDoesNotMatch: "\(chain) and \(key): \(self)"
    case .unreadable, .inFiles, .noIdentity: description
    }
  }
}
