internal import Crypto
public import MailSyntax

/// What a server keeps of a password for SCRAM-SHA-256. Source: RFC 5802 §3, RFC 7677.
public struct SCRAMKeys: Sendable {
  /// RFC 7677 §4: at least 4096.
  public static let minimumIterations = 4096
  /// What we make new keys with: RFC 7677 §4's rule of thumb.
  public static let recommendedIterations = 15_000
  /// More than this a client of ours won't compute: a hostile server could else keep it busy for hours.
  public static let maximumIterations = 600_000
  /// Salts we make.
  public static let saltOctets = 16
  /// A key, a signature and a proof: the octets of SHA-256.
  public static let keyOctets = 32

  public let salt: [UInt8]
  public let iterations: Int
  public let storedKey: Secret
  public let serverKey: Secret
  public init(salt: [UInt8], iterations: Int, storedKey: Secret, serverKey: Secret) {
    self.salt = salt
    self.iterations = iterations
    self.storedKey = storedKey
    self.serverKey = serverKey
  }

  /// Makes the keys of a password that `SASLPreparation` has prepared. Computes for milliseconds, in proportion to
  /// `iterations`: never on an event loop.
  public static func derive(password: Secret, salt: [UInt8], iterations: Int) -> SCRAMKeys {
    let salted = SCRAMDerivation(password: password, salt: salt, iterations: iterations).run()
    return SCRAMKeys(
      salt: salt, iterations: iterations, storedKey: Secret(sha256(salted.clientKey)),
      serverKey: Secret(salted.serverKey))
  }
}

/// The costly step of SCRAM, apart so that it can run off the event loop. Source: RFC 5802 §2.2, `Hi()`.
public struct SCRAMDerivation: Sendable {
  public let password: Secret
  public let salt: [UInt8]
  public let iterations: Int

  /// `password` is prepared by `SASLPreparation`; `iterations` is at least 1.
  public init(password: Secret, salt: [UInt8], iterations: Int) {
    invariant(iterations >= 1, "SCRAM's iteration count is at least 1")
    self.password = password
    self.salt = salt
    self.iterations = iterations
  }

  /// PBKDF2 with HMAC-SHA-256, one block.
  public func run() -> SaltedPassword {
    password.withExposedBytes { password in
      // The keyed state is made once and copied: half of each HMAC's work is its key.
      let keyed = HMAC<SHA256>(key: SymmetricKey(data: password))
      var first = keyed
      first.update(data: salt)
      first.update(data: [0, 0, 0, 1])
      var block = first.finalize()
      var result = Array(block)
      for _ in 1..<iterations {
        var next = keyed
        block.withUnsafeBytes { next.update(data: $0) }
        block = next.finalize()
        block.withUnsafeBytes { octets in
          for index in result.indices { result[index] ^= octets[index] }
        }
      }
      return SaltedPassword(Secret(result))
    }
  }
}

/// What `SCRAMDerivation` computes.
public struct SaltedPassword: Sendable {
  private let secret: Secret
  init(_ secret: Secret) { self.secret = secret }

  var clientKey: [UInt8] { hmac(secret, "Client Key".utf8) }
  var serverKey: [UInt8] { hmac(secret, "Server Key".utf8) }
}

func hmac(_ key: Secret, _ message: some Sequence<UInt8>) -> [UInt8] {
  key.withExposedBytes { Array(HMAC<SHA256>.authenticationCode(for: Array(message), using: SymmetricKey(data: $0))) }
}

func sha256(_ octets: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: octets)) }
