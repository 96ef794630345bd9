import ArgumentParser
import Configuration
import DNSRecords
import DNSTransport
import InternationalDomainNames
import MailSyntax

/// Where a command's answers of the DNS come from: from a server's configuration, from named resolvers, else from the
/// root on.
struct ResolverOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The server's configuration file.", valueName: "file")) var config: String?
  @Option(help: ArgumentHelp("A resolver to ask; may be repeated.", valueName: "address@port")) var server: [String] =
    []
  @Option(help: ArgumentHelp("DS or DNSKEY records, in place of the root's.", valueName: "file"))
  var trustAnchors: String?
  @Option(help: ArgumentHelp("The longest wait for an answer of the DNS.", valueName: "seconds")) var timeout: Int?

  func validate() throws {
    if config != nil, !server.isEmpty || trustAnchors != nil {
      throw ValidationError("--config names resolvers and anchors: leave out --server and --trust-anchors.")
    }
    if let timeout, !(1...600).contains(timeout) { throw ValidationError("--timeout is between 1 and 600.") }
    _ = try servers()
  }

  /// What --config names; a fault is told, and ends the command.
  func configuration() throws -> Configuration? { try config.map { try ConfigurationSource.loadOrExplain($0) } }

  /// - Parameter configuration: as `configuration()` gave it.
  func section(of configuration: Configuration?) throws -> Configuration.DNS {
    if let configuration { return configuration.dns ?? Configuration.DNS() }
    var dns = Configuration.DNS()
    dns.servers = try servers()
    dns.trustAnchors = trustAnchors
    return dns
  }

  func resolver(_ section: Configuration.DNS) throws -> UnboundResolver {
    do {
      var settings = try UnboundResolver.Settings(section)
      if let timeout { settings.bounds.lookUpTime = .seconds(timeout) }
      return try UnboundResolver(settings, converter: LibraryIDNAConverter())
    } catch let fault as TrustAnchorFileFault {
      Console.complain("\(fault)")
      throw config == nil ? ExitStatus.noInput : ExitStatus.badConfiguration
    } catch let fault as ResolverFault {
      Console.complain("\(fault)")
      throw ExitStatus.unavailable
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

extension Configuration.DNS {
  /// Who is asked, as a person is told it.
  var asked: String {
    servers.isEmpty
      ? "the domain's name servers, found from the root on" : servers.map(\.description).joined(separator: ", ")
  }
}
