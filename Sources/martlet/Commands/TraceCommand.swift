import ArgumentParser
import ControlPlane
import Diagnosis
import Foundation
import MailSyntax
import SMTPSessions
import SMTPTransport

struct TraceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "The way of a message: which hop was encrypted, how, by whose word; or sessions as they happen.",
    usage: """
      martlet trace [--trust <name> ...] [--verbose] [--json] <file>
      martlet trace --live --data <folder> [<conditions>] [--json]
      """,
    discussion: """
      Reads the Received fields of a saved message, or of standard input for `-`, and tells them oldest first. A field \
      is the word of the server that wrote it. The newest one is believed, and those below it as long as the message \
      had not come from outside; all older ones can be forged. Name your own servers with --trust, by domain or \
      address block, to believe what they wrote too.

      With --live it shows the dialogues of a running server as they happen, until Ctrl-C: -> and <- went in clear, ~> \
      and <~ inside TLS, -> always being the server's own. Every condition given must be met by something in the \
      session; what came before is shown then. Passwords are never shown, nor content but for its length. Outgoing \
      connections are shown from their beginning; those that were open already are not.
      """)

  @Argument(help: ArgumentHelp("The message, or - for standard input.", valueName: "file")) var file: String?
  @Option(
    help: ArgumentHelp("A domain or address block of your own servers; may be given several times.", valueName: "name"))
  var trust: [String] = []
  @Flag(help: "Show sessions of a running server as they happen.") var live = false
  @Option(help: ArgumentHelp("With --live: the data folder of the server.", valueName: "folder")) var data: String?
  @Option(help: ArgumentHelp("With --live: its configuration file instead.", valueName: "file")) var config: String?
  @Option(help: ArgumentHelp("Sender's or recipient's domain, or the peer's host.", valueName: "name")) var domain:
    String?
  @Option(help: ArgumentHelp("Sender, recipient, or the peer's IP address.", valueName: "address")) var address: String?
  @Option(help: ArgumentHelp("A session, or a message named in it.", valueName: "id")) var id: String?
  @Option(help: ArgumentHelp("Incoming sessions: submissions, submission or relay.", valueName: "role"))
  var listener: String?
  @Flag(name: .shortAndLong, help: "Show each field as it stands in the message too.") var verbose = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    let liveOptions = [data, config, domain, address, id, listener]
    guard live else {
      guard file != nil else { throw ValidationError("Name a message file, - for standard input, or --live.") }
      guard liveOptions.allSatisfy({ $0 == nil }) else {
        throw ValidationError("--data, --config, --domain, --address, --id and --listener go with --live.")
      }
      _ = try boundary()
      return
    }
    guard file == nil, trust.isEmpty, !verbose else {
      throw ValidationError("--live takes no file, no --trust and no --verbose.")
    }
    guard (data == nil) != (config == nil) else {
      throw ValidationError("Say which server is meant by one of the two: --data FOLDER or --config FILE.")
    }
    if let listener, ListenerRole(rawValue: listener) == nil {
      let roles = ListenerRole.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("\"\(listener)\" is no role of a listener: there are \(roles).")
    }
  }

  func run() async throws {
    if live { return try await watch() }
    guard let file else { return }
    let octets = try ArgumentFile.read(file, atMost: HeaderReading.maximumOctets)
    guard let reading = HeaderReading(octets) else {
      Console.complain("\(QueueText.printable(file)): this is no message: it has no header field")
      throw ExitStatus.badData
    }
    let report = TraceReport(
      trace: MessageTrace(reading.header, trust: try boundary()), shortfall: reading.shortfall, showsFields: verbose)
    Console.print(try json ? QueueText.json(report) : report.lines(Paint.onStandardOutput).joined(separator: "\n"))
  }

  private func watch() async throws {
    try await complaining {
      let filter = DialogueFilter(domain: domain, address: address, id: id, listener: listener)
      let place = try OperatingPlace.named(data: data, config: config)
      let view = LiveView(isJSON: json)
      do throws(ControlFault) {
        try await ControlClient.call(.watch(filter), socketPath: place.socketPath) { answer throws(ControlFault) in
          if answer == .watching { Console.note("martlet: watching; Ctrl-C ends it") }
          for line in view.lines(answer) { Console.print(line) }
        }
      } catch {
        // A server that ends takes the connection with it.
        guard error.kind == .connectionLost else { throw error }
      }
      Console.note("martlet: the server has stopped")
    }
  }

  private func boundary() throws -> TrustBoundary {
    var domains: [DomainName] = []
    var networks: [IPNetwork] = []
    for text in trust {
      if let network = IPNetwork(text) {
        networks.append(network)
      } else if let domain = try? DomainName(text) {
        domains.append(domain)
      } else {
        throw ValidationError(
          "--trust takes a domain or an address block, as example.org or 192.0.2.0/24, not \"\(text)\".")
      }
    }
    return TrustBoundary(domains: domains) { [networks] address in networks.contains { $0.contains(address) } }
  }
}
