import DNSRecords
import MailQueue
import MailSyntax
import SMTPSessions

extension ConfigurationReader {
  /// The whole file. Nil when something that must be there is not, which has been reported.
  mutating func configuration(_ root: YAMLNode) -> Configuration? {
    guard let root = section(root, path: "", place: "", at: .start) else { return nil }
    let hostName = read(Keys.hostName, in: root)
    let dataFolder = readPath(Keys.data, in: root)
    let usersFile = readPath(Keys.users, in: root)
    let tls = readTLS(in: root)
    let listeners = readListeners(in: root, hasCertificates: tls.isConfigured)
    let domains = readDomains(in: root)
    let inbound = readInbound(in: root, listeners: listeners)
    let outbound = readOutbound(in: root)
    routes.outbound = outbound
    let dns = readDNS(in: root)
    let queue = readQueue(in: root)
    let limits = readLimits(in: root)
    var log = Configuration.Log()
    if let section = open("log", in: root), let format = read(Keys.logFormat, in: section) { log.format = format }
    let drainTime = read(Keys.drainTime, in: root)

    let hasDomains = root.entry("domains").map { !$0.value.isNothing } ?? false
    checkDestinations(listeners: listeners, hasDomains: hasDomains, outbound: outbound)
    guard let hostName, let dataFolder, let outbound else { return nil }
    var configuration = Configuration(
      hostName: hostName, dataFolder: dataFolder, listeners: listeners, certificates: tls.certificates,
      trustRoots: tls.trustRoots, usersFile: usersFile ?? "\(dataFolder)/users.json", domains: domains,
      outbound: outbound, dns: dns, queue: queue, limits: limits, log: log)
    configuration.inbound = inbound
    if let drainTime { configuration.drainTime = drainTime }
    return configuration
  }

  // MARK: TLS

  private struct TLSFiles {
    var certificates: [Configuration.CertificateFiles] = []
    var trustRoots: [String] = []
    /// Certificates are named, if perhaps badly.
    var isConfigured = false
  }

  private mutating func readTLS(in root: Section) -> TLSFiles {
    var files = TLSFiles()
    guard let tls = open("tls", in: root) else { return files }
    for roots in readList(Keys.trustRoots, in: tls) ?? [] { files.trustRoots.append(absolute(roots.value)) }
    guard let entry = tls.entry("certificates") else { return files }
    guard case .list(let items) = entry.value.content else {
      fault(
        "tls.certificates: here stands \(entry.value.kind), not a list", at: entry.value.position,
        "begin each certificate with `- chain: FILE`, and put `key: FILE` under it")
      files.isConfigured = !entry.value.isNothing
      return files
    }
    files.isConfigured = !items.isEmpty
    for (number, item) in items.enumerated() {
      let place = "tls.certificates[\(number)]"
      note(place, at: item.position)
      guard let section = section(item, path: "tls.certificates[]", place: place, at: item.position) else { continue }
      let chain = readPath(Keys.chain, in: section)
      let key = readPath(Keys.key, in: section)
      if let chain, let key { files.certificates.append(Configuration.CertificateFiles(chain: chain, key: key)) }
    }
    return files
  }

  // MARK: DNS

  private mutating func readDNS(in root: Section) -> Configuration.DNS? {
    guard let section = open("dns", in: root) else { return nil }
    var dns = Configuration.DNS()
    dns.servers = readList(Keys.dnsServers, in: section)?.map(\.value) ?? []
    dns.trustAnchors = readPath(Keys.trustAnchors, in: section)
    guard let probe = open("probe", in: section) else { return dns }
    if let names = readList(Keys.probeSecure, in: probe) { dns.probe.secure = names.map(\.value) }
    if let names = readList(Keys.probeBogus, in: probe) { dns.probe.bogus = names.map(\.value) }
    return dns
  }

  // MARK: Queue and limits

