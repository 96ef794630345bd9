public import DNSRecords
public import MailAuthentication
public import MailQueue
public import MailSyntax
public import Relay
public import SMTPSessions

/// Everything that `martlet.yaml` says, as checked values: what `serve` runs on, and what `dev` makes without a file.
///
/// Paths are absolute: relative ones in the file are taken from the file's own folder.
public struct Configuration: Sendable {
  public var hostName: DomainName
  /// The folder of queue, users and keys.
  public var dataFolder: String
  public var listeners: [Listener]
  public var certificates: [CertificateFiles]
  /// PEM files with the roots that next hops are judged by; empty means the system's.
  public var trustRoots: [String]
  /// The users file, as `martlet user` writes it.
  public var usersFile: String
  /// In the order of the file; the first is the primary one.
  public var domains: [Domain]
  public var inbound = Inbound()
  public var outbound: Outbound
  /// Nil where the section is absent.
  public var dns: DNS?
  public var queue: Queue
  public var limits: Limits
  public var log: Log
  /// How long a stop waits for sessions and deliveries.
  public var drainTime: Duration

  public struct Listener: Hashable, Sendable {
    public var role: ListenerRole
    public var addresses: [SocketEndpoint]
    /// Names of inherited sockets (LISTEN_FDNAMES).
    public var inherited: [String]
    /// Networks in CIDR form whose connections begin with a PROXY protocol v2 header.
    public var trustedProxies: [String]
  }

  public struct CertificateFiles: Hashable, Sendable {
    public var chain: String
    public var key: String
  }

  public struct Domain: Hashable, Sendable {
    public var name: DomainName
    public var recipients: [String]
    /// The LMTP server is asked who lives here; then `recipients` is empty.
    public var asksForRecipients = false
    public var aliases: [Alias]
    public var catchAll: Mailbox?
    public var postmaster: Mailbox
    /// Where `abuse` leads; nil means to the postmaster.
    public var abuse: Mailbox?
    public var recipientDelimiter: Character?
    public var deliver: Destination
    /// What follows from SPF, DKIM and DMARC for its mail; nil where it is as for the others.
    public var authentication: LocalPolicy.Mode?

    public struct Alias: Hashable, Sendable {
      public var localPart: String
      public var targets: [Mailbox]
    }
  }

  /// Where mail is put.
  public enum Destination: Hashable, Sendable {
    /// A path with `%d` for the domain and `%n` for the local part.
    case maildir(path: String)
    case lmtp(DialTarget)
    case discard

    fileprivate var isVerified: Bool {
      switch self {
      case .lmtp(.host): true
      case .lmtp(.address), .lmtp(.addresses), .lmtp(.unixSocket), .maildir, .discard: false
      }
    }
  }

  /// Whether mail goes to a next hop that proves its name by a certificate: a smarthost, or LMTP on another machine.
  public var hasVerifiedNextHop: Bool {
    let destinations = domains.map(\.deliver)
    return switch outbound.route {
    case .smarthost: true
    case .local(let destination): (destinations + [destination]).contains(where: \.isVerified)
    // Judged and recorded, also where nobody demands it.
    case .exchangers: true
    case .none: destinations.contains(where: \.isVerified)
    }
  }

  /// What mail from other servers must get past.
  public struct Inbound: Hashable, Sendable {
    /// Also says whose mail isn't authenticated.
    public var lists = DNSListSettings()
    /// What follows from SPF, DKIM and DMARC; nil where mail isn't authenticated at all, as in `martlet dev`.
    public var authentication: LocalPolicy.Mode?
    public init() {}
  }

  public struct Outbound: Hashable, Sendable {
    public var route: Route
    /// Where connections to next hops come from.
    public var egress = Egress()
    /// What mail to the hosts of other domains must go by.
    public var rules = DestinationRules()
    public var exchangers = Exchangers()
    public enum Route: Hashable, Sendable {
      case none
      /// To the hosts that the DNS names for each domain.
      case exchangers
      case smarthost(Smarthost)
      case local(Destination)
    }
  }

  /// Addresses of ours for connections to next hops, one of each family, and the names that go with them.
  public struct Egress: Hashable, Sendable {
    public var v4: Source?
    public var v6: Source?
    public struct Source: Hashable, Sendable {
      public var address: IPAddress
      /// The host name when nil.
      public var ehlo: DomainName?
    }
    public init(v4: Source? = nil, v6: Source? = nil) {
      self.v4 = v4
      self.v6 = v6
    }
  }

