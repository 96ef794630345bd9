import ArgumentParser
import ControlPlane
import MailSyntax
import PolicyStorage
import SystemWorld

struct AuthResultsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "results", abstract: "What came in whose name on a day, what was found, and what was done.",
    usage: "martlet auth results --data <folder> [<domain>] [--day <day>] [--json]",
    discussion: """
      Counts what strangers brought in the name of domains with a DMARC policy (RFC 9989), refused or not, by days of \
      UTC: today's, unless --day names one of the \(SQLitePolicyStore.recordDays) before. LET IN is mail that failed \
      and was taken all the same, though its author's domain asks otherwise: authentication: enforce would refuse or \
      mark it, unless it is for postmaster or abuse. P=NONE failed where the domain asks for nothing. With a domain, \
      from which addresses it came and what SPF and DKIM said of it; with --json one object a line for each of these.

      Mail without a DMARC policy isn't counted, nor what was put off. Of all mail the log has what was found: \
      spf, dkim and dmarc of message.accepted, with if-enforced where enforce would not have taken it, and \
      message.unauthenticated for each refusal.

      Exit codes: 0 it is told, be it nothing, 64 wrong use, 66 nobody has served this folder, 75 the folder is \
      somebody else's for now, 77 not permitted, 78 bad configuration.
      """)

  @OptionGroup var place: PlaceOptions
  @Argument(help: "The authors' domain, or the one whose policy was gone by.", transform: DomainArgument.read)
  var domain: DomainName?
  @Option(help: ArgumentHelp("The day, as 2026-11-23.", valueName: "day"), transform: AuthResultsCommand.readDay)
  var day: UTCDay?
  @Flag(help: "Print JSON.") var json = false

  /// Of a day that is forgotten, or to come, "nothing came" would be untrue.
  func validate() throws {
    let today = UTCDay(SystemClock().now)
    let first = UTCDay(number: today.number - SQLitePolicyStore.recordDays)
    guard let day, !(first...today).contains(day) else { return }
    throw ValidationError("--day \(day): counts are kept of the days from \(first) to \(today) (UTC).")
  }

  func run() async throws {
    try await complaining {
      let day = day ?? UTCDay(SystemClock().now)
      let answers = try await PolicyPlace.serving(try place.place()) { try await $0.ask(.authentication(day, domain)) }
      var facts: [AuthenticationFacts] = []
      for case .authentication(let found) in answers { facts.append(found) }
      if json {
        for facts in facts { Console.print(try QueueText.json(facts)) }
        return
      }
      Console.print(AuthResults(day: day, facts: facts).lines(of: domain).joined(separator: "\n"))
    }
  }

  private static func readDay(_ text: String) throws -> UTCDay {
    guard let day = UTCDay(text) else {
      throw ValidationError("write a day of UTC as 2026-11-23.")
    }
    return day
  }
}
