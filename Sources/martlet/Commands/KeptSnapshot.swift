import Configuration
import ControlPlane
import DNSRecords
import InternationalDomainNames
import MailQueue
import MailSyntax
import Relay
import SystemWorld
import TransportSecurity

/// What a server keeps of one domain, for `explain`: asked of the running server, else read from its store.
struct KeptSnapshot {
  enum Source: Hashable {
    case server
    /// None runs: as the last one left it.
    case store
    /// With the reason.
    case unknown(String)
  }
  let source: Source
  var store = RememberedPolicyStore()
  var conduct = SteadyTLS.Conduct.alert

  /// What can't be had is left out, and the report says so.
  static func take(of domain: MailDomain, _ configuration: Configuration?) async -> KeptSnapshot {
    guard let configuration else { return KeptSnapshot(source: .unknown("no --config names a server")) }
    guard let name = domain.name else { return KeptSnapshot(source: .unknown("nothing is kept of an address")) }
    do {
      return try await PolicyPlace.serving(OperatingPlace(configuration)) { place in
        KeptSnapshot(place.isServed ? .server : .store, try await place.ask(.show(name)))
      }
    } catch let fault as ControlFault {
      return KeptSnapshot(source: .unknown(fault.text))
    } catch {
      return KeptSnapshot(source: .unknown("\(error)"))
    }
  }

  private init(source: Source) { self.source = source }

  init(_ source: Source, _ answers: [ControlAnswer]) {
    self.init(source: source)
    let listing = PolicyListing(answers)
    store.knownPolicies = listing.policies.compactMap { $0.stored }
    store.knownOverrides = listing.overrides.compactMap { $0.numbered }
    // The server has judged already: addresses on trial among the records arm nothing, and disarm nothing.
    if let steady = listing.asked?.steady {
      conduct = SteadyTLS.Conduct(rawValue: steady.conduct) ?? .alert
      store.knownSteady = listing.steady.compactMap { $0.record }.filter { record in
        record.successes >= TLSRatchet.neededSuccesses && record.lastAt - record.firstAt >= TLSRatchet.neededTime
      }
    }
  }

  /// What deliveries would go by.
  func memory(
    resolver: any Resolver, fetcher: any PolicyFetcher, clock: any MailClock
  ) async throws(StoreFault) -> PolicyMemory {
    let keeper = try await PolicyKeeper(
      store: store, resolver: resolver, fetcher: fetcher, clock: clock, random: SystemRandom(), events: NoLog())
    let overrides = FloorOverrides(store: store, converter: LibraryIDNAConverter(), clock: clock, events: NoLog())
    let ratchet = TLSRatchet(store: store, conduct: conduct, clock: clock, events: NoLog())
    try await overrides.load()
    try await ratchet.load()
    return PolicyMemory(policies: keeper, overrides: overrides, ratchet: ratchet)
  }
}

extension KeptSnapshot.Source {
  /// For people.
  var words: String {
    switch self {
    case .server: "overrides, policies and the ratchet are the running server's"
    case .store: "overrides, policies and the ratchet are as the stopped server left them"
    case .unknown(let reason): "overrides, kept policies and the ratchet are not known here: \(reason)"
    }
  }

  var code: String {
    switch self {
    case .server: "server"
    case .store: "store"
    case .unknown: "unknown"
    }
  }
}

// Nil where what a server of another version says can't be read.

extension PolicyFacts {
  fileprivate var stored: StoredSTSPolicy? {
    guard let name = try? DomainName(domain), let mode = STSPolicy.Mode(rawValue: mode) else { return nil }
    let policy = STSPolicy(
      mode: mode, maxAge: max(.zero, expiresAt.instant - fetchedAt.instant), patterns: mx.map { STSPattern($0) })
    return StoredSTSPolicy(
      domain: name, known: KnownSTSPolicy(policy: policy, recordID: id, fetchedAt: fetchedAt.instant),
      usedAt: usedAt.instant)
  }
}

extension OverrideFacts {
  fileprivate var numbered: NumberedOverride? {
    guard let name = try? DomainName(domain), let floor = TLSFloor(rawValue: floor) else { return nil }
    return NumberedOverride(
      number: number,
      override: FloorOverride(
        domain: name, includesSubdomains: subdomains, floor: floor, from: from.instant, until: until.instant,
        reason: reason, author: author))
  }
}

extension SteadyFacts {
  fileprivate var record: SteadyRecord? {
    guard let domain = try? DomainName(domain), let host = try? DomainName(host), let address = IPAddress(address),
      let level = SteadyTLS.Level(rawValue: level)
    else { return nil }
    return SteadyRecord(
      key: SteadyRecord.Key(domain: domain, host: host, address: address), level: level, successes: successes,
      firstAt: firstAt.instant, lastAt: lastAt.instant)
  }
}
