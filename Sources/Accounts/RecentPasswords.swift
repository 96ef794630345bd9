internal import Crypto
internal import MailSyntax

/// Passwords that were found right a short while ago, as HMACs under a key of this process: a burst of connections by
/// one program then costs one slow hash. No password is kept, and the HMACs mean nothing to another process.
struct RecentPasswords: Sendable {
  static let maximumUsers = 4096
  static let lifetime = Duration.seconds(300)

  private struct Entry {
    let tag: Secret
    let expires: Uptime
  }
  private let key: Secret
  private var entries = RecencyTable<[UInt8], Entry>(capacity: maximumUsers)

  init(key: Secret) { self.key = key }

  /// Binds the password to the user's name: tags of two users never meet.
  func tag(_ foldedName: [UInt8], _ password: Secret) -> [UInt8] {
    key.withExposedBytes { key in
      password.withExposedBytes { password in
        Array(HMAC<SHA256>.authenticationCode(for: foldedName + [0] + password, using: SymmetricKey(data: key)))
      }
    }
  }

  func contains(_ foldedName: [UInt8], tag: [UInt8], at now: Uptime) -> Bool {
    guard let entry = entries.value(for: foldedName), now < entry.expires else { return false }
    return entry.tag.isEqual(inConstantTimeTo: Secret(tag))
  }

  /// A hit doesn't renew: after `lifetime` the slow hash is asked again.
  mutating func insert(_ foldedName: [UInt8], tag: [UInt8], at now: Uptime) {
    entries.set(Entry(tag: Secret(tag), expires: now + RecentPasswords.lifetime), for: foldedName)
  }

  mutating func removeAll() { entries.removeAll() }
}