  /// The route `mx`.
  public struct Exchangers: Hashable, Sendable {
    public var port: UInt16 = 25
    public var ownNames: [DomainName] = []
    public var perDomain = TrafficLimit()
    public var perHost = TrafficLimit(atOnce: 20)
    public init() {}
  }

  public struct Smarthost: Hashable, Sendable {
    public var host: DomainName
    public var port: UInt16
    public var tls: TLSMode
    public var authentication: Authentication
    public var usesChunking: Bool
    public enum TLSMode: String, Hashable, Sendable, CaseIterable { case implicit, starttls }
    public enum Authentication: Hashable, Sendable {
      case none
      /// The password is the first line of the file.
      case password(user: String, passwordFile: String)
      /// XOAUTH2 with what the command prints.
      case tokenCommand(user: String, command: [String])
    }
  }

  /// How names are looked up.
  public struct DNS: Hashable, Sendable {
    /// Resolvers to ask; empty means recursion from the root.
    public var servers: [SocketEndpoint]
    /// A file of DS and DNSKEY records; nil means the built-in keys of the root.
    public var trustAnchors: String?
    /// What shows that the resolver validates.
    public var probe: ValidationProof
  }

  /// Whether something of the server looks names up in the DNS itself, so that it needs a resolver and its proof.
  public var needsResolver: Bool {
    dns != nil || outbound.route == .exchangers || !inbound.lists.lists.isEmpty
  }

  public struct Queue: Hashable, Sendable {
    public var retry: RetrySchedule
    /// For mail that waits for a channel as safe as is asked for.
    public var policyRetry: RetrySchedule
    public var giveUpAfter: Duration
    public var delayReportAfter: Duration
    /// How long events of finished messages are kept.
    public var history: Duration
    /// Under this much free space nothing new is accepted.
    public var spaceFloor: ByteCount
    /// Deliveries at a time on one route.
    public var routeConcurrency: Int
  }

  public struct Limits: Hashable, Sendable {
    /// The most that `limits.message_size` may be.
    public static let largestMessageSize: ByteCount = .mebibytes(4_096)
    public var session: ServerLimits
    public var connections: Int
    public var connectionsPerAddress: Int
    /// 0 sets no limit.
    public var connectionsPerAddressPerMinute: Int
    public var handshakesPerAddressPerMinute: Int
    public var memoryInFlight: ByteCount
  }

  public struct Log: Hashable, Sendable {
    public var format: Format
    public enum Format: String, Hashable, Sendable, CaseIterable { case text, json }
  }

  public init(
    hostName: DomainName, dataFolder: String, listeners: [Listener], certificates: [CertificateFiles],
    trustRoots: [String] = [], usersFile: String, domains: [Domain], outbound: Outbound,
    dns: DNS? = nil, queue: Queue = Queue(), limits: Limits = Limits(), log: Log = Log(),
    drainTime: Duration = .seconds(30)
  ) {
    self.hostName = hostName
    self.dataFolder = dataFolder
    self.listeners = listeners
    self.certificates = certificates
    self.trustRoots = trustRoots
    self.usersFile = usersFile
    self.domains = domains
    self.outbound = outbound
    self.dns = dns
    self.queue = queue
    self.limits = limits
    self.log = log
    self.drainTime = drainTime
  }
}

extension Configuration.Listener {
  public init(role: ListenerRole, addresses: [SocketEndpoint]) {
    self.init(role: role, addresses: addresses, inherited: [], trustedProxies: [])
  }
}

extension Configuration.DNS {
  /// IANA and NLnet Labs sign their zones; the last name is kept broken for tests of this kind.
  public init() {
    let names = ["iana.org", "nlnetlabs.nl", "dnssec-failed.org"].compactMap { try? DomainName($0) }
    self.init(
      servers: [], trustAnchors: nil,
      probe: ValidationProof(secure: Array(names.prefix(2)), bogus: Array(names.dropFirst(2))))
  }
}

extension Configuration.Queue {
  public init() {
    self.init(
      retry: .standard, policyRetry: .untilMended, giveUpAfter: .seconds(5 * 86_400),
      delayReportAfter: .seconds(4 * 3_600),
      history: .seconds(7 * 86_400), spaceFloor: .mebibytes(256), routeConcurrency: 20)
  }
}

extension Configuration.Limits {
  public init() {
    self.init(
      session: ServerLimits(), connections: 10_000, connectionsPerAddress: 200,
      connectionsPerAddressPerMinute: 0, handshakesPerAddressPerMinute: 600, memoryInFlight: .mebibytes(256))
  }
}

extension Configuration.Log {
  public init() { self.init(format: .text) }
}
