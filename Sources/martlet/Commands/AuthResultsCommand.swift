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
      UTC: today's, unless --day names one of the \(SQLitePolicyStore.recordDays) before. Mail that failed and was let \
      in, though its author's domain asks otherwise, is what authentication: enforce would refuse or mark. With a \
      domain, from which addresses it came and what SPF and DKIM said of it; with --json one object a line for each of \
      these.

      Exit codes: 0 it is told, be it nothing, 64 wrong use, 66 nobody has served this folder, 75 the folder is \
      somebody else's for now, 77 not permitted, 78 bad configuration.
      """)

  @OptionGroup var place: PlaceOptions
  @Argument(help: "The authors' domain, or the one whose policy was gone by.", transform: DomainArgument.read)
  var domain: DomainName?
  @Option(help: ArgumentHelp("The day, as 2026-11-23.", valueName: "day"), transform: AuthResultsCommand.readDay)
  var day: UTCDay?
  @Flag(help: "Print JSON.") var json = false

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
