import DNSRecords
import MailQueue
import MailSyntax
import SMTPSessions

/// The keys of the file. Reading and documentation both go by them.
enum Keys {
  private static let queueDefaults = Configuration.Queue()

  // MARK: The house

  static let hostName = Key(
    "hostname", .hostName,
    "The name of this server: in its greeting, its EHLO, its Received fields and its reports. The DNS leads from it to "
      + "this machine and back, and a certificate carries it.")
  static let data = Key(
    "data", .path, "The folder for queue, users and keys. Nobody but the server's own user needs to read it.")
  static let users = Key(
    "users", .path, default: "`users.json` in `data`", "The users that may submit, as `martlet user` writes them.")
  static let logFormat = Key<Configuration.Log.Format>(
    "log.format", .choice, default: "text", "How log lines are written. Events.md lists what they say.")
  static let drainTime = Key(
    "drain_time", .duration(.zero ... .seconds(600)), default: "30s",
    "How long a stop waits for sessions and deliveries under way, all at the same time, before it cuts them off.")

  // MARK: Listeners

  static func listener(_ role: ListenerRole) -> Key<[SocketEndpoint]> {
    switch role {
    case .submissions: submissions
    case .submission: submission
    case .relay: relay
    }
  }
  static let submissions = Key(
    "listen.submissions", .endpoints, isList: true, default: "not listened on",
    "Submission inside TLS from the first byte (RFC 8314), by custom on port 465.")
  static let submission = Key(
    "listen.submission", .endpoints, isList: true, default: "not listened on",
    "Submission after a STARTTLS that nobody gets round (RFC 6409, RFC 3207), by custom on ports 587 and 2525.")
  static let relay = Key(
    "listen.relay", .endpoints, isList: true, default: "not listened on",
    "From other mail servers, to the domains below alone; STARTTLS is offered. By custom on port 25.")
  static let addresses = Key(
    "listen.ROLE.addresses", .endpoints, isList: true, default: "none",
    "The addresses, where the listener needs one of the keys below as well.")
  static let inherited = Key(
    "listen.ROLE.inherited", .word, isList: true, default: "none",
    "Names of listening sockets that the starter hands over (LISTEN_FDNAMES), so that low ports need no root.")
  static let proxyFrom = Key(
    "listen.ROLE.proxy_from", .network, isList: true, default: "none",
    "Networks of proxies: their connections begin with a PROXY protocol v2 header, which is believed.")

  // MARK: TLS

  static let chain = Key(
    "tls.certificates[].chain", .path,
    "A PEM file with the certificate and the intermediates behind it. Several certificates are chosen among by SNI; "
      + "the first answers all else. A change of the file too reads it again.")
  static let key = Key(
    "tls.certificates[].key", .path, "A PEM file with the private key of the chain's first certificate, unencrypted.")
  static let trustRoots = Key(
    "tls.trust_roots", .path, isList: true, default: "the system's roots",
    "PEM files with the authorities that the certificates of next hops are judged by, in place of the system's: of a "
      + "smarthost, of a remote LMTP server, and of mail exchangers, where it is recorded, and demanded by the floor "
      + "`verified`.")

  // MARK: Domains

  static let recipients = Key(
    "domains.NAME.recipients", .localPart, isList: true, default: "none",
    "The mailboxes of the domain, by what stands before the @. The word `\(askLMTP)` in their place has the LMTP server "
      + "asked at RCPT.")
  static let askLMTP = "ask-lmtp"
  static let aliases = Key(
    "domains.NAME.aliases", .addressee, isList: true, default: "none",
    "A section: each key is a local part, and behind it stand the addresses its mail goes to. An alias that names "
      + "itself keeps a copy in the mailbox of its name, which stands in `recipients` too.")
  static let catchAll = Key(
    "domains.NAME.catch_all", .addressee, default: "unknown recipients are refused",
    "Takes mail for every other name of the domain. It brings much spam.")
  static let postmaster = Key(
    "domains.NAME.postmaster", .addressee, default: "the recipient or alias `postmaster`",
    "Who reads mail to the postmaster (RFC 5321 section 4.5.1). Required unless `postmaster` is a recipient or alias.")
  static let abuse = Key(
    "domains.NAME.abuse", .addressee, default: "the recipient or alias `abuse`, else the postmaster",
    "Who reads complaints (RFC 2142).")
  static let recipientDelimiter = Key(
    "domains.NAME.recipient_delimiter", .delimiter, default: "`+`",
    "With `+`, mail for `anna+lists` goes to `anna`.")
  static let deliver = Key<String>(
    "domains.NAME.deliver", ValueForm("discard, or a section with maildir or lmtp") { $0 },
    "Where the domain's mail is put; `discard` throws it away.")
  static let maildir = Key(
    "domains.NAME.deliver.maildir", .maildirPath, default: "none",
    "A Maildir for each mailbox. The folders from the first with %d or %n on are made as mail comes; those above it have "
      + "to be there, so that no mail goes under a disk that isn't mounted.")
  static let lmtp = Key(
    "domains.NAME.deliver.lmtp", .lmtpTarget, default: "none", "A server that takes the mail by LMTP (RFC 2033).")

  // MARK: Outbound

