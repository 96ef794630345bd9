/// What a TLS handshake settled, as seen on the wire: recorded with every session and delivery, never a decision.
public struct TLSFacts: Hashable, Sendable {
  public var version: TLSVersion
  public var cipherSuite: CipherSuite
  /// The key-exchange group, where the handshake showed one (absent on TLS 1.2 resumption and static key exchange).
  public var group: NamedGroup?
  /// The name the client asked for by SNI.
  public var serverName: String?
  /// The peer's certificate, where one was presented.
  public var peerCertificate: CertificateFacts?

  public init(
    version: TLSVersion, cipherSuite: CipherSuite, group: NamedGroup?, serverName: String? = nil,
    peerCertificate: CertificateFacts? = nil
  ) {
    self.version = version
    self.cipherSuite = cipherSuite
    self.group = group
    self.serverName = serverName
    self.peerCertificate = peerCertificate
  }
}

/// A TLS protocol version by its wire number. Source: RFC 8446 §4.2.1.
public struct TLSVersion: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  public static let v1_0 = TLSVersion(rawValue: 0x0301)
  public static let v1_1 = TLSVersion(rawValue: 0x0302)
  public static let v1_2 = TLSVersion(rawValue: 0x0303)
  public static let v1_3 = TLSVersion(rawValue: 0x0304)
  public static func < (left: TLSVersion, right: TLSVersion) -> Bool { left.rawValue < right.rawValue }
  /// `TLSv1.3`, or the wire number of a version without a name here.
  public var description: String {
    switch self {
    case .v1_0: "TLSv1.0"
    case .v1_1: "TLSv1.1"
    case .v1_2: "TLSv1.2"
    case .v1_3: "TLSv1.3"
    case _: hexadecimal(rawValue)
    }
  }
}

/// A cipher suite by its IANA number.
public struct CipherSuite: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// The registered name, or `0x` and four hex digits as RFC 8314 §4.3 writes unknown ones.
  public var description: String { CipherSuite.registeredNames[rawValue] ?? hexadecimal(rawValue) }

  /// Those that TLS 1.2 and 1.3 peers of today negotiate. Source: IANA TLS Cipher Suites registry.
  static let registeredNames: [UInt16: String] = [
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0xc02b: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xc02c: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xc02f: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xc030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xcca8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xcca9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    0xc009: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    0xc00a: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    0xc013: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    0xc014: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    0xc023: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    0xc027: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    0x002f: "TLS_RSA_WITH_AES_128_CBC_SHA",
    0x0035: "TLS_RSA_WITH_AES_256_CBC_SHA",
    0x009c: "TLS_RSA_WITH_AES_128_GCM_SHA256",
    0x009d: "TLS_RSA_WITH_AES_256_GCM_SHA384",
  ]
}

/// A key-exchange group by its IANA number.
public struct NamedGroup: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// The registered name, or `0x` and four hex digits.
  public var description: String { NamedGroup.registeredNames[rawValue] ?? hexadecimal(rawValue) }

  /// Source: IANA TLS Supported Groups registry.
  static let registeredNames: [UInt16: String] = [
    0x0017: "secp256r1",
    0x0018: "secp384r1",
    0x0019: "secp521r1",
    0x001d: "x25519",
    0x001e: "x448",
    0x11eb: "SecP256r1MLKEM768",
    0x11ec: "X25519MLKEM768",
    0x11ed: "SecP384r1MLKEM1024",
  ]
}

/// The part of a certificate that records and messages show.
public struct CertificateFacts: Hashable, Sendable {
  /// SHA-256 over the DER form.
  public var sha256Fingerprint: [UInt8]
  /// SHA-256 over the SubjectPublicKeyInfo, which a TLSA record 3 1 1 has (RFC 7672 §3.1.1); nil where it isn't known.
  public var sha256OfPublicKey: [UInt8]?
  /// The DNS-IDs of the subject alternative name, as presented.
  public var dnsNames: [String]
  /// Whether the verification that was asked for passed; the reason when it didn't.
  public var verification: CertificateVerification
  /// What the host's TLSA records say of it; nil where there were none to match.
  public var dane: DANEVerification?

  public init(
    sha256Fingerprint: [UInt8], dnsNames: [String], verification: CertificateVerification,
    dane: DANEVerification? = nil
  ) {
    self.sha256Fingerprint = sha256Fingerprint
    self.dnsNames = dnsNames
    self.verification = verification
    self.dane = dane
  }
}

/// What is known of a certificate: always computed, whether or not the policy asks for it.
public enum CertificateVerification: Hashable, Sendable {
  /// The chain leads to a trust root, is in date, and carries the host name as a DNS-ID.
  case verified(hostName: String)
  case failed(CertificateFault)
}

/// Why a certificate does not prove its host. The names are those of TLS-RPT (RFC 8460 §4.3.1).
public enum CertificateFault: Hashable, Sendable {
  case hostMismatch(expected: String, presented: [String])
  case expired
  case notTrusted(reason: String)
  /// None of the TLSA records fits what was presented.
  ///
  /// - Parameter isVouchedFor: a public authority proves the host's name all the same.
  case tlsaMismatch(reason: String, isVouchedFor: Bool = false)

  public var resultType: String {
    switch self {
    case .hostMismatch: "certificate-host-mismatch"
    case .expired: "certificate-expired"
    case .notTrusted: "certificate-not-trusted"
    case .tlsaMismatch: "tlsa-invalid"
    }
  }
}

func hexadecimal(_ value: UInt16) -> String {
  let digits = String(value, radix: 16)
  return "0x" + String(repeating: "0", count: 4 - digits.count) + digits
}

extension TLSFacts {
  /// The channel on one line: `TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768`.
  public var channel: String {
    ([version.description, cipherSuite.description] + (group.map { [$0.description] } ?? [])).joined(separator: " ")
  }

  /// The channel and what is known of the peer behind it: `… verified mail.example.com`, `… dane`.
  public var summary: String {
    guard let peerCertificate else { return channel }
    var words = [channel]
    switch (peerCertificate.verification, peerCertificate.dane) {
    case (.verified(let hostName), _): words.append("verified \(hostName)")
    case (.failed, .matched): break
    case (.failed(let fault), _): words.append("unverified \(fault.resultType)")
    }
    switch peerCertificate.dane {
    case .matched: words.append("dane")
    case .failed(let fault): words.append("dane \(fault.resultType)")
    case nil: break
    }
    return words.joined(separator: " ")
  }
}
