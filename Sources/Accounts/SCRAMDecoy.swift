internal import Crypto
internal import MailSyntax
internal import SASLMechanisms

/// Keys for users that have none, in the shape of real ones: the same name gets the same salt each time, and no proof
/// ever fits. Source: RFC 5802 §9 leaves it to the server how to hide who exists.
struct SCRAMDecoy: Sendable {
  private let secret: Secret
  init(secret: Secret) { self.secret = secret }

  /// `model` gives the salt's length and the iteration count, so that both are as everybody's.
  func keys(for foldedName: [UInt8], like model: SCRAMKeys?) -> SCRAMKeys {
    let salt = Array(derive("salt", foldedName).prefix(model?.salt.count ?? SCRAMKeys.saltOctets))
    return lock(foldedName, salt: salt, iterations: model?.iterations ?? SCRAMKeys.recommendedIterations)
  }

  /// A real user's salt and count over keys that fit no password: what a throttled attempt sees.
  func lock(_ foldedName: [UInt8], salt: [UInt8], iterations: Int) -> SCRAMKeys {
    SCRAMKeys(
      salt: salt, iterations: iterations, storedKey: Secret(derive("stored", foldedName)),
      serverKey: Secret(derive("server", foldedName)))
  }

  private func derive(_ purpose: String, _ name: [UInt8]) -> [UInt8] {
    secret.withExposedBytes { key in
      Array(HMAC<SHA256>.authenticationCode(for: Array(purpose.utf8) + [0] + name, using: SymmetricKey(data: key)))
    }
  }
}
