import DNSRecords
import MailSyntax

/// One address, put to all lists at once.
struct DNSListRound: Sendable {
  var verdict = DNSListVerdict()
  /// Lists that said nothing of the address, with why.
  var failures: [Failure] = []

  struct Failure: Sendable {
    let list: DNSList
    let reason: String
    /// The list said that it doesn't serve us.
    let isDeclined: Bool
  }

  static let lateness = "no answer within \(DNSListCheck.lookUpTime.components.seconds) s"

  static func run(
    about address: IPAddress, of lists: [DNSList], by resolver: any Resolver, clock: any MailClock, deadline: Uptime
  ) async -> DNSListRound {
    var answers = [(finding: DNSList.Finding, reason: String?)](
      repeating: (.unanswered(lateness), nil), count: lists.count)
    await withTaskGroup(of: Piece.self) { group in
      for (index, list) in lists.enumerated() {
        group.addTask { await ask(list, at: index, about: address, by: resolver) }
      }
      group.addTask {
        await clock.sleep(until: deadline)
        return .late
      }
      var left = lists.count
      collecting: for await piece in group {
        switch piece {
        case .late: break collecting
        case .finding(let index, let finding):
          answers[index].finding = finding
          left -= 1
        case .listed(let index, let finding, let reason):
          answers[index] = (finding, reason)
          left -= 1
        }
        if left == 0 { break collecting }
      }
      group.cancelAll()
    }
    var round = DNSListRound()
    for (list, answer) in zip(lists, answers) { round.take(answer.finding, answer.reason, of: list) }
    return round
  }

  private enum Piece: Sendable {
    case late
    case finding(index: Int, DNSList.Finding)
    case listed(index: Int, DNSList.Finding, reason: String?)
  }

  private static func ask(
    _ list: DNSList, at index: Int, about address: IPAddress, by resolver: any Resolver
  ) async -> Piece {
    guard let question = list.question(about: address) else {
      return .finding(index: index, .unanswered("the zone's name is too long"))
    }
    let finding = list.finding(in: await resolver.addresses(of: question, family: .v4))
    guard case .listed = finding else { return .finding(index: index, finding) }
    // RFC 5782 §2.1: the reason stands at the same name. A listing counts without it.
    guard case .records(let texts) = await resolver.texts(of: question) else {
      return .listed(index: index, finding, reason: nil)
    }
    return .listed(index: index, finding, reason: DNSListReason.text(texts.records))
  }

  private mutating func take(_ finding: DNSList.Finding, _ reason: String?, of list: DNSList) {
    switch finding {
    case .notListed: break
    case .listed(let answer):
      verdict.listings.append(DNSListVerdict.Listing(list: list, answer: answer, reason: reason))
    case .declined(let reason): failures.append(Failure(list: list, reason: reason, isDeclined: true))
    case .unanswered(let reason): failures.append(Failure(list: list, reason: reason, isDeclined: false))
    }
  }
}
