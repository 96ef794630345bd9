import DNSRecords
import MailAuthentication
import MailMessage
import MailSyntax
import NIOCore
import Relay
import Synchronization

/// Keys in memory, for a signer and for commands beside it.
final class MemoryKeyStore: DKIMKeyStore {
  private struct State {
    var keyring = DKIMKeyring()
    var fault: DKIMKeyStoreFault?
    var writes = 0
  }
  private let state: Mutex<State>
  init(_ keyring: DKIMKeyring = DKIMKeyring()) { state = Mutex(State(keyring: keyring)) }

  func load() throws(DKIMKeyStoreFault) -> DKIMKeyring {
    let (keyring, fault) = state.withLock { ($0.keyring, $0.fault) }
    if let fault { throw fault }
    return keyring
  }
  func change(_ edit: (inout DKIMKeyring) -> Void) throws(DKIMKeyStoreFault) -> DKIMKeyring {
    var keyring = try load()
    edit(&keyring)
    state.withLock { [keyring] in
      $0.keyring = keyring
      $0.writes += 1
    }
    return keyring
  }
  func fail(_ fault: DKIMKeyStoreFault?) { state.withLock { $0.fault = fault } }
  var writes: Int { state.withLock { $0.writes } }
}

enum SigningSample {
  /// Slow to make: one of each kind serves all tests.
  static let keys: [DKIMKey.Kind: DKIMKey] = {
    var keys: [DKIMKey.Kind: DKIMKey] = [:]
    for kind in DKIMKey.Kind.allCases { keys[kind] = try? DKIMKey.generate(kind) }
    return keys
  }()

  static func selector(
    _ name: String, _ domain: String, _ kind: DKIMKey.Kind = .ed25519, _ standing: DKIMSelector.Standing = .signing,
    since: UTCInstant = UTCInstant(seconds: 1_795_000_000)
  ) throws -> DKIMSelector {
    guard let key = keys[kind] else { throw DKIMKeyStoreFault("no key") }
    return DKIMSelector(
      domain: try DomainName(domain), name: try DomainName(name), key: key, standing: standing, since: since)
  }

  static func zone(_ selectors: [DKIMSelector]) -> ZoneResolver {
    var zone = ZoneResolver()
    for selector in selectors {
      guard let name = selector.recordName else { continue }
      zone.set(
        .records(
          DNSRecordSet(
            records: [Array(selector.key.record.utf8)], canonicalName: name, security: .insecure,
            timeToLive: .seconds(300))), for: name)
    }
    return zone
  }

  /// What a receiver makes of the signatures.
  static func outcomes(of message: String, by zone: ZoneResolver, at now: UTCInstant) async throws -> [DKIMOutcome] {
    guard case .complete(let header, let body) = HeaderScanner.read(ByteBuffer(string: message)) else { return [] }
    var verifier = DKIMVerifier(converter: UnchangedNames())
    verifier.begin(header)
    verifier.append(body)
    return await verifier.finish(resolver: zone, now: now)
  }
}