  private mutating func readQueue(in root: Section) -> Configuration.Queue {
    var queue = Configuration.Queue()
    guard let section = open("queue", in: root) else { return queue }
    readSchedule(in: section, into: &queue)
    if let value = read(Keys.giveUpAfter, in: section) { queue.giveUpAfter = value }
    if let value = read(Keys.delayReportAfter, in: section) { queue.delayReportAfter = value }
    if let value = read(Keys.history, in: section) { queue.history = value }
    if let value = read(Keys.spaceFloor, in: section) { queue.spaceFloor = value }
    if let value = read(Keys.routeConcurrency, in: section) { queue.routeConcurrency = value }

    if queue.delayReportAfter >= queue.giveUpAfter {
      let place = section.has(Keys.delayReportAfter.name) ? Keys.delayReportAfter : Keys.giveUpAfter
      warn(
        "a message is given up after \(queue.giveUpAfter.shortForm), so nobody is told of a delay after "
          + queue.delayReportAfter.shortForm,
        at: position(of: place.row.path), "make delay_report_after shorter than give_up_after")
    }
    if let first = queue.retry.delays.first, first > queue.giveUpAfter {
      fault(
        "queue.retry: the first wait of \(first.shortForm) is longer than give_up_after",
        at: position(of: "queue.retry"), "make it shorter than \(queue.giveUpAfter.shortForm)")
    }
    return queue
  }

  private mutating func readSchedule(in section: Section, into queue: inout Configuration.Queue) {
    let before = errorCount
    let delays = readList(Keys.retry, in: section)?.map(\.value)
    let policyDelays = readList(Keys.policyRetry, in: section)?.map(\.value)
    let jitter = read(Keys.retryJitter, in: section) ?? RetrySchedule.standard.jitterPercent
    guard errorCount == before else { return }
    queue.retry = schedule(delays ?? RetrySchedule.standard.delays, jitter, Keys.retry, in: section) ?? queue.retry
    queue.policyRetry =
      schedule(policyDelays ?? RetrySchedule.untilMended.delays, jitter, Keys.policyRetry, in: section)
      ?? queue.policyRetry
  }

  private mutating func schedule(
    _ delays: [Duration], _ jitter: Int, _ key: Key<Duration>, in section: Section
  ) -> RetrySchedule? {
    do {
      return try RetrySchedule(delays: delays, jitterPercent: jitter)
    } catch {
      let entry = section.entry(key.row.name)
      fault("\(key.row.path): \(error)", at: entry?.value.position, "give \(key.row.form)")
      return nil
    }
  }

  private mutating func readLimits(in root: Section) -> Configuration.Limits {
    var limits = Configuration.Limits()
    guard let section = open("limits", in: root) else { return limits }
    for limit in Keys.sizeLimits {
      if let value = read(limit.key, in: section) { limits[keyPath: limit.field] = value }
    }
    for limit in Keys.countLimits {
      if let value = read(limit.key, in: section) { limits[keyPath: limit.field] = value }
    }
    for limit in Keys.timeLimits {
      if let value = read(limit.key, in: section) { limits[keyPath: limit.field] = value }
    }
    if limits.connectionsPerAddress > limits.connections {
      warn(
        "\(limits.connectionsPerAddress) connections of one address are more than the \(limits.connections) in all",
        at: position(of: "limits.connections_per_address") ?? position(of: "limits.connections"),
        "make connections_per_address smaller")
    }
    if limits.session.contentIdleTime > limits.session.contentTime {
      fault(
        "limits: content_idle_time is longer than content_time, the time for all of a message",
        at: position(of: "limits.content_idle_time") ?? position(of: "limits.content_time"),
        "make content_time the longer one")
    }
    return limits
  }

  // MARK: Rules across sections

  /// Mail that is taken in must have somewhere to go.
  private mutating func checkDestinations(
    listeners: [Configuration.Listener], hasDomains: Bool, outbound: Configuration.Outbound?
  ) {
    guard !hasDomains else { return }
    if listeners.contains(where: { $0.role == .relay }) {
      fault(
        "listen.relay: other servers may send to our domains alone, and none is named",
        at: position(of: "listen.relay"), "name the domain under domains, or take listen.relay out")
    } else if outbound?.route == Configuration.Outbound.Route.none {
      fault(
        "mail can go nowhere: there are no domains and no outbound route", at: position(of: "outbound.route") ?? .start,
        "add domains, or an outbound section with a route")
    }
  }
}