  enum RouteName: String, CaseIterable, Sendable { case mx, smarthost, none, discard, maildir }
  static let route = Key<RouteName>(
    "outbound.route", .choice,
    "How mail for all other domains leaves. `mx` brings it to the hosts that the DNS names for each domain; `smarthost` "
      + "hands all of it to one server; `none` refuses it at submission; `discard` and `maildir` take it and send nothing "
      + "on, for tests.")
  static let outboundMaildir = Key(
    "outbound.maildir", .maildirPath, default: "none", "Where the route `maildir` puts mail.")
  static let sourceAddress = Key(
    "outbound.sources[].address", .address,
    "An address of this machine that connections to next hops come from: one of IPv4 and one of IPv6 at most. For a "
      + "family without one the system chooses.")
  static let sourceName = Key(
    "outbound.sources[].ehlo", .hostName, default: "`hostname`",
    "The name given in EHLO from this address: the one that the DNS gives for it.")
  static let smarthostHost = Key(
    "outbound.smarthost.host", .nextHop, "The next hop, by the name its certificate must carry.")
  static let smarthostPort = Key(
    "outbound.smarthost.port", .count(1...65_535), default: "465 with implicit, 587 with starttls", "Its port.")
  static let smarthostTLS = Key<Configuration.Smarthost.TLSMode>(
    "outbound.smarthost.tls", .choice, default: "implicit",
    "TLS from the first byte, or by STARTTLS. There is no third way: nothing goes over an unverified channel.")
  static let smarthostUser = Key(
    "outbound.smarthost.user", .word, default: "no authentication", "The name to log in with.")
  static let passwordFile = Key(
    "outbound.smarthost.password_file", .path, default: "none",
    "A file whose first line is the password.")
  static let tokenCommand = Key(
    "outbound.smarthost.token_command", .word, isList: true, default: "none",
    "A program, by its absolute path, and its arguments; what it prints is the token for XOAUTH2. No shell is involved."
  )
  static let chunking = Key(
    "outbound.smarthost.chunking", .flag, default: "true", "Whether BDAT is used where the next hop offers it.")

  // MARK: DNS

  static let dnsServers = Key(
    "dns.servers", .nameServer, isList: true, default: "Martlet asks from the root on",
    "Resolvers to ask. What they say is proven here: they have to pass DNSSEC on, and needn't be trusted.")
  static let trustAnchors = Key(
    "dns.trust_anchors", .path, default: "the root's keys 20326 and 38696, built in",
    "A file of DS or DNSKEY records that validation begins at, in place of the built-in keys of the root.")
  static let probeSecure = Key(
    "dns.probe.secure", .domain, isList: true, default: Configuration.DNS().probe.secure.inWords,
    "Names in signed zones, one of which has to be proven, at the start and from time to time. With empty lists "
      + "nothing is tried.")
  static let probeBogus = Key(
    "dns.probe.bogus", .domain, isList: true, default: Configuration.DNS().probe.bogus.inWords,
    "Names whose signatures are wrong on purpose: none may be answered.")

  // MARK: Queue

  static let retry = Key(
    "queue.retry", .duration(RetrySchedule.delayBounds), isList: true,
    default: RetrySchedule.standard.delays.map(\.shortForm).joined(separator: ", "),
    "The waits between attempts; the last one repeats.")
  static let policyRetry = Key(
    "queue.policy_retry", .duration(RetrySchedule.delayBounds), isList: true,
    default: RetrySchedule.untilMended.delays.map(\.shortForm).joined(separator: ", "),
    "The waits between attempts while no connection is as safe as is asked for: whoever mends that shouldn't wait long."
  )
  static let retryJitter = Key(
    "queue.retry_jitter", .percent(RetrySchedule.jitterBounds), default: "\(RetrySchedule.standard.jitterPercent)%",
    "How far each wait is spread to both sides, so that mail deferred together does not return together.")
  static let giveUpAfter = Key(
    "queue.give_up_after", .duration(.seconds(60) ... .seconds(30 * 86_400)),
    default: queueDefaults.giveUpAfter.shortForm,
    "The age at which a message is given up and its sender told; never before an attempt at that age. RFC 5321 section "
      + "4.5.4.1 speaks of 4 to 5 days.")
  static let delayReportAfter = Key(
    "queue.delay_report_after", .duration(.seconds(60) ... .seconds(30 * 86_400)),
    default: queueDefaults.delayReportAfter.shortForm, "The age at which a sender hears, once, that a message waits.")
  static let history = Key(
    "queue.history", .duration(.zero ... .seconds(366 * 86_400)), default: queueDefaults.history.shortForm,
    "How long the events of finished messages are kept.")
  static let spaceFloor = Key(
    "queue.space_floor", .size(.mebibytes(16) ... .mebibytes(1 << 20)), default: "\(queueDefaults.spaceFloor)",
    "With less free space than this nothing new is accepted (452), while deliveries go on.")
  static let routeConcurrency = Key(
    "queue.route_concurrency", .count(1...1_000), default: "\(queueDefaults.routeConcurrency)",
    "Deliveries at the same time on one route; on the route `mx` each domain is one.")
}

extension [DomainName] {
  fileprivate var inWords: String { map { "`\($0)`" }.joined(separator: ", ") }
}
