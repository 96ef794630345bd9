import Configuration
import DNSRecords
import DNSTransport
import InternationalDomainNames
import Synchronization

/// The resolver of a running server, which a reload may replace. Look-ups under way end on the one they began with.
final class ResolverPlace: Sendable {
  private struct State {
    var resolver: UnboundResolver?
    var proof = ValidationProof(secure: [], bogus: [])
    /// What the log was told last of this resolver and this proof.
    var told: String?
    /// Where the configuration needs none otherwise.
    var spare: UnboundResolver?
    /// For what strangers make us ask.
    var strangers: UnboundResolver?
  }

  private let state = Mutex(State())
  /// One element for each time that the proof is wanted anew.
  let changes: AsyncStream<Void>
  private let changed: AsyncStream<Void>.Continuation

  init() { (changes, changed) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

  var current: (resolver: UnboundResolver, proof: ValidationProof)? {
    state.withLock { state in state.resolver.map { ($0, state.proof) } }
  }

  /// The resolver that a configuration asks for, nil where it needs none. It is the standing one where that would be no
  /// other, so that what it has learned stays. Nothing is asked of the network yet.
  func resolver(for configuration: Configuration) throws -> UnboundResolver? {
    guard configuration.needsResolver else { return nil }
    let settings = try UnboundResolver.Settings(configuration.dns ?? Configuration.DNS())
    if let current = current?.resolver, current.settings == settings { return current }
    return try UnboundResolver(settings, converter: LibraryIDNAConverter())
  }

  /// For those who can make do with one that wasn't proven: the standing one, else one that is made the first time.
  func anyResolver(for configuration: Configuration) -> UnboundResolver? {
    if let current = current?.resolver { return current }
    return made(\.spare, for: configuration)
  }

  /// One of its own for mail of strangers: who sends in the names of domains whose servers are slow must not take the
  /// look-ups under way from what goes out.
  func strangersResolver(for configuration: Configuration) -> UnboundResolver? {
    made(\.strangers, for: configuration)
  }

  /// Made the first time, and again for other settings.
  private func made(
    _ place: any WritableKeyPath<State, UnboundResolver?> & Sendable, for configuration: Configuration
  ) -> UnboundResolver? {
    guard let settings = try? UnboundResolver.Settings(configuration.dns ?? Configuration.DNS()) else { return nil }
    return state.withLock { state in
      if let resolver = state[keyPath: place], resolver.settings == settings { return resolver }
      state[keyPath: place] = try? UnboundResolver(settings, converter: LibraryIDNAConverter())
      return state[keyPath: place]
    }
  }

  /// Puts a resolver in its place, and wants it proven.
  func take(_ resolver: UnboundResolver?, for configuration: Configuration) {
    let proof = (configuration.dns ?? Configuration.DNS()).probe
    state.withLock { state in
      if resolver !== state.resolver || proof != state.proof { state.told = nil }
      state.resolver = resolver
      state.proof = proof
    }
    changed.yield()
  }

  /// Whether this is news about the resolver that stands.
  func isNews(_ word: String, of resolver: UnboundResolver) -> Bool {
    state.withLock { state in
      guard state.resolver === resolver, state.told != word else { return false }
      state.told = word
      return true
    }
  }
}

extension UnboundResolver.Settings {
  init(_ dns: Configuration.DNS) throws(TrustAnchorFileFault) {
    self.init(servers: dns.servers, anchors: try dns.anchors())
  }
}
