import Accounts
public import DNSRecords
public import MailSyntax
import Synchronization

/// Knows of domains that say by a null MX that they take no mail, while the client is still there. RFC 7505 §4.
///
/// That the DNS doesn't say so in time is no such word: then mail goes on, and its delivery finds out.
public final class NullExchangerCheck: Sendable {
  public static let lookUpTime: Duration = .seconds(3)
  /// Look-ups at the same time; beyond them nobody is asked about.
  public static let maximumAsking = 256
  /// Domains whose answer is kept; the one answered longest ago makes room.
  public static let maximumAnswers = 20_000
  /// The most that an answer is kept, whatever its TTL.
  public static let answerTime: Duration = .seconds(300)

  /// After a failure it isn't asked again by each message: where the DNS is down, nobody waits twice for one domain.
  public static let failureTime: Duration = .seconds(30)

  private struct State {
    var answers = RecencyTable<DomainName, (isNull: Bool, until: Uptime)>(
      capacity: NullExchangerCheck.maximumAnswers)
    var asking = 0
  }

  private let resolver: any Resolver
  private let clock: any MailClock
  private let state = Mutex(State())

  public init(_ resolver: any Resolver, clock: any MailClock) {
    self.resolver = resolver
    self.clock = clock
  }

  /// At once where an answer is at hand.
  public func takesNoMail(_ domain: DomainName) -> Prompt<Bool> {
    let now = clock.uptime
    let known = state.withLock { $0.answers.value(for: domain) }
    if let known, now < known.until { return .now(known.isNull) }
    return .later { await self.ask(about: domain) }
  }

  private func ask(about domain: DomainName) async -> Bool {
    let mayAsk = state.withLock { state in
      guard state.asking < NullExchangerCheck.maximumAsking else { return false }
      state.asking += 1
      return true
    }
    guard mayAsk else { return false }
    let answer = await clock.within(NullExchangerCheck.lookUpTime) { [resolver] in
      await resolver.mailExchangers(of: domain)
    }
    let now = clock.uptime
    return state.withLock { state in
      state.asking -= 1
      let (isNull, time) = answer?.nullExchanger ?? (false, NullExchangerCheck.failureTime)
      state.answers.set((isNull, now + min(time, NullExchangerCheck.answerTime)), for: domain)
      return isNull
    }
  }
}

extension DNSAnswer where Record == MailExchanger {
  /// Whether a null MX stands alone (RFC 7505 §3), and how long that holds; nil where nobody could say.
  fileprivate var nullExchanger: (isNull: Bool, time: Duration)? {
    switch self {
    case .records(let set):
      let hasHost = set.records.contains { record in
        if case .host = record.exchange { true } else { false }
      }
      return (!hasHost && set.records.contains { $0.exchange == .null }, set.timeToLive)
    case .none, .noSuchName: return (false, NullExchangerCheck.answerTime)
    case .failed, .bogus: return nil
    }
  }
}
