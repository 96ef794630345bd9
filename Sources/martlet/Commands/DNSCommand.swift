import ArgumentParser
import Configuration
import DNSRecords
import DNSTransport
import InternationalDomainNames
import MailSyntax

struct DNSCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dns", abstract: "Say what Martlet's own resolver finds, and whether it is proven.",
    usage: "martlet dns <name> [<options>]",
    discussion: """
      `secure` is an answer proven by signatures from the trust anchors on, `insecure` one of an unsigned zone, `bogus` \
      one whose signatures don't hold, which nobody may believe. With --config the resolver is the one that the \
      server has; else the options below make one, which without --server asks from the root on. Each run begins \
      with an empty cache.

      --type tlsa asks for a service, as _25._tcp.mx.example.org. --type dane takes the name of a mail host and does \
      as a delivery would: addresses first, then the TLSA records of the name behind its aliases or of its own, which \
      count only where everything is proven.

      Exit codes: 0 there are records, 64 wrong use, 65 bogus, 66 a file can't be read, 68 no such name or no such \
      record, 75 no answer for now, 78 bad configuration.
      """)

  @Argument(help: ArgumentHelp("The name to look up.", valueName: "name")) var name: String
  @Option(help: "What to look for: mx, a, aaaa, txt, cname, tlsa or dane.") var type = DNSQuestion.mx
  @Option(help: ArgumentHelp("The server's configuration file.", valueName: "file")) var config: String?
  @Option(help: ArgumentHelp("A resolver to ask; may be repeated.", valueName: "address@port")) var server: [String] =
    []
  @Option(help: ArgumentHelp("DS or DNSKEY records, in place of the root's.", valueName: "file"))
  var trustAnchors: String?
  @Option(help: ArgumentHelp("The longest wait.", valueName: "seconds")) var timeout: Int?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    if config != nil, !server.isEmpty || trustAnchors != nil {
      throw ValidationError("--config names resolvers and anchors: leave out --server and --trust-anchors.")
    }
    if let timeout, !(1...600).contains(timeout) { throw ValidationError("--timeout is between 1 and 600.") }
    _ = try domain()
    _ = try servers()
  }

  func run() async throws {
    let domain = try domain()
    let resolver: UnboundResolver
    do {
      var settings = try UnboundResolver.Settings(try section())
      if let timeout { settings.bounds.lookUpTime = .seconds(timeout) }
      resolver = try UnboundResolver(settings, converter: LibraryIDNAConverter())
    } catch let fault as TrustAnchorFileFault {
      Console.complain("\(fault)")
      throw config == nil ? ExitStatus.noInput : ExitStatus.badConfiguration
    } catch let fault as ResolverFault {
      Console.complain("\(fault)")
      throw ExitStatus.unavailable
    }
    let report = await DNSReport(of: domain, type, by: resolver)
    Console.print(try json ? QueueText.json(report) : report.lines.joined(separator: "\n"))
    guard report.exitCode == .success else { throw report.exitCode }
  }

  private func section() throws -> Configuration.DNS {
    if let config { return try ConfigurationSource.loadOrExplain(config).dns ?? Configuration.DNS() }
    var dns = Configuration.DNS()
    dns.servers = try servers()
    dns.trustAnchors = trustAnchors
    return dns
  }

  private func domain() throws -> DomainName {
    do throws(MailSyntaxError) {
      return try DomainName(name.count > 1 && name.hasSuffix(".") ? name.dropLast() : name[...])
    } catch {
      throw ValidationError("\(name): \(error); write a name such as example.org.")
    }
  }

  private func servers() throws -> [SocketEndpoint] {
    try server.map { text in
      guard let server = SocketEndpoint(nameServer: text) else {
        throw ValidationError("--server \(text): an address, such as 192.0.2.53 or 127.0.0.1@5353.")
      }
      return server
    }
  }
}

/// What can be looked for.
enum DNSQuestion: String, ExpressibleByArgument, CaseIterable {
  case mx, a, aaaa, txt
  /// The name's own alias, one step.
  case cname
  /// The records of a service: `_25._tcp.mx.example.org`.
  case tlsa
  /// Not a type of record: all that is asked about a mail host to find the TLSA records that speak for it.
  case dane
}
