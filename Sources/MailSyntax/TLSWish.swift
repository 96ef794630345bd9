/// What the sender of a message asks of the channels it goes by; the raw value is its name in logs and in the store.
/// Source: RFC 8689.
public enum TLSWish: String, Hashable, Sendable, CaseIterable {
  /// Nothing: the recipient's domain and the operator decide.
  case unstated
  /// `REQUIRETLS` with MAIL: proven servers that pass the wish on, all the way, or none (§2).
  case required
  /// The header field `TLS-Required: No`: delivery counts for more than what the recipient's domain publishes (§3).
  case notRequired = "not-required"
}
