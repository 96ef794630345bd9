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
    let security = state(domain.isSigned)
    switch domain.mail {
    case .exchangers, .implicit:
      // Where nothing is signed he can say whatever he likes.
      guard !domain.isSigned, let host = internet.foreign.attackersHost, internet.suffers(.exchangerForged) else {
        break
      }
      internet.misled.insert(name)
      return answer([MailExchanger(preference: 1, exchange: .host(host.name))], at: name, .insecure)
    case .nothing, .noSuchName: break
    }
    switch domain.mail {
    case .exchangers(let records): return answer(records, at: name, security)
    case .implicit, .nothing: return .none(security)
    case .noSuchName: return .noSuchName(security)
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
    if let fault: DNSAnswer<[UInt8]> = await trouble(with: name) { return fault }
    if internet.suffers(.policyRecordUnanswered) { return .failed(reason: "SERVFAIL") }
    guard let domain = subject(of: name, behind: "_mta-sts.").flatMap({ internet.foreign.domains[$0] }) else {
      return .noSuchName(.insecure)
    }
    if !domain.isSigned {
      if internet.suffers(.policyRecordSuppressed) { return .noSuchName(.insecure) }
      // He doesn't know why he would: it makes us fetch what the domain really publishes.
      if internet.suffers(.policyRecordForged) {
        return record("forged\(internet.random.below(1_000))", at: name, false)
      }
    }
    let published = domain.sts.value(at: internet.clock.uptime)
    guard let id = published.recordID else {
      if published.policy != nil { internet.inject(.slip(.policyRecordGone)) }
      return .noSuchName(state(domain.isSigned))
    }
    return record(id, at: name, domain.isSigned)
  }

  private func record(_ id: String, at name: DomainName, _ isSigned: Bool) -> DNSAnswer<[UInt8]> {
    answer([Array("v=STSv1; id=\(id);".utf8)], at: name, state(isSigned))
  }

  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> {
    if let fault: DNSAnswer<TLSARecord> = await trouble(with: name) { return fault }
    if internet.suffers(.keysUnanswered) { return .failed(reason: "SERVFAIL") }
    let published = subject(of: name, behind: "_25._tcp.").flatMap { internet.foreign.hosts[$0]?.tlsa }
    guard let records = published?.value(at: internet.clock.uptime).records, !records.isEmpty else {
      return .noSuchName(state(published != nil))
    }
    return answer(records, at: name, .secure)
  }

  private func subject(of name: DomainName, behind prefix: String) -> DomainName? {
    guard name.folded.hasPrefix(prefix) else { return nil }
    return try? DomainName(name.folded.dropFirst(prefix.count))
  }

  private func state(_ isSigned: Bool) -> DNSSECState { isSigned ? .secure : .insecure }

  /// Nobody asks: no server of the simulation checks SPF.
  func names(of address: IPAddress) async -> DNSAnswer<DomainName> { .none(.insecure) }

  func alias(of name: DomainName) async -> DNSAnswer<DomainName> {
    await trouble(with: name) ?? .none(.insecure)
  }

  private func found(_ name: DomainName, _ family: AddressFamily) async -> DNSAnswer<IPAddress> {
    if let fault: DNSAnswer<IPAddress> = await trouble(with: name) { return fault }
    if case .noSuchName? = internet.foreign.domains[name]?.mail { return .noSuchName(.insecure) }
    let host = internet.foreign.hosts[name]
    let (addresses, security) = (host?.addresses.filter { $0.family == family } ?? [], state(host?.isSigned ?? false))
    return addresses.isEmpty ? .none(security) : answer(addresses, at: name, security)
  }

  private func answer<Record>(
    _ records: [Record], at name: DomainName, _ security: DNSSECState
  ) -> DNSAnswer<Record> {
    .records(
      DNSRecordSet(records: records, canonicalName: name, security: security, timeToLive: .seconds(300)))
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
