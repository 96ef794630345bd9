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

  /// That a name or record isn't there is believed for no longer than this, whatever the zone says.
  public static let maximumNegativeTime: Duration = .seconds(60)

  public let settings: Settings
  private let context: UnboundContext
  private let converter: any IDNAConverter
  private let exchangers = AnswerMemory<MailExchanger>()
  private let addresses4 = AnswerMemory<IPAddress>()
  private let addresses6 = AnswerMemory<IPAddress>()
  private let texts = AnswerMemory<[UInt8]>()
  private let associations = AnswerMemory<TLSARecord>()
  private let aliases = AnswerMemory<DomainName>()
  private let pointers = AnswerMemory<DomainName>()

  /// - Parameter converter: names outside ASCII are asked for by their A-labels.
  public init(_ settings: Settings = Settings(), converter: any IDNAConverter) throws(ResolverFault) {
    self.settings = settings
    self.converter = converter
    context = try UnboundContext(settings)
  }

  deinit { context.retire() }

  public func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> {
    await lookUp(name, .mailExchanger, exchangers, reading: ResourceData.mailExchanger)
  }

  public func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    let (type, memory): (QuestionType, AnswerMemory<IPAddress>) =
      switch family {
      case .v4: (.addressV4, addresses4)
      case .v6: (.addressV6, addresses6)
      }
    return await lookUp(name, type, memory) { (data) throws(ResourceDataFault) in
      try ResourceData.address(data, family: family)
    }
  }

  public func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> {
    await lookUp(name, .text, texts, reading: ResourceData.text)
  }

  public func textsAtHand(of name: DomainName) -> DNSAnswer<[UInt8]>? { texts.answer(for: name, at: .now) }

  public func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> {
    await lookUp(name, .tlsa, associations) { (data) throws(ResourceDataFault) in TLSARecord(data: data) }
  }

  public func alias(of name: DomainName) async -> DNSAnswer<DomainName> {
    await lookUp(name, .alias, aliases, reading: ResourceData.domainName)
  }

  public func names(of address: IPAddress) async -> DNSAnswer<DomainName> {
    guard let name = address.reverseName else { return .noSuchName(.insecure) }
    return await lookUp(name, .pointer, pointers, reading: ResourceData.domainName)
  }

  private func lookUp<Record>(
    _ name: DomainName, _ type: QuestionType, _ memory: AnswerMemory<Record>,
    reading read: ([UInt8]) throws(ResourceDataFault) -> Record
  ) async -> DNSAnswer<Record> {
    if let answer = memory.answer(for: name, at: .now) { return answer }
    // A name that has no form in the DNS, or is longer than RFC 1035 §2.3.4 lets one be, is nobody's.
    guard let asked = converter.asciiForm(of: name), asked.description.utf8.count <= QuestionType.maximumNameOctets
    else { return .noSuchName(.insecure) }
    switch await context.lookUp(QuestionType.presentation(of: asked), type) {
    case .success(let found):
      let answer = found.answer(to: asked, reading: read)
      memory.keep(
        answer, for: name, octets: found.data.reduce(0) { $0 + $1.count },
        timeToLive: .seconds(max(0, found.timeToLiveSeconds)), at: .now)
      return answer
    case .failure(let failure): return .failed(reason: failure.reason)
    }
  }
}

/// Why there is no resolver.
public struct ResolverFault: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}

/// The types of record that are asked for, by their numbers (RFC 1035 §3.2.2, RFC 3596 §2.1, RFC 6698 §7.1).
enum QuestionType: Int32, Sendable {
  /// 255 octets on the wire, which have a length in front and the root behind.
  static let maximumNameOctets = 253

  /// Of the characters that a name may have here, only the backslash means something in a name that is written down
  /// (RFC 1035 §5.1).
  static func presentation(of name: DomainName) -> String {
    guard name.description.utf8.contains(UInt8(ascii: "\\")) else { return name.description }
    return name.description.reduce(into: "") { $0 += $1 == "\\" ? "\\\\" : String($1) }
  }

  case addressV4 = 1
  case alias = 5
  case pointer = 12
  case mailExchanger = 15
  case text = 16
  case addressV6 = 28
  case tlsa = 52
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
