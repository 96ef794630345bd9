/// What is known of recipients' domains beside the DNS and the configuration, and outlives a delivery.
public struct PolicyMemory: Sendable {
  /// Nil where no MTA-STS policies are looked at.
  public var policies: (any STSPolicySource)?
  public var overrides: FloorOverrides?
  public var ratchet: TLSRatchet?

  public init(
    policies: (any STSPolicySource)? = nil, overrides: FloorOverrides? = nil, ratchet: TLSRatchet? = nil
  ) {
    self.policies = policies
    self.overrides = overrides
    self.ratchet = ratchet
  }
}
