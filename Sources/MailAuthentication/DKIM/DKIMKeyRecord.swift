import Crypto
import CryptoExtras
import MailSyntax

/// The key that a domain publishes for a selector. Source: RFC 6376 §3.6.1, RFC 8463 §4.
struct DKIMKeyRecord: Hashable, Sendable {
  enum Kind: String, Hashable, Sendable, CaseIterable { case rsa, ed25519 }

  let kind: Kind
  /// `p=`: DER for RSA, 32 octets for Ed25519; empty where the key has been revoked.
  let key: [UInt8]
  /// `h=`; nil for any.
  let hashes: [String]?
  /// `t=y`: the domain tries DKIM out.
  let isTesting: Bool
  /// `t=s`: `i=` is in the very domain of `d=`.
  let isStrict: Bool

  /// Octets of `p=`: an RSA key of 4096 bits takes 550.
  static let maximumKeyOctets = 2_048

  init(_ text: some Collection<UInt8>) throws(DKIMKeyFault) {
    let tags: TagList
    do throws(TagList.Fault) { tags = try TagList(text) } catch { throw DKIMKeyFault("\(error)") }
    // RFC 6376 §3.6.1: the version stands first or not at all.
    if let version = tags["v"], version != "DKIM1" || tags.tags.first?.name != "v" {
      throw DKIMKeyFault("v= is not DKIM1, or doesn't stand first")
    }
    guard let kind = Kind(rawValue: (tags["k"] ?? "rsa").lowercasedASCII()) else {
      throw DKIMKeyFault("k= is neither rsa nor ed25519")
    }
    let services = tags.list("s") ?? ["*"]
    guard services.contains("*") || services.contains("email") else { throw DKIMKeyFault("s= is without email") }
    guard let encoded = tags["p"] else { throw DKIMKeyFault("p= is missing") }
    guard let key = Base64.decode(encoded.utf8.filter { !isSpace($0) }), key.count <= DKIMKeyRecord.maximumKeyOctets
    else { throw DKIMKeyFault("p= is no base64, or too long") }
    self.kind = kind
    self.key = key
    hashes = tags.list("h")
    let flags = tags.list("t") ?? []
    isTesting = flags.contains("y")
    isStrict = flags.contains("s")
  }

  /// A key that can verify.
  enum PublicKey {
    case rsa(_RSA.Signing.PublicKey)
    case ed25519(Curve25519.Signing.PublicKey)

    func isValid(_ signature: [UInt8], for digest: SHA256Digest) -> Bool {
      switch self {
      case .rsa(let key):
        key.isValidSignature(
          _RSA.Signing.RSASignature(rawRepresentation: signature), for: digest, padding: .insecurePKCS1v1_5)
      // RFC 8463 §3: what is signed is the digest.
      case .ed25519(let key): key.isValidSignature(signature, for: Array(digest))
      }
    }

    func isSame(as other: PublicKey) -> Bool {
      switch (self, other) {
      case (.rsa(let key), .rsa(let other)): key.derRepresentation == other.derRepresentation
      case (.ed25519(let key), .ed25519(let other)): key.rawRepresentation == other.rawRepresentation
      case (.rsa, .ed25519), (.ed25519, .rsa): false
      }
    }

    var bits: Int {
      switch self {
      case .rsa(let key): key.keySizeInBits
      case .ed25519: 256
      }
    }
  }

  /// RFC 8301 §3.2: 1024 bits at least. More than 4096 are not worth anybody's time.
  static let rsaBits = 1_024...4_096

  func publicKey() throws(DKIMKeyFault) -> PublicKey {
    switch kind {
    case .ed25519:
      guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: key) else {
        throw DKIMKeyFault("p= is no Ed25519 key: it would have 32 octets")
      }
      return .ed25519(key)
    case .rsa:
      // As RSAPublicKey, which the RFC says, or as SubjectPublicKeyInfo, which its examples and everybody have. Keys
      // shorter than 1024 bits are refused where they are read.
      guard let key = try? _RSA.Signing.PublicKey(unsafeDERRepresentation: key) else {
        throw DKIMKeyFault("p= is no RSA key of \(DKIMKeyRecord.rsaBits.lowerBound) bits or more")
      }
      guard DKIMKeyRecord.rsaBits.contains(key.keySizeInBits) else {
        throw DKIMKeyFault("the RSA key has \(key.keySizeInBits) bits")
      }
      return .rsa(key)
    }
  }
}

/// Why a record is no key that can be used.
struct DKIMKeyFault: Error, Hashable, Sendable, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

extension TagList {
  /// Words with colons between, in lower case; nil without the tag.
  fileprivate func list(_ name: String) -> [String]? {
    self[name].map { value in
      value.lowercasedASCII().split(separator: ":").map { $0.filter { !$0.isWhitespace } }
    }
  }
}
