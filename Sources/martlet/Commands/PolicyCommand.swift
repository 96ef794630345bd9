import ArgumentParser
import Configuration
import ControlPlane
import MailSyntax
import Relay
import SystemWorld
import TransportSecurity

struct PolicyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy",
    abstract: "What is asked of other domains' mail servers: kept policies, and your own dated word.",
    discussion: """
      A running server is asked through control.sock in its data folder, as its own user or root. Where none runs, \
      the command opens the store itself. Every change is written into an audit that is never shortened, with who made \
      it and why.
      """,
    subcommands: [
      PolicyShow.self, PolicyRefresh.self, PolicyForget.self, OverrideCommand.self, PolicyAuditCommand.self,
    ])
}

/// A domain as a person gives it.
enum DomainArgument {
  static func read(_ argument: String) throws -> DomainName {
    let text = argument.count > 1 && argument.hasSuffix(".") ? argument.dropLast() : argument[...]
    let shown = QueueText.printable(argument)
    if text.hasPrefix("."), let name = try? DomainName(text.dropFirst()) {
      throw ValidationError(
        "\(shown): write the domain without the dot in front, \(QueueText.printable(name.description)); "
          + "all below it is meant by --below, where there is one.")
    }
    guard !text.contains("@"), let name = try? DomainName(text) else {
      throw ValidationError("\(shown): this is no domain; write what stands behind the @, such as example.org.")
    }
    guard name.isFullyQualified else {
      throw ValidationError("\(shown): this is a single label; write the whole domain, such as \(shown).example.org.")
    }
    return name
  }
}

struct PolicyShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "What is asked of a domain now; without one, all policies and overrides kept.",
    usage: "martlet policy show --data <folder> [<domain>] [--json]",
    discussion: """
      With a domain: its floor and by whose word, the kept MTA-STS policy, what its servers have steadily shown, and \
      the records behind them. The strictest of all that ask counts. DANE is looked up with each delivery and not \
      kept: `martlet explain` shows it.
      """)

  @OptionGroup var place: PlaceOptions
  @Argument(help: "The recipients' domain.", transform: DomainArgument.read) var domain: DomainName?
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await complaining {
      let answers = try await PolicyPlace.serving(try place.place()) { try await $0.ask(.show(domain)) }
      let listing = PolicyListing(answers)
      Console.print(
        try json
          ? QueueText.json(listing)
          : listing.lines(of: domain, at: SystemClock().now).joined(separator: "\n"))
    }
  }
}

struct PolicyRefresh: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "refresh", abstract: "Fetch a domain's MTA-STS policy now.",
    usage: "martlet policy refresh --data <folder> <domain> [--json]",
    discussion: "Only a running server fetches. What can't be fetched changes nothing: what is kept holds on.")

  @OptionGroup var place: PlaceOptions
  @Argument(help: "The recipients' domain.", transform: DomainArgument.read) var domain: DomainName
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await complaining {
      let answers = try await PolicyPlace.serving(try place.place()) { try await $0.ask(.refresh(domain)) }
      let listing = PolicyListing(answers)
      Console.print(
        try json
          ? QueueText.json(listing)
          : listing.policies.flatMap { $0.lines(at: SystemClock().now) }.joined(separator: "\n"))
    }
  }
}

struct PolicyForget: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forget", abstract: "Forget a domain's kept MTA-STS policy.",
    usage: "martlet policy forget --data <folder> <domain> --why <text>",
    discussion: """
      Until it is found again, mail goes as if the domain had published none; an attacker who hides the domain's record \
      can keep it so. To let mail by for a while, `martlet policy override add` is the better word: it ends.
      """)

  @OptionGroup var place: PlaceOptions
  @Argument(help: "The recipients' domain.", transform: DomainArgument.read) var domain: DomainName
  @Option(help: ArgumentHelp("Why; written into the audit.", valueName: "text")) var why: String

  func validate() throws { try ReasonRule.check(why) }

  func run() async throws {
    try await complaining {
      _ = try await PolicyPlace.serving(try place.place()) { try await $0.ask(.forget(domain, reason: why)) }
      Console.print("The MTA-STS policy of \(domain) is forgotten.")
    }
  }
}

enum ReasonRule {
  static func check(_ why: String) throws {
    guard !why.allSatisfy(\.isWhitespace) else { throw ValidationError("--why is empty: say why.") }
    guard why.utf8.count <= FloorOverride.maximumReasonOctets else {
      throw ValidationError("--why has at most \(FloorOverride.maximumReasonOctets) octets.")
    }
  }
}
