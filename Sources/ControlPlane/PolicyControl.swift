public import MailQueue
public import MailSyntax
public import Relay
import TransportSecurity

/// An operator's requests about what the policy store keeps, foremost the transport policy: behind the control socket of a running server, and directly where
/// none runs.
public struct PolicyControl: Sendable {
  /// Records of the audit that are looked through, the newest.
  public static let maximumAuditRead = 100_000
  /// Records of the audit in one answer.
  public static let maximumAuditGiven = 10_000
  /// Different records of a day's authentication in one answer; a store keeps no more of a day.
  public static let maximumAuthenticationGiven = 20_000

  private let overrides: FloorOverrides
  private let desk: any PolicyDesk
  private let ratchet: TLSRatchet
  private let audit: any PolicyAudit
  private let authentication: any AuthenticationRecordSource
  private let converter: any IDNAConverter
  private let clock: any MailClock
  private let events: any EventSink
  /// The configured floors, with every domain in its one form; nil where no configuration is known, or it has none.
  private let rules: @Sendable () -> DestinationRules?

  public init(
    overrides: FloorOverrides, desk: any PolicyDesk, ratchet: TLSRatchet, audit: any PolicyAudit,
    authentication: any AuthenticationRecordSource, converter: any IDNAConverter, clock: any MailClock,
    events: any EventSink,
    rules: @escaping @Sendable () -> DestinationRules?
  ) {
    self.overrides = overrides
    self.desk = desk
    self.ratchet = ratchet
    self.audit = audit
    self.authentication = authentication
    self.converter = converter
    self.clock = clock
    self.events = events
    self.rules = rules
  }

  /// Does what is asked; `name` is written into the audit where the request names nobody.
  public func answers(to request: PolicyRequest, by name: String) async throws(ControlFault) -> [ControlAnswer] {
    switch request {
    case .show(let domain): return try await show(domain)
    case .overrides: return facts(overrides.list(at: clock.now))
    case .addOverride(let new): return try await add(new, by: name)
    case .endOverride(let number, let reason): return try await end(number, reason, by: name)
    case .audit(let domain): return try await history(domain.map { converter.canonicalForm(of: $0) })
    case .authentication(let day, let domain):
      return try await authentication(of: day, domain.map { converter.canonicalForm(of: $0) })
    case .refresh(let domain): return try await refresh(converter.canonicalForm(of: domain))
    case .forget(let domain, let reason):
      return [.changed(try await forget(converter.canonicalForm(of: domain), reason, by: name))]
    }
  }

  private func facts(_ list: [NumberedOverride]) -> [ControlAnswer] {
    let (rules, now) = (rules(), clock.now)
    return list.map { override in
      .override(
        OverrideFacts(
          override, configured: rules?.floor(for: .name(override.override.domain)),
          weakened: overrides.weakened(by: override.override, rules: rules, at: now)))
    }
  }

  private func show(_ written: DomainName?) async throws(ControlFault) -> [ControlAnswer] {
    let now = clock.now
    guard let written else {
      let policies: [PolicyStanding]
      do throws(StoreFault) { policies = try await desk.policies() } catch { throw ControlFault(policyStore: error) }
      return policies.map { .policy(PolicyFacts($0)) } + facts(overrides.list(at: now))
    }
    let domain = converter.canonicalForm(of: written)
    let policy: PolicyStanding?
    do throws(StoreFault) { policy = try await desk.policy(of: domain) } catch {
      throw ControlFault(policyStore: error)
    }
    return [.asked(asked(of: domain, policy))] + (policy.map { [.policy(PolicyFacts($0))] } ?? [])
      + facts(overrides.overrides(reaching: domain, at: now))
      + ratchet.records(of: domain).map { .steady(SteadyFacts($0)) }
  }

  /// What is asked of the domain now, as far as it is known here: DANE is looked up with each delivery.
  private func asked(of domain: DomainName, _ policy: PolicyStanding?) -> AskedFacts {
    let (rules, now) = (rules(), clock.now)
    let configured = rules?.floor(for: .name(domain))
    return AskedFacts(
      domain, floor: overrides.override(for: domain, at: now)?.floor ?? configured, configured: configured,
      floorBelow: overrides.override(below: domain, at: now)?.floor ?? rules?.floor(below: domain),
      policy: policy, steady: ratchet.expectation(for: domain, from: .anySender, at: now))
  }

  /// For what is said beside a deed that is done already: a policy that can't be read is left out.
  private func askedNow(of domain: DomainName) async -> AskedFacts {
    let policy: PolicyStanding?
    do throws(StoreFault) { policy = try await desk.policy(of: domain) } catch { policy = nil }
    return asked(of: domain, policy)
  }

