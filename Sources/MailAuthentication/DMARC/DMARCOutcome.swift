public import MailSyntax

/// What DMARC came to for a message, and why.
public struct DMARCOutcome: Hashable, Sendable {
  public let result: DMARCResult
  /// Why the message has no author to ask about; the result is `permerror` then.
  public let authorFault: DMARCAuthorFault?
  /// One for each of the author's domains, in the order of the From field; nearly always one.
  public let verdicts: [DMARCVerdict]
  /// The one of them that decides: see `DMARCEvaluation`.
  public let decisive: DMARCVerdict?
  /// From the first question to the verdict.
  public let steps: [AuthenticationStep]

  /// What the owner of the deciding domain asks to be done with this message: nothing unless it failed.
  public var requested: DMARCDisposition { result == .fail ? decisive?.requested ?? .none : .none }
}

/// What DMARC came to for one of the author's domains.
public struct DMARCVerdict: Hashable, Sendable {
  /// In its ASCII form.
  public let authorDomain: DomainName
  public internal(set) var result: DMARCResult = .none
  /// With `temperror` and `permerror`: why, in a few words.
  public internal(set) var problem: String?
  /// Where the policy record was found: the author's domain, its Organizational Domain or a public suffix above.
  public internal(set) var policyDomain: DomainName?
  public internal(set) var record: DMARCRecord?
  /// Nil where nothing depended on it, and it wasn't looked for.
  public internal(set) var organizationalDomain: DomainName?
  /// What the record asks for mail from this domain that fails: p, sp or np, one level lower under t=y.
  public internal(set) var requested: DMARCDisposition = .none
  /// Of each identifier: SPF's, then the signatures' in their order.
  public internal(set) var alignments: [DMARCAlignment] = []

  init(authorDomain: DomainName) { self.authorDomain = authorDomain }
}

/// Whether an identifier speaks for the author's domain. Source: RFC 9989 §4.4.
public struct DMARCAlignment: Hashable, Sendable {
  public enum Mechanism: String, Hashable, Sendable, CaseIterable {
    case spf = "SPF"
    case dkim = "DKIM"
  }

  public enum Standing: Hashable, Sendable {
    case aligned
    /// Authenticated, and another's.
    case notAligned
    case notAuthenticated
    /// It might be aligned, and a look-up that failed for now keeps that from being known.
    case unknown(String)
    /// It was not looked at: there were too many names.
    case notEvaluated
  }

  public let mechanism: Mechanism
  /// In its ASCII form.
  public let domain: DomainName
  public let mode: DMARCRecord.Alignment
  public let standing: Standing
}
