import ControlPlane
import MailSyntax
import Relay

/// A day's mail by whose name it came in, in words.
struct AuthResults {
  let day: UTCDay
  /// Of each domain what came most often first.
  let facts: [AuthenticationFacts]

  /// - Parameter domain: the one that was asked for, which is told in whole; nil for all, a line each.
  func lines(of domain: DomainName?) -> [String] {
    guard !facts.isEmpty else {
      let name = domain.map { "the name of \($0)" } ?? "a name"
      return QueueText.wrapped("Nothing came in \(name) under a DMARC policy on \(day) (UTC).", indent: 0)
    }
    return domain == nil ? table : Array(byPolicy.map(story).joined(separator: [""]))
  }

  // MARK: All domains

  private var table: [String] {
    let domains = Dictionary(grouping: facts, by: \.domain).sorted { $0.key < $1.key }
    return ["MESSAGES  PASSED REFUSED  MARKED  LET IN  P=NONE  DOMAIN, \(day) (UTC)"]
      + domains.map { domain, facts in
        let sums = Sums(facts)
        return QueueText.right("\(sums.messages)", 8)
          + Verdict.allCases.map { QueueText.right("\(sums[$0])", 8) }.joined()
          + "  " + QueueText.clip(domain, QueueText.width - 50)
      }
  }

  // MARK: One domain

  /// By domain, and where a policy was changed amid the day, by each.
  private var byPolicy: [[AuthenticationFacts]] {
    Dictionary(grouping: facts) { [$0.domain, $0.policy] }
      .sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value)
  }

  private func story(_ facts: [AuthenticationFacts]) -> [String] {
    let (first, sums) = (facts[0], Sums(facts))
    let parts = Verdict.allCases.filter { sums[$0] > 0 }.map { "\(sums[$0]) \($0.rawValue)" }
    let count = QueueText.count(sums.messages, "message")
    return QueueText.wrapped("\(first.domain), \(day) (UTC): \(count), \(parts.joined(separator: ", "))", indent: 0)
      + QueueText.wrapped(first.policy, indent: 2)
      + facts.flatMap(lines)
  }

  private func lines(_ facts: AuthenticationFacts) -> [String] {
    let name = facts.authorDomain == facts.domain ? "" : " as \(facts.authorDomain)"
    let dkim = facts.dkim.isEmpty ? "none" : facts.dkim.joined(separator: ", ")
    var said = "SPF \(facts.spf); DKIM \(dkim); aligned: \(facts.alignedWords)"
    if !facts.override.isEmpty { said += "; not as the policy asks (\(facts.override))" }
    return [
      QueueText.right("\(facts.count)", 8) + "  " + QueueText.left(Verdict(facts).rawValue, 9)
        + QueueText.clip(facts.client + name, QueueText.width - 19)
    ] + QueueText.wrapped(said, indent: 19)
  }
}

/// What a message had in the end.
private enum Verdict: String, CaseIterable {
  case passed
  case refused
  case marked
  /// It didn't pass, and went on against the wish of the author's domain.
  case letIn = "let in"
  /// It didn't pass, and the author's domain asks for nothing: `p=none`, or what comes to the same.
  case unasked = "p=none"

  init(_ facts: AuthenticationFacts) {
    switch AuthenticationRecord.Disposition(rawValue: facts.disposition) {
    case .reject: self = .refused
    case .quarantine: self = .marked
    // A server of another version may name what this one doesn't know.
    case .some(.none), nil: self = facts.passed ? .passed : facts.override.isEmpty ? .unasked : .letIn
    }
  }
}

/// Messages by verdict.
private struct Sums {
  private var counts: [Verdict: Int] = [:]

  init(_ facts: [AuthenticationFacts]) {
    for facts in facts { counts[Verdict(facts), default: 0] += facts.count }
  }

  subscript(verdict: Verdict) -> Int { counts[verdict] ?? 0 }
  var messages: Int { counts.values.reduce(0, +) }
}

extension AuthenticationFacts {
  fileprivate var alignedWords: String {
    switch (isSPFAligned, isDKIMAligned) {
    case (true, true): "SPF and DKIM"
    case (true, false): "SPF"
    case (false, true): "DKIM"
    case (false, false): "neither"
    }
  }
}
