/// What SPF says of a client and a name. Source: RFC 7208 §2.6; the words are those of RFC 8601 §2.7.2.
public enum SPFResult: String, Hashable, Sendable, CaseIterable {
  /// No name to ask about, or no record there.
  case none
  /// The record says expressly nothing.
  case neutral
  case pass
  case fail
  /// Probably not, says the record, and asks not to be taken for `fail`.
  case softfail
  /// The DNS could not say for now.
  case temperror
  /// The record can't be read, or goes on without end.
  case permerror
}
