import DNSRecords
import MailSyntax
public import Relay
public import TransportSecurity

/// How mail would go to a domain, and why: what an account of it comes to, beside what its hosts showed where they were
/// visited. Pure.
public struct Explanation: Sendable {
  /// What would become of a message now.
  public enum Outcome: Hashable, Sendable {
    /// - Parameter leastVerdict: of the hosts that it may go to, what the least safe must be.
    case goes(leastVerdict: TLSVerdict)
    /// - Parameter reason: a clause.
    case waits(reason: String)
    case returned(reason: String)
    /// The DNS has no answer for now; mail waits.
    case unanswered(reason: String)
  }

  public let account: DestinationAccount
  /// By the host's place; empty where none was visited.
  public let visits: [HostVisit?]

  public init(_ account: DestinationAccount, visits: [HostVisit?] = []) {
    self.account = account
    self.visits = visits
  }

  public func visit(_ place: Int) -> HostVisit? { place < visits.count ? visits[place] : nil }

  /// Whether a message may be handed to the host, as far as is known.
  public func takesMail(_ place: Int) -> Bool {
    let host = account.hosts[place]
    return host.mayBeUsed && visit(place).map { host.judgement(of: $0).letsMailGo } ?? true
  }

  public var outcome: Outcome {
    if let fault = account.fault { return Explanation.outcome(of: fault) }
    let takers = account.hosts.indices.filter(takesMail)
    let verdicts = takers.compactMap { account.hosts[$0].policy?.decision.verdict }
    if let least = verdicts.first(where: { $0 == .opportunistic }) ?? verdicts.first(where: { $0 == .encrypt })
      ?? verdicts.first
    {
      return .goes(leastVerdict: least)
    }
    let ends = account.hosts.indices.map(end)
    // Later comes before never: nothing is returned while a host may still take it.
    let first = ends.first { !$0.isForGood } ?? ends.first
    guard let first else { return .waits(reason: "no mail host is known") }
    if ends.allSatisfy(\.isUnanswered) { return .unanswered(reason: first.reason) }
    return first.isForGood ? .returned(reason: first.reason) : .waits(reason: first.reason)
  }

  private static func outcome(of fault: DestinationFault) -> Outcome {
    switch fault {
    case .lookupFailed: .unanswered(reason: fault.description)
    case .noSuchDomain, .noMailHost, .takesNoMail, .onlyOurselves, .noUsableHost, .noAddress, .bogus:
      fault.isForGood ? .returned(reason: fault.description) : .waits(reason: fault.description)
    }
  }

  private struct End {
    let reason: String
    var isForGood = false
    var isUnanswered = false
  }

  /// Why a host doesn't take mail.
  private func end(_ place: Int) -> End {
    let host = account.hosts[place]
    if let fault = host.fault {
      switch fault {
      case .lookupFailed: return End(reason: fault.description, isUnanswered: true)
      case .noSuchDomain, .noMailHost, .takesNoMail, .onlyOurselves, .noUsableHost, .noAddress, .bogus:
        return End(reason: fault.description, isForGood: fault.isForGood)
      }
    }
    switch host.policy?.decision.verdict {
    case .refuse(let obstacle): return End(reason: obstacle.reason, isForGood: true)
    case .tryLater(let obstacle): return End(reason: obstacle.reason)
    case .opportunistic, .encrypt, .authenticate, nil: break
    }
    switch visit(place).map({ host.judgement(of: $0) }) {
    case .fellShort(_, let words), .unreached(let words): return End(reason: "\(host.name): \(words)")
    // RFC 8689 §4.2.1, §5: where no host takes it, the message is returned.
    case .lacksRequireTLS:
      return End(
        reason: "\(host.name): the sender asks for REQUIRETLS, and the server doesn't offer it", isForGood: true)
    case .met, .metInClear, nil: return End(reason: "\(host.name) takes no mail")
    }
  }
}
