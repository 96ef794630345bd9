import DNSRecords
import MailQueue
import MailSyntax
import OrderedCollections
import Relay

extension Ledger {
  /// What may end a recipient before it expires; all else is tried again (Documentation/Outcomes.md).
  private static let lastWords: Set<Outcome.Reason> = [
    .noSuchDomain, .takesNoMail, .loop, .hostNeverAccepts, .tooBig, .policy, .address, .refused, .unsupported,
    .senderAsksForMore,
  ]

  /// What a server says, and nobody else: with a reply that says so for good.
  private static let serversWords: Set<Outcome.Reason> = [.hostNeverAccepts, .tooBig, .policy, .address, .refused]

  /// A report never waits for what hosts have steadily shown: those who wait for it can't mend that.
  func checkWaiting(_ event: MailEvent) {
    guard event.kind == .deferred, case .text(let text)? = event["id"], let id = QueueID(text),
      case .text(let result)? = event["result"], result.contains("with less the mail waits")
    else { return }
    if message(id).map({ $0.reversePath == .null }) ?? true { violate("the report \(id) is held: \(result)") }
  }

  /// A recipient was given up: for a reason that allows it, and true.
  func checkFailure(_ event: MailEvent, _ entry: Entry) {
    // An operator gives none.
    guard case .text(let name)? = event["reason"], let reason = Outcome.Reason(rawValue: name) else { return }
    if !Ledger.lastWords.contains(reason), let lifetime = lifetime(of: entry.id),
      case .number(let age)? = event["age-seconds"], .seconds(age + 1) + setBack < lifetime
    {
      violate("\(entry.id) to \(entry.address) failed after \(age) s, though \(name) is no last word")
    }
    if Ledger.serversWords.contains(reason), case .text(let result)? = event["result"],
      !result.split(separator: " ").contains(where: { $0.count == 3 && $0.first == "5" && Int($0) != nil })
    {
      violate("\(entry.id) to \(entry.address) failed as \(name), and no server said so: \(result)")
    }
    if reason == .senderAsksForMore, event["route"] != .text(SimulatedInternet.outbound.rawValue),
      wish(of: entry.id) != .required
    {
      violate("\(entry.id) to \(entry.address) failed for REQUIRETLS, which nobody asked for")
    }
    guard case .text(let route)? = event["route"], RouteKey(rawValue: route).leadsToExchangers,
      let domain = entry.address.domain.name, let truth = foreign?.domains[domain]
    else { return }
    switch (reason, truth.mail) {
    case (.noSuchDomain, .exchangers), (.noSuchDomain, .implicit): violate("\(domain) exists, and bounced as \(name)")
    case (.takesNoMail, .implicit), (.takesNoMail, .nothing), (.takesNoMail, .noSuchName):
      violate("\(domain) has no null MX, and bounced as \(name)")
    case (.takesNoMail, .exchangers(let records)):
      if !records.allSatisfy({ $0.exchange == .null }) { violate("\(domain) takes mail, and bounced as \(name)") }
    case (_, _): break
    }
  }
}
