import ControlPlane
import MailSyntax
import Relay

/// What `policy show` and its like print.
struct PolicyListing: Encodable {
  var policies: [PolicyFacts] = []
  var overrides: [OverrideFacts] = []
  var steady: [SteadyFacts] = []
  /// Of the domain that was asked for.
  var asked: AskedFacts?

  init(_ answers: [ControlAnswer]) {
    for answer in answers {
      switch answer {
      case .policy(let facts): policies.append(facts)
      case .override(let facts): overrides.append(facts)
      case .steady(let facts): steady.append(facts)
      case .asked(let facts): asked = facts
      case .message, .recipient, .event, .eventsOmitted, .standing, .status, .metrics, .changed, .reloaded, .backup,
        .audit, .authentication,
        .watching,
        .dialogue, .linesLost:
        break
      }
    }
  }

  /// - Parameter domain: the one that was asked for; nil for all.
  func lines(of domain: DomainName?, at now: UTCInstant) -> [String] {
    guard let domain else {
      guard !policies.isEmpty || !overrides.isEmpty else { return ["No policy is kept, and no override is in force."] }
      let table = policies.isEmpty ? ["No policy is kept."] : [PolicyFacts.heading] + policies.map { $0.line(at: now) }
      return table + (overrides.isEmpty ? [] : [""] + OverrideFacts.table(overrides))
    }
    var lines = asked?.lines ?? QueueText.wrapped(domain.description, indent: 0)
    if !policies.isEmpty { lines += [""] + policies.flatMap { $0.lines(at: now) } }
    if !overrides.isEmpty { lines += [""] + OverrideFacts.table(overrides) }
    if !steady.isEmpty { lines += [""] + SteadyFacts.table(steady) }
    return lines
  }
}

extension PolicyFacts {
  static let heading = "MODE     EXPIRES               DOMAIN"

  func line(at now: UTCInstant) -> String {
    let name = isUnreadable ? "\(domain) (damaged: its mail waits)" : domain
    return QueueText.left(mode, 9) + QueueText.left(expiresAt.instant.shortText, 22)
      + QueueText.clip(name, QueueText.width - 31)
  }

  func lines(at now: UTCInstant) -> [String] {
    var lines = QueueText.wrapped("\(domain): MTA-STS \(mode)", indent: 0)
    if isUnreadable {
      lines += QueueText.wrapped(
        "What was kept can't be read any more, so mail for the domain waits until the policy is fetched anew: "
          + "martlet policy refresh \(domain)", indent: 2)
    } else {
      lines += QueueText.wrapped("mx       \(mx.joined(separator: " "))", indent: 2)
      lines += QueueText.wrapped("id       \(id)", indent: 2)
    }
    lines.append("  fetched  \(fetchedAt.instant.shortText)")
    lines.append("  expires  \(expiresAt.instant.shortText)\(expiresAt.instant <= now ? ", so it holds no more" : "")")
    lines.append("  used     \(usedAt.instant.shortText)")
    if let refreshAt { lines.append("  refresh  \(refreshAt.instant.shortText)") }
    if let trouble { lines += QueueText.wrapped("trouble  \(trouble)", indent: 2) }
    return lines
  }
}

extension OverrideFacts {
  static func table(_ overrides: [OverrideFacts]) -> [String] {
    ["   NO  FLOOR          UNTIL                 DOMAIN"] + overrides.flatMap(\.lines)
  }

  var lines: [String] {
    let name = subdomains ? "\(domain) and all below" : domain
    let line =
      QueueText.right("\(number)", 5) + "  " + QueueText.left(floor, 15)
      + QueueText.left(until.instant.shortText, 22) + QueueText.clip(name, QueueText.width - 44)
    return [line] + QueueText.wrapped("by \(author): \(reason)\(weaker.map { "; weaker than \($0)" } ?? "")", indent: 7)
  }

  /// The stricter floors within its reach; nil for none.
  private var weaker: String? {
    guard isWeaker == true else { return nil }
    return (weakerThan + (moreWeakened > 0 ? ["\(moreWeakened) more"] : [])).joined(separator: ", ")
  }
}

extension SteadyFacts {
  static func table(_ records: [SteadyFacts]) -> [String] {
    ["SHOWN      TIMES  SINCE                 HOST"]
      + records.map { record in
        QueueText.left(record.level, 10) + QueueText.right("\(record.successes)", 6) + "  "
          + QueueText.left(record.firstAt.instant.shortText, 22)
          + QueueText.clip("\(record.host) \(record.address)", QueueText.width - 40)
      }
  }
}
