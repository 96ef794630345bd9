public import MailSyntax
public import TransportSecurity

/// What our operator says of single destinations' TLS.
public struct DestinationRules: Hashable, Sendable {
  /// Of every domain without a rule of its own.
  public var floor: TLSFloor
  public var floors = DomainTable<TLSFloor>()

  public init(floor: TLSFloor = .opportunistic) { self.floor = floor }

  public func evidence(for domain: MailDomain) -> TLSEvidence {
    guard let found = domain.name.flatMap(floors.match) else {
      return TLSEvidence(floor: floor, floorOrigin: "outbound.tls.floor")
    }
    return TLSEvidence(floor: found.value, floorOrigin: "the rule for \(found.rule)")
  }
}
