public import MailSyntax
public import TransportSecurity

/// What our operator says of single destinations' TLS.
public struct DestinationRules: Hashable, Sendable {
  /// Of every domain without a rule of its own.
  public var floor: TLSFloor
  public var floors = DomainTable<TLSFloor>()
  /// What follows where hosts show less than they have steadily shown.
  public var onDowngrade = SteadyTLS.Conduct.alert

  public init(floor: TLSFloor = .opportunistic) { self.floor = floor }

  public func floor(for domain: MailDomain) -> OperatorFloor {
    guard let found = domain.name.flatMap(floors.match) else {
      return OperatorFloor(floor, origin: "outbound.tls.floor")
    }
    return OperatorFloor(found.value, origin: "outbound.tls.domains \(found.rule)")
  }

  /// Of the domains below one that have no rule of their own, nor any between.
  public func floor(below domain: DomainName) -> OperatorFloor {
    guard let found = floors.matchBelow(domain) else { return OperatorFloor(floor, origin: "outbound.tls.floor") }
    return OperatorFloor(found.value, origin: "outbound.tls.domains \(found.rule)")
  }

  /// Each floor that the configuration has for a domain, and with `isBelow` for any domain below it.
  func floors(reachedFrom domain: DomainName, below isBelow: Bool) -> [OperatorFloor] {
    let own = floor(for: .name(domain))
    guard isBelow else { return [own] }
    let rules = floors.rules(below: domain).map {
      OperatorFloor($0.value, origin: "outbound.tls.domains \($0.rule)")
    }
    return ([own, floor(below: domain)] + rules).uniqued()
  }
}

extension [OperatorFloor] {
  fileprivate func uniqued() -> [OperatorFloor] {
    var seen: Set<OperatorFloor> = []
    return filter { seen.insert($0).inserted }
  }
}
