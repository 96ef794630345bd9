import ArgumentParser
import Configuration
import ControlPlane
import MailSyntax
import Relay
import SystemWorld
import TransportSecurity

struct OverrideCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "override",
    abstract: "Your word for one domain and a bounded time, in place of the configured floor.",
    discussion: """
      A floor says the least that mail goes by: opportunistic, encrypt, verified or dane. An override stands in place \
      of the configured floor, stricter or weaker; it lifts nothing that the domain publishes by DANE or MTA-STS. A \
      domain's own override counts before one with --below, and that of the nearest domain above before all further \
      ones. With --below it also stands in place of the floors that outbound.tls.domains has for domains below. There \
      is one for each domain, with and without --below: another one ends the former.
      """,
    subcommands: [OverrideAdd.self, OverrideList.self, OverrideRemove.self])
}

struct OverrideAdd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add", abstract: "Let another floor hold for a domain, until a named time.",
    usage: "martlet policy override add --data <folder> <domain> <options>",
    discussion: """
      Wanted are --floor, --until and --why. What the override lets mail go below is said, and written into the audit; \
      so is what it doesn't lift. Waiting mail that it reaches is tried at once.
      """)

  @OptionGroup var place: PlaceOptions
  @Argument(help: "The recipients' domain.", transform: DomainArgument.read) var domain: DomainName
  @Option(help: ArgumentHelp("opportunistic, encrypt, verified or dane.", valueName: "floor")) var floor: String
  @Option(
    help: ArgumentHelp(
      "The end: 2026-12-01 (that day too, in UTC), 2026-12-01T12:00Z, or a time from now: 90m, 12h, 7d, 2w.",
      valueName: "when"))
  var until: String
  @Option(help: ArgumentHelp("Why; written into the audit and the log.", valueName: "text")) var why: String
  @Flag(help: "Also for every domain below.") var below = false
  @Option(help: ArgumentHelp("In whose name; without it yours.", valueName: "name")) var author: String?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    try ReasonRule.check(why)
    if let author, author.isEmpty || author.utf8.count > FloorOverride.maximumAuthorOctets {
      throw ValidationError("--author has 1 to \(FloorOverride.maximumAuthorOctets) octets.")
    }
    _ = try request(at: SystemClock().now)
  }

  /// Judged here as the server will judge it, so that what is wrong is said before anybody is asked.
  func request(at now: UTCInstant) throws -> NewOverride {
    guard let known = TLSFloor(rawValue: floor) else {
      let names = TLSFloor.allCases.map(\.rawValue)
      let near = Spelling.nearest(to: floor, among: names).map { " Did you mean \($0)?" } ?? ""
      throw ValidationError(
        "\"\(QueueText.printable(floor))\" is no floor: there are \(names.joined(separator: ", ")).\(near)")
    }
    guard let end = OverrideEnd(until) else {
      throw ValidationError("\"\(QueueText.printable(until))\" is no end: write \(OverrideEnd.forms).")
    }
    let moment = end.moment(from: now)
    let override = FloorOverride(
      domain: domain, includesSubdomains: below, floor: known, from: now, until: moment, reason: why,
      author: author ?? "you")
    if let fault = override.fault(at: now) { throw ValidationError("--until \(until): \(fault).") }
    return NewOverride(
      domain: domain, includesSubdomains: below, floor: known, until: Timestamp(moment), reason: why,
      author: author)
  }

  func run() async throws {
    try await complaining {
      let request = try request(at: SystemClock().now)
      let (answers, isServed) = try await PolicyPlace.serving(try place.place()) { place in
        (try await place.ask(.addOverride(request)), place.isServed)
      }
      guard let report = OverrideReport(answers, isServed: isServed) else {
        throw ControlFault(.failed, "nothing is said of the override")
      }
      Console.print(try json ? QueueText.json(report) : report.linesOfAddition.joined(separator: "\n"))
    }
  }
}

struct OverrideList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "The overrides in force, the oldest first.",
    usage: "martlet policy override list --data <folder> [--json]",
    discussion: "With --json one object a line.")

  @OptionGroup var place: PlaceOptions
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await complaining {
      let answers = try await PolicyPlace.serving(try place.place()) { try await $0.ask(.overrides) }
      let overrides = PolicyListing(answers).overrides
      if json {
        for override in overrides { Console.print(try QueueText.json(override)) }
      } else {
        Console.print(
          overrides.isEmpty ? "No override is in force." : OverrideFacts.table(overrides).joined(separator: "\n"))
      }
    }
  }
}

struct OverrideRemove: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "end", abstract: "End an override before its time.",
    usage: "martlet policy override end --data <folder> <number> --why <text>",
    discussion: "What holds now is said, and waiting mail that the override reached is tried at once.",
    aliases: ["remove"])

  @OptionGroup var place: PlaceOptions
  @Argument(help: "Its number, as `martlet policy override list` shows it.") var number: Int64
  @Option(help: ArgumentHelp("Why; written into the audit and the log.", valueName: "text")) var why: String
  @Flag(help: "Print JSON.") var json = false

  func validate() throws { try ReasonRule.check(why) }

  func run() async throws {
    try await complaining {
      let (answers, isServed) = try await PolicyPlace.serving(try place.place()) { place in
        (try await place.ask(.endOverride(number, reason: why)), place.isServed)
      }
      guard let report = OverrideReport(answers, isServed: isServed) else {
        throw ControlFault(.failed, "nothing is said of the override")
      }
      Console.print(try json ? QueueText.json(report) : report.linesOfEnd.joined(separator: "\n"))
    }
  }
}
