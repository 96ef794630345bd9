public import MailSyntax

/// What the checks that DMARC rests on came to. Source: RFC 9989 §4.3, §5.3.3.
public struct DMARCInput: Hashable, Sendable {
  /// The check of SPF for MAIL FROM; of HELO's it takes none.
  public struct SPF: Hashable, Sendable {
    /// MAIL FROM's domain; HELO's where the reverse path was empty (RFC 7208 §2.4, RFC 9989 §3.2.4).
    public let domain: DomainName
    /// `pass`, and nothing else.
    public let passed: Bool
    public let isTemporaryError: Bool

    public init(domain: DomainName, passed: Bool, isTemporaryError: Bool = false) {
      self.domain = domain
      self.passed = passed
      self.isTemporaryError = isTemporaryError
    }
  }

  /// One signature.
  public struct DKIM: Hashable, Sendable {
    /// d=
    public let domain: DomainName
    public let passed: Bool
    public let isTemporaryError: Bool

    public init(domain: DomainName, passed: Bool, isTemporaryError: Bool = false) {
      self.domain = domain
      self.passed = passed
      self.isTemporaryError = isTemporaryError
    }
  }

  /// Nil where there was no domain to check.
  public let spf: SPF?
  public let dkim: [DKIM]

  public init(spf: SPF?, dkim: [DKIM]) {
    self.spf = spf
    self.dkim = dkim
  }
}