  private func add(_ new: NewOverride, by name: String) async throws(ControlFault) -> [ControlAnswer] {
    let domain = converter.canonicalForm(of: new.domain)
    let override = FloorOverride(
      domain: domain, includesSubdomains: new.includesSubdomains, floor: new.floor, from: clock.now,
      until: new.until.instant, reason: new.reason, author: PolicyControl.author(new.author, by: name))
    let rules = rules()
    let added: AddedOverride
    do throws(FloorOverrideFault) {
      added = try await overrides.add(override, rules: rules)
    } catch {
      throw ControlFault(error, number: 0)
    }
    let facts = OverrideFacts(
      added.added, configured: rules?.floor(for: .name(domain)), weakened: added.weakened, added: added)
    return [.override(facts), .asked(await askedNow(of: domain))]
  }

  private func end(_ number: Int64, _ reason: String, by name: String) async throws(ControlFault) -> [ControlAnswer] {
    let ended: NumberedOverride
    do throws(FloorOverrideFault) {
      ended = try await overrides.end(number, author: name, reason: reason)
    } catch {
      throw ControlFault(error, number: number)
    }
    return facts([ended]) + [.asked(await askedNow(of: ended.override.domain))]
  }

  /// The newest records, the oldest of them first.
  ///
  /// - Parameter domain: theirs alone; nil for all.
  private func history(_ domain: DomainName?) async throws(ControlFault) -> [ControlAnswer] {
    let records: [PolicyAuditRecord]
    do throws(StoreFault) {
      records = try await audit.auditRecords(limit: PolicyControl.maximumAuditRead)
    } catch {
      throw ControlFault(policyStore: error)
    }
    let meant = domain.map { domain in records.filter { $0.domain == domain } } ?? records
    let omitted = meant.count - PolicyControl.maximumAuditGiven
    return (omitted > 0 ? [.eventsOmitted(omitted)] : [])
      + meant.suffix(PolicyControl.maximumAuditGiven).map { .audit(AuditFacts($0)) }
  }

  /// - Parameter domain: what came in its name or by its policy; nil for all.
  private func authentication(of day: UTCDay, _ domain: DomainName?) async throws(ControlFault) -> [ControlAnswer] {
    let records: [CountedRecord]
    do throws(StoreFault) {
      records = try await authentication.authenticationRecords(
        of: day.number, limit: PolicyControl.maximumAuthenticationGiven)
    } catch {
      throw ControlFault(policyStore: error)
    }
    return records.filter { domain == nil || $0.record.policyDomain == domain || $0.record.authorDomain == domain }
      .map { .authentication(AuthenticationFacts($0)) }
  }

  /// Whoever it is in the name of, the audit says whose hand it was.
  private static func author(_ author: String?, by name: String) -> String {
    guard let author, author != name else { return name }
    return "\(author) (by \(name))"
  }

  private func refresh(_ domain: DomainName) async throws(ControlFault) -> [ControlAnswer] {
    let found: PolicyStanding?
    do throws(PolicyDeskFault) {
      found = try await desk.refresh(domain)
    } catch {
      switch error {
      case .noFetcher:
        throw ControlFault(.nobodyListens, "nobody here fetches policies; a running server with outbound.route mx does")
      case .trouble(let trouble):
        throw ControlFault(.failed, "the policy of \(domain) can't be fetched: \(trouble)")
      case .store(let fault): throw ControlFault(policyStore: fault)
      }
    }
    guard let found else { throw ControlFault(.notFound, "\(domain) announces no MTA-STS policy, and none is kept") }
    return [.policy(PolicyFacts(found))]
  }

  /// The audit first: nothing is forgotten of which nobody could say by whom.
  private func forget(_ domain: DomainName, _ reason: String, by name: String) async throws(ControlFault) -> Int {
    guard !reason.isEmpty, reason.utf8.count <= FloorOverride.maximumReasonOctets else {
      throw ControlFault(
        .badRequest, "forgetting a policy needs a reason of \(FloorOverride.maximumReasonOctets) octets at most")
    }
    do throws(StoreFault) {
      guard try await desk.policy(of: domain) != nil else { throw StoreFault.notFound }
      try await audit.record(
        PolicyAuditRecord(.policyForgotten, at: clock.now, domain: domain, author: name, reason: reason))
      guard try await desk.forget(domain) else { throw StoreFault.notFound }
    } catch {
      guard error != .notFound else { throw ControlFault(.notFound, "no MTA-STS policy of \(domain) is kept") }
      throw ControlFault(policyStore: error)
    }
    events.record(.policyForgotten(domain, by: name, reason: reason))
    return 1
  }
}

extension ControlFault {
  init(_ fault: FloorOverrideFault, number: Int64) {
    switch fault {
    case .refused(let text): self.init(.badRequest, text)
    case .store(.notFound):
      self.init(.notFound, "there is no override number \(number); martlet policy override list shows them")
    case .store(let fault): self.init(policyStore: fault)
    }
  }

  public init(policyStore fault: StoreFault) {
    switch fault {
    case .stopped(let reason):
      self.init(.stopped, "the policy store has stopped (\(reason)); mend the disk and start the server anew")
    case .unavailable(let reason):
      self.init(.busy, "the policy store can't be had at this moment (\(reason)); try again")
    case .spaceLow, .notFound, .corrupt, .tooLarge, .duplicate: self.init(fault)
    }
  }
}
