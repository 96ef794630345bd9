import ArgumentParser
import ControlPlane
import MailSyntax
import Relay

struct PolicyAuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "What operators did to the transport policy: who, what, why, when.",
    usage: "martlet policy audit --data <folder> [<domain>] [--json]",
    discussion: """
      The oldest first, the newest \(PolicyControl.maximumAuditGiven) at most. Nothing in it is ever changed or taken \
      out. With a domain what was done about that very domain. With --json one object a line.
      """)

  @OptionGroup var place: PlaceOptions
  @Argument(help: "The recipients' domain.", transform: DomainArgument.read) var domain: DomainName?
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await complaining {
      let answers = try await PolicyPlace.serving(try place.place()) { try await $0.ask(.audit(domain)) }
      var records: [AuditFacts] = []
      for case .audit(let facts) in answers { records.append(facts) }
      if json {
        for record in records { Console.print(try QueueText.json(record)) }
        return
      }
      for case .eventsOmitted(let count) in answers { Console.print("\(count) older records not shown.") }
      Console.print(PolicyAuditCommand.lines(records).joined(separator: "\n"))
    }
  }

  static func lines(_ records: [AuditFacts]) -> [String] {
    records.isEmpty ? ["Nothing is on record."] : records.flatMap(\.lines)
  }
}

extension AuditFacts {
  /// When, what and of which domain; by whom and why; and what it weakened.
  fileprivate var lines: [String] {
    let mark = weakerThan == nil ? "" : " WEAKER"
    var lines = QueueText.wrapped("\(at.instant.shortText) \(deed)\(mark) \(domain)", indent: 0)
    var what = ""
    if let number, let floor, let until {
      what = "override \(number), \(floor) until \(until.instant.shortText), "
    }
    lines += QueueText.wrapped("\(what)by \(author): \(reason)", indent: 2)
    if let weakerThan { lines += QueueText.wrapped("weaker than \(weakerThan)", indent: 2) }
    return lines
  }
}
