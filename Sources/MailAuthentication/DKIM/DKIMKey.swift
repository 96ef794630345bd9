import Crypto
import CryptoExtras
public import MailSyntax

/// A private key that signs. It shows itself nowhere: every description is redacted.
public struct DKIMKey: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// What keys there are (RFC 8301 §3.2, RFC 8463).
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    case rsa, ed25519
  }

  private enum Material: Sendable {
    case rsa(_RSA.Signing.PrivateKey)
    case ed25519(Curve25519.Signing.PrivateKey)
  }

  private let material: Material

  /// RFC 8301 §3.2: 2048 bits, which everybody verifies and one TXT record of two strings holds.
  public static let rsaBits = 2_048
  /// Octets of a PEM file.
  public static let maximumOctets = 16 << 10

  public static func generate(_ kind: Kind) throws(DKIMKeyFileFault) -> DKIMKey {
    switch kind {
    case .ed25519: return DKIMKey(.ed25519(Curve25519.Signing.PrivateKey()))
    case .rsa:
      guard let key = try? _RSA.Signing.PrivateKey(keySize: .bits2048) else {
        throw DKIMKeyFileFault("no RSA key could be made")
      }
      return DKIMKey(.rsa(key))
    }
  }

  private init(_ material: Material) { self.material = material }

  /// Reads PEM: PKCS#8 for both kinds, PKCS#1 for RSA.
  public init(pem: Secret) throws(DKIMKeyFileFault) {
    let text = pem.withExposedBytes { String(decoding: $0, as: UTF8.self) }
    guard text.utf8.count <= DKIMKey.maximumOctets else {
      throw DKIMKeyFileFault("it is longer than \(DKIMKey.maximumOctets) octets")
    }
    if let key = try? _RSA.Signing.PrivateKey(unsafePEMRepresentation: text) {
      // RFC 8301 §3.2: signing with less than 1024 bits is forbidden, and with less than 2048 advised against.
      guard DKIMKeyRecord.rsaBits.contains(key.keySizeInBits) else {
        throw DKIMKeyFileFault("an RSA key of \(key.keySizeInBits) bits: make one of \(DKIMKey.rsaBits)")
      }
      material = .rsa(key)
    } else if let seed = DKIMKey.seed(text), let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) {
      material = .ed25519(key)
    } else {
      throw DKIMKeyFileFault("this is no private key of RSA (1024 bits or more) or Ed25519 in PEM, without password")
    }
  }

  public var kind: Kind {
    switch material {
    case .rsa: .rsa
    case .ed25519: .ed25519
    }
  }

  public var bits: Int {
    switch material {
    case .rsa(let key): key.keySizeInBits
    case .ed25519: 256
    }
  }

  /// What to say of a key that may sign and should not; nil of all others.
  public var advice: String? {
    guard kind == .rsa, bits < DKIMKey.rsaBits else { return nil }
    return "an RSA key of \(bits) bits can be broken: make one of \(DKIMKey.rsaBits) (RFC 8301 §3.2)"
  }

  /// PKCS#8, to be kept where nobody else reads it.
  public var pem: Secret {
    switch material {
    case .rsa(let key): return Secret(key.pkcs8PEMRepresentation + "\n")
    case .ed25519(let key):
      let text = Base64.text(DKIMKey.envelope + Array(key.rawRepresentation))
      return Secret("-----BEGIN PRIVATE KEY-----\n\(text)\n-----END PRIVATE KEY-----\n")
    }
  }

  /// What the TXT record at `SELECTOR._domainkey.DOMAIN` says (RFC 6376 §3.6.1, RFC 8463 §4).
  public var record: String {
    let key: [UInt8] =
      switch material {
      case .rsa(let key): Array(key.publicKey.derRepresentation)
      case .ed25519(let key): Array(key.publicKey.rawRepresentation)
      }
    return "v=DKIM1; k=\(kind.rawValue); p=\(Base64.text(key))"
  }

  var algorithm: DKIMSignature.Algorithm {
    switch material {
    case .rsa: .rsaSHA256
    case .ed25519: .ed25519SHA256
    }
  }

  func signature(for digest: SHA256Digest) throws(DKIMKeyFileFault) -> [UInt8] {
    let signature: [UInt8]? =
      switch material {
      case .rsa(let key):
        (try? key.signature(for: digest, padding: .insecurePKCS1v1_5)).map { Array($0.rawRepresentation) }
      case .ed25519(let key): (try? key.signature(for: Array(digest))).map { Array($0) }
      }
    guard let signature else { throw DKIMKeyFileFault("the key signs nothing") }
    return signature
  }

  /// What stands in front of the 32 octets of an Ed25519 key in PKCS#8 (RFC 8410 §7).
  private static let envelope: [UInt8] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
  ]

  private static func seed(_ pem: String) -> [UInt8]? {
    let lines = pem.split(whereSeparator: \.isNewline).map { $0.filter { !$0.isWhitespace } }
    guard let first = lines.firstIndex(of: "-----BEGINPRIVATEKEY-----"),
      let last = lines.firstIndex(of: "-----ENDPRIVATEKEY-----"), first < last,
      let octets = Base64.decode(lines[(first + 1)..<last].joined().utf8), octets.starts(with: envelope)
    else { return nil }
    // Version 2 has the public key behind it (RFC 5958 §2), and another version in front.
    let seed = Array(octets.dropFirst(envelope.count))
    return seed.count == 32 ? seed : nil
  }

  public var description: String { "a private key of \(kind.rawValue) (redacted)" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why a file is no key, or a key can't be used.
public struct DKIMKeyFileFault: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}
