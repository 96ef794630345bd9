public import DNSRecords
public import MailSyntax

/// The DNS through libunbound: a validating, caching resolver in this process (RFC 4035 §4). It asks name servers from
/// the root on, or those it is given, and believes nobody's AD bit: it proves each answer itself (RFC 7672 §2.1.1).
///
/// Look-ups under way when it is let go end as they would have; its threads and sockets go with the last of them.
public final class UnboundResolver: Resolver {
  /// What a resolver goes by. It is read when it is made and doesn't change.
  public struct Settings: Hashable, Sendable {
    /// Resolvers to ask; empty means recursion from the root by ourselves.
    public var servers: [SocketEndpoint]
    public var anchors: [TrustAnchor]
    public var bounds = Bounds()

    public init(servers: [SocketEndpoint] = [], anchors: [TrustAnchor] = RootAnchors.builtIn) {
      self.servers = servers
      self.anchors = anchors
    }
  }

  public struct Bounds: Hashable, Sendable {
    /// Of one look-up, chain of CNAMEs and keys included. libunbound goes on without us, and may have the answer at the
    /// next question.
    public var lookUpTime: Duration = .seconds(20)
    /// More than these fail at once.
    public var lookUpsInFlight = 1_000
    public init() {}
  }

  public let settings: Settings
  private let context: UnboundContext
  private let converter: any IDNAConverter

  /// - Parameter converter: names outside ASCII are asked for by their A-labels.
  public init(_ settings: Settings = Settings(), converter: any IDNAConverter) throws(ResolverFault) {
    self.settings = settings
    self.converter = converter
    context = try UnboundContext(settings)
  }

  deinit { context.retire() }

  public func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> {
    await lookUp(name, .mailExchanger, reading: ResourceData.mailExchanger)
  }

  public func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    let type: QuestionType
    switch family {
    case .v4: type = .addressV4
    case .v6: type = .addressV6
    }
    return await lookUp(name, type) { (data) throws(MalformedData) in
      try ResourceData.address(data, family: family)
    }
  }

  public func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> {
    await lookUp(name, .text, reading: ResourceData.text)
  }

  private func lookUp<Record>(
    _ name: DomainName, _ type: QuestionType, reading read: ([UInt8]) throws(MalformedData) -> Record
  ) async -> DNSAnswer<Record> {
    // A name that has no form in the DNS, or is longer than RFC 1035 §2.3.4 lets one be, is nobody's.
    guard let asked = converter.asciiForm(of: name), asked.description.utf8.count <= QuestionType.maximumNameOctets
    else { return .noSuchName(.insecure) }
    switch await context.lookUp(asked.description, type) {
    case .success(let answer): return answer.answer(to: asked, reading: read)
    case .failure(let failure): return .failed(reason: failure.reason)
    }
  }
}

/// Why there is no resolver.
public struct ResolverFault: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}

/// The types of record that are asked for, by their numbers (RFC 1035 §3.2.2, RFC 3596 §2.1).
enum QuestionType: Int32, Sendable {
  /// 255 octets on the wire, which have a length in front and the root behind.
  static let maximumNameOctets = 253

  case addressV4 = 1
  case mailExchanger = 15
  case text = 16
  case addressV6 = 28
}

/// Why a look-up ended without an answer of the DNS.
enum LookUpFailure: Error, Hashable, Sendable {
  case timedOut(after: Duration)
  case cancelled
  case tooMany(Int)
  /// libunbound's words.
  case unbound(String)

  var reason: String {
    switch self {
    case .timedOut(let duration): "no answer within \(duration.shortForm)"
    case .cancelled: "the look-up was cancelled"
    case .tooMany(let count): "\(count) look-ups are under way, and no more are taken"
    case .unbound(let words): "libunbound: \(words)"
    }
  }
}
