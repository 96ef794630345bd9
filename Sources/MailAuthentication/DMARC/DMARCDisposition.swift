/// What a domain's owner asks for mail in its name that isn't proven to be. Source: RFC 9989 §4.7, p.
public enum DMARCDisposition: String, Hashable, Sendable, CaseIterable, Comparable {
  case none, quarantine, reject

  /// RFC 9989 §4.7, t=y: the policy that is tried out is applied one level lower.
  public var lowered: DMARCDisposition {
    switch self {
    case .none, .quarantine: .none
    case .reject: .quarantine
    }
  }

  /// By strictness.
  public static func < (left: DMARCDisposition, right: DMARCDisposition) -> Bool { left.rank < right.rank }

  private var rank: Int {
    switch self {
    case .none: 0
    case .quarantine: 1
    case .reject: 2
    }
  }
}

/// What DMARC comes to. Source: RFC 9989 §9.2; RFC 8601 §2.7 has the words.
public enum DMARCResult: String, Hashable, Sendable, CaseIterable {
  /// No policy record exists for the author's domain.
  case none
  case pass, fail
  /// A look-up failed for now: neither passed nor failed (RFC 9989 §5.3.6).
  case temperror
  /// The From field gives no author, or the record can't be used.
  case permerror
}
