import MailSyntax
import NIOPosix
import NIOSSL
import Synchronization
import TransportSecurity

/// Where one identity's chain and key lie.
public struct TLSIdentityFiles: Hashable, Sendable {
  public let chain: String
  public let key: String
  public init(chain: String, key: String) {
    self.chain = chain
    self.key = key
  }

  public func load() throws(TLSIdentityFault) -> TLSIdentity {
    let chainPEM: [UInt8]
    let keyPEM: Secret
    do {
      chainPEM = try OctetFile.read(chain)
      keyPEM = Secret(try OctetFile.read(key))
    } catch {
      throw .unreadable(error)
    }
    do {
      return try TLSIdentity(chainPEM: chainPEM, keyPEM: keyPEM)
    } catch {
      throw .inFiles(chain: chain, key: key, error)
    }
  }
}

/// The identities a server proves itself with. The first is also the answer to a client that names no server, or one
/// that isn't ours: SNI is never required (RFC 8461 §7.1, RFC 7672 §8.1).
///
/// A reload replaces all of them or none. Sessions that are open keep what they began with.
public final class TLSIdentityStore: Sendable {
  public static let maximumIdentities = 1_024

  /// What files said when they were read: all of them were good.
  public struct Reading: Sendable {
    fileprivate let files: [TLSIdentityFiles]
    fileprivate let identities: [TLSIdentity]
    fileprivate var stamps: [OctetFile.Stamp?]

    /// Reads chains and keys, all or none.
    public init(_ files: [TLSIdentityFiles]) throws(TLSIdentityFault) {
      self.files = files
      // Before the reading: what changes meanwhile is looked at again.
      stamps = TLSIdentityStore.stamps(of: files)
      identities = try TLSIdentityStore.load(files)
    }

    fileprivate init(identities: [TLSIdentity]) {
      files = []
      self.identities = identities
      stamps = []
    }
  }

  private let state: Mutex<Reading>

  /// Reads chains and keys from files, which `reload` and `watch` look at again.
  public init(files: [TLSIdentityFiles]) throws(TLSIdentityFault) { state = Mutex(try Reading(files)) }

  /// Identities from elsewhere; `reload` keeps them.
  public init(identities: [TLSIdentity]) throws(TLSIdentityFault) {
    guard !identities.isEmpty else { throw .noIdentity }
    state = Mutex(Reading(identities: identities))
  }

  /// What is served now.
  public var identities: [TLSIdentity] { state.withLock { $0.identities } }

  /// Serves what was read, perhaps from other files than before, and watches those.
  public func serve(_ reading: Reading) { state.withLock { $0 = reading } }

  /// Reads all files again. A fault in one keeps all that is served, and says what to mend.
  public func reload() throws(TLSIdentityFault) {
    let files = state.withLock { $0.files }
    guard !files.isEmpty else { return }
    let stamps = TLSIdentityStore.stamps(of: files)
    do {
      let reading = try Reading(files)
      // Other files may be served since: they stay.
      state.withLock { if $0.files == files { $0 = reading } }
    } catch {
      // The faulty files too count as seen: the watcher alarms once for each change.
      state.withLock { if $0.files == files { $0.stamps = stamps } }
      throw error
    }
  }

  /// Looks at the files' inodes, sizes and times every `interval`, reloads on a change, and tells each outcome, until
  /// the task is cancelled.
  public func watch(
    every interval: Duration = .seconds(5),
    report: @Sendable (Result<[TLSIdentity], TLSIdentityFault>) -> Void
  ) async {
    while !Task.isCancelled {
      guard (try? await Task.sleep(for: interval)) != nil else { return }
      // Files may lie on a slow disk: they are read on a thread that may wait.
      if let outcome = try? await NIOThreadPool.singleton.runIfActive({ self.reloadIfChanged() }) { report(outcome) }
    }
  }

  /// Nil where the files are those that were last looked at, good or bad.
  func reloadIfChanged() -> Result<[TLSIdentity], TLSIdentityFault>? {
    let (files, seen) = state.withLock { ($0.files, $0.stamps) }
    guard TLSIdentityStore.stamps(of: files) != seen else { return nil }
    do {
      try reload()
      return .success(identities)
    } catch {
      return .failure(error)
    }
  }

  /// The TLS context for a client that asked for `serverName`.
  func context(for serverName: String?) -> NIOSSLContext {
    state.withLock { state in
      let named = serverName.flatMap { name in state.identities.first { $0.answers(to: name) } }
      return (named ?? state.identities[0]).context
    }
  }

  private static func load(_ files: [TLSIdentityFiles]) throws(TLSIdentityFault) -> [TLSIdentity] {
    guard !files.isEmpty, files.count <= maximumIdentities else { throw .noIdentity }
    var identities: [TLSIdentity] = []
    for pair in files { identities.append(try pair.load()) }
    return identities
  }

  private static func stamps(of files: [TLSIdentityFiles]) -> [OctetFile.Stamp?] {
    files.flatMap { [OctetFile.stamp($0.chain), OctetFile.stamp($0.key)] }
  }
}
