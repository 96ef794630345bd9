import ControlPlane
import Foundation
import MailAuthentication
import MailSyntax
import Relay

/// The file of signing keys in the data folder: JSON with a version, mode 0600. A missing file holds none.
///
/// ```json
/// {
///   "keys" : [
///     {
///       "domain" : "example.org",
///       "key" : "-----BEGIN PRIVATE KEY-----\n…",
///       "selector" : "2026-11-02-rsa",
///       "since" : "2026-11-02T10:00:00.000Z",
///       "standing" : "signing"
///     }
///   ],
///   "version" : 1
/// }
/// ```
/// Strict: an unknown standing or a key that can't be read is an error, for mail that should be signed must not go
/// without.
struct SigningKeyFile: DKIMKeyStore {
  static let name = "dkim-keys.json"
  static let version = 1
  static let maximumOctets = 64 << 20
  /// Twenty a second: whoever has the lock holds it for the time of reading and writing one file.
  static let lockTries = 60

  let path: String
  init(dataFolder: String) { path = dataFolder + "/" + SigningKeyFile.name }

  func load() throws(DKIMKeyStoreFault) -> DKIMKeyring {
    var facts = stat()
    // Only where none is: one that can't be reached is no empty one.
    guard lstat(path, &facts) == 0 || errno != ENOENT else { return DKIMKeyring() }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw fault(
        "can't be read; check its owner and permissions", access(path, R_OK) == 0 ? .unavailable : .notPermitted)
    }
    guard data.count <= SigningKeyFile.maximumOctets else {
      throw fault("is larger than \(SigningKeyFile.maximumOctets) bytes", .damaged)
    }
    return try keyring(data)
  }

  func change(_ edit: (inout DKIMKeyring) -> Void) throws(DKIMKeyStoreFault) -> DKIMKeyring {
    // The lock is a file of its own: the other is replaced.
    let lock = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0 else {
      throw fault(
        "its lock can't be had: \(String(cString: strerror(errno)))", errno == EACCES ? .notPermitted : .unavailable)
    }
    defer { close(lock) }
    var tries = 0
    while flock(lock, LOCK_EX | LOCK_NB) != 0 {
      tries += 1
      guard errno == EWOULDBLOCK || errno == EINTR, tries < SigningKeyFile.lockTries else {
        throw fault("its lock can't be had: \(String(cString: strerror(errno)))")
      }
      usleep(50_000)
    }
    var keyring = try load()
    edit(&keyring)
    do {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      let data = try encoder.encode(
        FileRecord(version: SigningKeyFile.version, keys: keyring.selectors.map(KeyRecord.init)))
      try SecretFiles.replace(path, with: Array(data) + [UInt8(ascii: "\n")])
    } catch let trouble as FileTrouble {
      throw DKIMKeyStoreFault(trouble.description)
    } catch {
      throw fault("can't be written: \(error.localizedDescription)")
    }
    return keyring
  }

  private func keyring(_ data: Data) throws(DKIMKeyStoreFault) -> DKIMKeyring {
    let record: FileRecord
    do {
      record = try JSONDecoder().decode(FileRecord.self, from: data)
    } catch {
      throw fault("is no file of signing keys: \(SigningKeyFile.words(of: error))", .damaged)
    }
    guard record.version == SigningKeyFile.version else {
      throw fault("has version \(record.version); this program reads version \(SigningKeyFile.version)", .damaged)
    }
    var selectors: [DKIMSelector] = []
    for key in record.keys {
      do {
        selectors.append(try key.held())
      } catch {
        throw fault("key \(key.selector) of \(key.domain): \(error)", .damaged)
      }
    }
    do throws(DKIMKeyringFault) {
      return try DKIMKeyring(selectors)
    } catch {
      throw fault("\(error)", .damaged)
    }
  }

  private func fault(_ reason: String, _ kind: DKIMKeyStoreFault.Kind = .unavailable) -> DKIMKeyStoreFault {
    DKIMKeyStoreFault("\(path): \(reason)", kind)
  }

  private static func words(of error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\" is of the wrong type"
    case DecodingError.dataCorrupted(let context): context.debugDescription
    case _: error.localizedDescription
    }
  }

  private struct FileRecord: Codable {
    let version: Int
    let keys: [KeyRecord]
  }

  private struct KeyRecord: Codable {
    let domain: String
    let selector: String
    let standing: String
    let since: Timestamp
    let key: String

    init(_ held: DKIMSelector) {
      domain = held.domain.description
      selector = held.name.description
      standing = held.standing.rawValue
      since = Timestamp(held.since)
      key = held.key.pem.withExposedBytes { String(decoding: $0, as: UTF8.self) }
    }

    func held() throws -> DKIMSelector {
      guard let standing = DKIMSelector.Standing(rawValue: standing) else {
        throw FileTrouble("\"\(standing)\" is no standing")
      }
      return DKIMSelector(
        domain: try DomainName(domain), name: try DomainName(selector), key: try DKIMKey(pem: Secret(key)),
        standing: standing, since: since.instant)
    }
  }
}
