import Crypto
public import MailSyntax
import X509

/// A certificate authority for one machine, and the server certificate it issues: for `martlet dev`, demonstrations and
/// tests. Whoever trusts its root trusts this folder's key: it is for loopback and nothing else.
///
/// Everything is ECDSA P-256 and lies in four files, keys readable by their owner alone. `ensure` uses what is there
/// while it is good, and makes the rest anew.
public struct DevelopmentAuthority: Sendable {
  /// Ten years.
  public static let authorityLifetime = Duration.seconds(3_650 * 86_400)
  /// The longest that clients accept of a public leaf since 2020, kept here so that none complains.
  public static let leafLifetime = Duration.seconds(397 * 86_400)
  /// A leaf with less than this left is issued anew.
  public static let renewalMargin = Duration.seconds(30 * 86_400)

  /// The files of a folder.
  public struct Files: Hashable, Sendable {
    /// The root that clients are told to trust.
    public let authority: String
    public let authorityKey: String
    /// The server's certificate.
    public let chain: String
    public let key: String

    public init(folder: String) {
      authority = folder + "/ca.pem"
      authorityKey = folder + "/ca.key"
      chain = folder + "/server.pem"
      key = folder + "/server.key"
    }
  }

  /// What the server certificate is for.
  public struct Subject: Hashable, Sendable {
    public var dnsNames: [String]
    public var addresses: [IPAddress]

    /// `localhost`, 127.0.0.1 and ::1 unless told otherwise.
    public init(
      dnsNames: [String] = ["localhost"], addresses: [IPAddress] = [.v4(0x7f00_0001), .v6(high: 0, low: 1)]
    ) {
      self.dnsNames = dnsNames
      self.addresses = addresses
    }
  }

  /// The PEM form of a certificate and its key.
  public struct Issued: Sendable {
    public let certificatePEM: String
    public let keyPEM: Secret

    public init(certificatePEM: String, keyPEM: Secret) {
      self.certificatePEM = certificatePEM
      self.keyPEM = keyPEM
    }
  }

  let certificate: Certificate
  let key: P256.Signing.PrivateKey

  /// A new authority.
  public init(now: UTCInstant) throws(AuthorityFault) {
    key = P256.Signing.PrivateKey()
    certificate = try CertificateMaking.authority(key, from: now, lasting: DevelopmentAuthority.authorityLifetime)
  }

  /// The authority's own certificate and key.
  public var issued: Issued { Issued(certificatePEM: certificate.pem, keyPEM: Secret(key.pemRepresentation)) }

  /// A new leaf for TLS servers.
  public func issue(
    for subject: Subject = Subject(), now: UTCInstant, lasting lifetime: Duration = leafLifetime
  ) throws(AuthorityFault) -> Issued {
    let leafKey = P256.Signing.PrivateKey()
    let leaf = try CertificateMaking.leaf(leafKey, for: subject, by: self, from: now, lasting: lifetime)
    return Issued(certificatePEM: leaf.pem, keyPEM: Secret(leafKey.pemRepresentation))
  }

  /// Makes `folder` hold an authority and a server certificate that are good at `now`, with as little change as it
  /// takes. Each file is replaced whole; a crash between two leaves a pair that the next call sees and mends.
  public static func ensure(
    in folder: String, for subject: Subject = Subject(), now: UTCInstant
  ) throws(AuthorityFault) -> Files {
    let files = Files(folder: folder)
    try PrivateFile.makeFolder(folder)
    let authority: DevelopmentAuthority
    if let present = DevelopmentAuthority(reading: files), present.isGood(at: now) {
      authority = present
    } else {
      authority = try DevelopmentAuthority(now: now)
      try PrivateFile.write(authority.issued.keyPEM, to: files.authorityKey)
      try PrivateFile.write(authority.issued.certificatePEM, to: files.authority, readableByAll: true)
    }
    if !authority.hasGoodLeaf(in: files, for: subject, at: now) {
      let leaf = try authority.issue(for: subject, now: now)
      try PrivateFile.write(leaf.keyPEM, to: files.key)
      try PrivateFile.write(leaf.certificatePEM, to: files.chain, readableByAll: true)
    }
    return files
  }
}

/// Why certificates could not be made or kept.
public enum AuthorityFault: Error, Hashable, Sendable, CustomStringConvertible {
  case fileFailed(path: String, reason: String)
  case cannotIssue(String)

  public var description: String {
    switch self {
    case .fileFailed(let path, let reason): "\(path): \(reason)"
    case .cannotIssue(let reason): "the certificate can't be issued: \(reason)"
    }
  }
}
