import ControlPlane
import MailSyntax
import Relay
import TransportSecurity

/// What a person hears of an override that came or went: the deed, what else asks, and what becomes of waiting mail.
struct OverrideReport: Encodable {
  let override: OverrideFacts
  /// What is asked of its domain now.
  let asked: AskedFacts?
  /// Recipients that became due; nil where no server runs, or the queue couldn't be had.
  let retried: Int?
  private let isServed: Bool

  /// Nil where the answers are of no override.
  init?(_ answers: [ControlAnswer], isServed: Bool) {
    let listing = PolicyListing(answers)
    guard let override = listing.overrides.first else { return nil }
    self.override = override
    self.isServed = isServed
    asked = listing.asked
    var retried: Int?
    for case .changed(let count) in answers { retried = count }
    self.retried = retried
  }

  private enum CodingKeys: String, CodingKey { case asked, retried }

  /// The override's own members, with these among them.
  func encode(to encoder: any Encoder) throws {
    try override.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(asked, forKey: .asked)
    try container.encodeIfPresent(retried, forKey: .retried)
  }

  private var reach: String { override.subdomains ? "\(override.domain) and all below" : override.domain }

  // MARK: An addition

  var linesOfAddition: [String] {
    var text = [
      "Override \(override.number): the floor for \(reach) is \(override.floor) until "
        + "\(override.until.instant.shortText)."
    ]
    for number in override.replaces { text.append("Override \(number), of the same domain and reach, is ended.") }
    var lines = text.flatMap { QueueText.wrapped($0, indent: 0) }
    if override.isWeaker == true {
      lines.append("WEAKER than these floors, and so it stands in the audit:")
      for floor in override.weakerThan { lines += QueueText.wrapped(floor, indent: 2) }
      if override.moreWeakened > 0 { lines.append("  and \(override.moreWeakened) more") }
    } else if override.isWeaker == nil {
      lines += QueueText.wrapped(
        "Whether that is weaker than the configured floors isn't known: no floors were read; name them by --config.",
        indent: 0)
    }
    for nearer in override.nearer {
      lines += QueueText.wrapped(
        "Override \(nearer.number) (\(nearer.floor)) counts before it for \(nearer.domain).", indent: 0)
    }
    let others = notLifted
    if !others.isEmpty {
      lines.append("Not lifted by it, for the strictest counts:")
      for other in others { lines += QueueText.wrapped(other, indent: 2) }
    }
    return lines + waitingMail
  }

  /// Who else asks, or may ask, for more than the override's floor.
  private var notLifted: [String] {
    guard let floor = TLSFloor(rawValue: override.floor), floor.isWeaker(than: .verified) else { return [] }
    var others: [String] = []
    if let policy = asked?.policy, policy.mode == STSPolicy.Mode.enforce.rawValue {
      others.append("MTA-STS, mode enforce until \(policy.until.instant.shortText), asks for a proven certificate")
    }
    if let steady = asked?.steady, steady.conduct == SteadyTLS.Conduct.hold.rawValue,
      floor == .opportunistic || steady.level == SteadyTLS.Level.verified.rawValue
    {
      others.append("its servers have steadily been \(steady.level), and outbound.tls.on_downgrade is hold")
    }
    return others + ["DANE, where the domain publishes it: martlet explain \(override.domain)"]
  }

  // MARK: An end

  var linesOfEnd: [String] {
    var text = ["Override \(override.number) for \(reach) is ended."]
    if let floor = asked?.floor {
      text.append("The floor for \(override.domain) is now \(floor.floor) (\(floor.origin)).")
    } else {
      text.append("What is configured holds now; with --config it is told what that is.")
    }
    if override.subdomains, let below = asked?.floorBelow, below != asked?.floor {
      text.append("For the domains below, where nothing nearer speaks, it is \(below.floor) (\(below.origin)).")
    }
    return text.flatMap { QueueText.wrapped($0, indent: 0) } + waitingMail
  }

  private var waitingMail: [String] {
    guard isServed else {
      return QueueText.wrapped(
        "No server runs: this counts from the next start on. Waiting mail then goes at its own time, or at once by: "
          + "martlet queue retry --recipient @\(override.domain)", indent: 0)
    }
    switch retried {
    case nil:
      return QueueText.wrapped(
        "Waiting mail couldn't be hurried; try: martlet queue retry --recipient @\(override.domain)", indent: 0)
    case 0?: return ["No mail waits for it."]
    case let count?: return ["\(QueueText.count(count, "waiting recipient")) due now."]
    }
  }
}

extension AskedFacts {
  private static let keyColumns = 10

  /// What `policy show DOMAIN` begins with.
  var lines: [String] {
    var lines = QueueText.wrapped("\(domain): what is asked now, of which the strictest counts", indent: 0)
    if let floor {
      lines += AskedFacts.fact("floor", floor.text)
      if let configured, configured != floor { lines += AskedFacts.fact("", "without overrides \(configured.text)") }
    } else {
      lines += AskedFacts.fact("floor", "not known: no configuration is named, or it sends no mail by MX")
    }
    if let floorBelow, floorBelow != floor { lines += AskedFacts.fact("below", floorBelow.text) }
    lines += AskedFacts.fact(
      "MTA-STS", policy.map { "\($0.mode) until \($0.until.instant.shortText)" } ?? "no policy is kept")
    lines += AskedFacts.fact(
      "ratchet",
      steady.map { steady in
        let holds = steady.conduct == SteadyTLS.Conduct.hold.rawValue
        return "steadily \(steady.level) since \(steady.since.instant.shortText); "
          + (holds ? "with less the mail waits" : "less is said aloud, and the mail goes")
      } ?? "its servers have no steady record")
    return lines + AskedFacts.fact("DANE", "looked up with each delivery: martlet explain \(domain)")
  }

  private static func fact(_ key: String, _ value: String) -> [String] {
    let column = 2 + keyColumns
    var lines = QueueText.wrapped(value, indent: column)
    if let first = lines.first { lines[0] = "  " + QueueText.left(key, keyColumns) + first.dropFirst(column) }
    return lines
  }
}

extension AskedFacts.Floor {
  fileprivate var text: String { "\(floor) (\(origin))" }
}
