public import MailSyntax
public import TransportSecurity

/// What our operator says of single destinations.
public struct DestinationRules: Hashable, Sendable {
  /// Of every domain without a rule of its own.
  public var floor: TLSFloor
  private var floors: [DomainName: TLSFloor] = [:]
  private var floorsBelow: [DomainName: TLSFloor] = [:]

  public init(floor: TLSFloor = .opportunistic) { self.floor = floor }

  /// - Parameter below: the rule is for the domains below this one, and not for itself.
  public mutating func set(_ floor: TLSFloor, for domain: DomainName, below: Bool = false) {
    if below { floorsBelow[domain] = floor } else { floors[domain] = floor }
  }

  /// The rule for the domain itself, else the closest above it, else the general one.
  public func evidence(for domain: MailDomain) -> TLSEvidence {
    guard let name = domain.name else { return TLSEvidence(floor: floor, floorOrigin: "outbound.tls.floor") }
    if let own = floors[name] { return TLSEvidence(floor: own, floorOrigin: "the rule for \(name)") }
    var rest = name.folded[...]
    while let dot = rest.firstIndex(of: ".") {
      rest = rest[rest.index(after: dot)...]
      guard let parent = try? DomainName(rest), let found = floorsBelow[parent] else { continue }
      return TLSEvidence(floor: found, floorOrigin: "the rule for .\(parent)")
    }
    return TLSEvidence(floor: floor, floorOrigin: "outbound.tls.floor")
  }
}
