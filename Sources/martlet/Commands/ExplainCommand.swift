import ArgumentParser
import Configuration
import DNSRecords
import Diagnosis
import InternationalDomainNames
import MailSyntax
import NIOPosix
import PolicyTransport
import Relay
import SMTPSessions
import SMTPTransport
import SystemWorld

struct ExplainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "How mail would go to a domain, and why; what an attacker could still do; what to mend.",
    usage: "martlet explain <domain> [<options>]",
    discussion: """
      Looks up what a delivery looks up and decides as a delivery decides: MX records and addresses with their DNSSEC \
      state, TLSA records, MTA-STS, the floor, and what the sender asks for. Each rule is told with what it \
      found and the RFC section that it follows; what can be mended, with the record or the file to publish.

      Without --config the floor is opportunistic and the resolver asks from the root on, or the servers that the \
      options name; with it floors and resolver are the server's own, and overrides, kept policies and the ratchet \
      are asked of the running server, or read from its data folder. Where they aren't known the report says so.

      With --live the first \(HostVisit.maximumHosts) hosts are visited too: EHLO, STARTTLS, EHLO, QUIT, and no mail. \
      What they show is compared with what was decided, and TLSA records to publish are computed from their \
      certificates.

      Exit codes: 0 mail would go, 1 it would wait or be returned, 64 wrong use, 66 a file can't be read, 69 there is \
      no resolver, 75 the DNS has no answer for now, 78 bad configuration.
      """)

  @Argument(help: ArgumentHelp("The recipients' domain, or an address such as [192.0.2.1].", valueName: "domain"))
  var domain: String
  @Flag(help: "As if the sender asked for REQUIRETLS.") var requireTls = false
  @Flag(help: "Connect to the mail hosts, and compare.") var live = false
  @OptionGroup var dns: ResolverOptions
  @Flag(help: "Print JSON.") var json = false

  func validate() throws { _ = try mailDomain() }

  func run() async throws {
    let domain = try mailDomain()
    let configuration = try dns.configuration()
    if let configuration, configuration.outbound.route != .exchangers {
      Console.complain("outbound.route is not mx: this is how mail would go if it were, by the floors of the file")
    }
    let settings = configuration.map { ExchangerSettings($0) } ?? ExplainCommand.settings
    let section = try dns.section(of: configuration)
    let resolver = try dns.resolver(section)
    let loops = TransportLoops(group: MultiThreadedEventLoopGroup.singleton)
    defer { loops.shutDown() }
    let roots = try trustRoots(configuration)
    let kept = await KeptSnapshot.take(of: domain, configuration)
    let clock = SystemClock()
    // What isn't kept yet is fetched now, as a delivery would, and kept nowhere.
    let fetcher = try HTTPSPolicyFetcher(loops: loops, resolver: resolver, roots: roots, now: { clock.now })
    let survey = DestinationSurvey(
      settings, resolver: resolver,
      memory: try await kept.memory(resolver: resolver, fetcher: fetcher, clock: clock), clock: clock,
      random: SystemRandom())
    let remark = "the DNS has not answered yet. Asked: \(section.asked)"
    let account = await remarkingOnSilence(remark, after: .seconds(3)) {
      await survey.survey(domain, wish: requireTls ? .required : .unstated)
    }
    let visits = live ? try await visit(account, settings, roots, on: loops) : []
    let report = ExplainReport(explanation: Explanation(account, visits: visits), kept: kept.source)
    Console.print(try json ? QueueText.json(report) : report.lines(Paint.onStandardOutput).joined(separator: "\n"))
    if report.exitCode == ExitStatus.tryAgain { Console.complain("the DNS has no answer. Asked: \(section.asked)") }
    guard report.exitCode == .success else { throw report.exitCode }
  }

  private func trustRoots(_ configuration: Configuration?) throws -> TrustRoots {
    do {
      return try TrustRoots.files(configuration?.trustRoots ?? [])
    } catch {
      Console.complain("\(error)")
      throw ExitStatus.noInput
    }
  }

  /// Of somebody without a configuration.
  private static var settings: ExchangerSettings {
    ExchangerSettings(
      egress: Egress(name: OwnIdentity.current), ownNames: [], converter: LibraryIDNAConverter())
  }

  /// One after the other: whoever runs many hosts for one domain shouldn't take it for a flood.
  private func visit(
    _ account: DestinationAccount, _ settings: ExchangerSettings, _ roots: TrustRoots, on loops: TransportLoops
  ) async throws -> [HostVisit?] {
    let dialer = try NIODialer(loops: loops, roots: roots, now: { SystemClock().now })
    var visits: [HostVisit?] = []
    for host in account.hosts.prefix(HostVisit.maximumHosts) {
      Console.note("martlet: connecting to \(QueueText.printable("\(host.name)"))")
      visits.append(await HostVisit.pay(to: host, port: account.port, from: settings.egress, by: dialer))
    }
    return visits
  }

  // MARK: Reading what was asked for

  private func mailDomain() throws -> MailDomain {
    let text = domain.count > 1 && domain.hasSuffix(".") ? domain.dropLast() : domain[...]
    guard !text.contains("@"), let mailbox = try? Mailbox("anybody@\(text)") else {
      throw ValidationError("\(domain): this is no domain; write example.org, or [192.0.2.1] for a server's address.")
    }
    return mailbox.domain
  }
}
