public import DNSRecords
public import MailSyntax

/// Whether a client may send in a name: SPF's `check_host()`, whole. Source: RFC 7208.
///
/// Bounds: ten terms that look something up, two look-ups without an answer, ten names of a pointer or an exchanger, and
/// `time` for all of it (§4.6.4). Nothing throws: whatever happens is a result with the steps that led to it.
public struct SPFCheck: Sendable {
  public struct Bounds: Hashable, Sendable {
    /// Terms that look something up: `include`, `a`, `mx`, `ptr`, `exists`, `redirect`.
    public var lookUps = 10
    /// Look-ups that find no record.
    public var voidLookUps = 2
    /// Exchangers of an `mx`, and names of a `ptr` or `%{p}`.
    public var names = 10
    /// Begun look-ups are waited for; none is begun behind it. The RFC asks for 20 seconds or more.
    public var time: Duration = .seconds(20)
    /// Octets of an explanation: it goes into a reply.
    public var explanationOctets = 400
    public init() {}
  }

  let resolver: any Resolver
  let converter: any IDNAConverter
  let clock: any MailClock
  let receiver: String
  let bounds: Bounds

  /// - Parameter receiver: who checks, as explanations name it with `%{r}`.
  public init(
    resolver: any Resolver, converter: any IDNAConverter, clock: any MailClock, receiver: DomainName?,
    bounds: Bounds = Bounds()
  ) {
    self.resolver = resolver
    self.converter = converter
    self.clock = clock
    self.receiver = receiver?.description ?? "unknown"
    self.bounds = bounds
  }

  public func outcome(of question: SPFQuestion) async -> SPFOutcome {
    var evaluation = SPFEvaluation(self, question)
    return await evaluation.outcome()
  }
}

/// In whose name a client comes. Source: RFC 7208 §2.3, §2.4.
public struct SPFQuestion: Hashable, Sendable {
  public enum Identity: String, Hashable, Sendable { case mailFrom = "mailfrom", helo }

  public let address: IPAddress
  public let identity: Identity
  public let localPart: String
  /// As it was given: one that is no name of the DNS has no record.
  public let domain: String
  /// What the client greeted with.
  public let helo: String

  /// - Parameters:
  ///   - address: an IPv4 address in its IPv6 form is an IPv4 address.
  ///   - domain: of MAIL FROM; for `.helo`, and for the null reverse path, the name of the greeting.
  ///   - localPart: empty where there is none, which is then `postmaster` (RFC 7208 §4.3).
  public init(address: IPAddress, identity: Identity, localPart: String, domain: String, helo: String) {
    self.address = address.unmapped
    self.identity = identity
    self.localPart = localPart.isEmpty ? "postmaster" : localPart
    self.domain = domain
    self.helo = helo
  }

  /// Of a session's MAIL command; the null reverse path asks about the greeting (RFC 7208 §2.4).
  public static func mailFrom(_ mailbox: Mailbox?, from address: IPAddress, helo: String) -> SPFQuestion {
    guard let mailbox else {
      return SPFQuestion(address: address, identity: .mailFrom, localPart: "", domain: helo, helo: helo)
    }
    return SPFQuestion(
      address: address, identity: .mailFrom, localPart: mailbox.localPart,
      domain: "\(mailbox.domain)", helo: helo)
  }

  public static func helo(_ helo: String, from address: IPAddress) -> SPFQuestion {
    SPFQuestion(address: address, identity: .helo, localPart: "", domain: helo, helo: helo)
  }
}

/// What came of a check.
public struct SPFOutcome: Hashable, Sendable {
  public let result: SPFResult
  public let identity: SPFQuestion.Identity
  /// The domain that was asked about.
  public let domain: String
  /// The directive that matched, as it stands in its record; nil where none did.
  public let directive: String?
  /// With `temperror` and `permerror`, and with `none` what is missing.
  public let problem: String?
  /// With `fail`: what the domain has to say to the sender. Its words, not ours: of ASCII, printable, bounded.
  public let explanation: String?
  public let steps: [AuthenticationStep]
}

extension IPAddress {
  /// RFC 4291 §2.5.5.2: `::ffff:192.0.2.1` is `192.0.2.1`.
  var unmapped: IPAddress {
    if case .v6(0, let low) = self, low >> 32 == 0xffff { return .v4(UInt32(truncatingIfNeeded: low)) }
    return self
  }
}
