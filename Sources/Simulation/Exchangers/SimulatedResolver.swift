import DNSRecords
import MailSyntax
import OrderedCollections
import Relay

/// The DNS of a simulated world: every answer takes time, and until the faults stop some are none.
struct SimulatedResolver: Resolver {
  let internet: SimulatedInternet

  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> {
    if let fault: DNSAnswer<MailExchanger> = await trouble(with: name) { return fault }
    guard let domain = internet.foreign.domains[name] else {
      return internet.foreign.hosts[name] == nil ? .noSuchName(.insecure) : .none(.insecure)
    }
    switch domain.mail {
    case .exchangers(let records): return answer(records, at: name)
    case .implicit, .nothing: return .none(.insecure)
    case .noSuchName: return .noSuchName(.insecure)
    }
  }

  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    ExchangerVisit.current?.looksUp(name)
    let answer = await found(name, family)
    switch answer {
    case .none, .noSuchName: ExchangerVisit.current?.hasNoAddress(name)
    // A host that nobody can look up may have TLS: it counts as untried.
    case .records, .failed, .bogus: break
    }
    return answer
  }

  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> {
    await trouble(with: name) ?? .none(.insecure)
  }

  private func found(_ name: DomainName, _ family: AddressFamily) async -> DNSAnswer<IPAddress> {
    if let fault: DNSAnswer<IPAddress> = await trouble(with: name) { return fault }
    if case .noSuchName? = internet.foreign.domains[name]?.mail { return .noSuchName(.insecure) }
    let addresses = internet.foreign.hosts[name]?.addresses.filter { $0.family == family } ?? []
    return addresses.isEmpty ? .none(.insecure) : answer(addresses, at: name)
  }

  private func answer<Record>(_ records: [Record], at name: DomainName) -> DNSAnswer<Record> {
    .records(
      DNSRecordSet(records: records, canonicalName: name, security: .insecure, timeToLive: .seconds(300)))
  }

  /// Waits for the answer, and gives the fault that it is.
  private func trouble<Record>(with name: DomainName) async -> DNSAnswer<Record>? {
    let random = internet.random
    internet.passes(.lookup)
    await internet.clock.sleep(for: .milliseconds(1 + random.below(random.chance(10) ? 3_000 : 60)))
    guard let fault = internet.dnsTrouble() else { return nil }
    switch fault {
    case .serverFailure: return .failed(reason: "SERVFAIL")
    case .bogus: return .bogus(reason: "a signature of \(name) has expired")
    case .timeout:
      await internet.clock.sleep(for: .seconds(20))
      return .failed(reason: "no answer in time")
    }
  }
}
