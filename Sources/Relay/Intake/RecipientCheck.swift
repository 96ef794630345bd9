import Accounts
public import MailQueue
public import MailSyntax
import SMTPGrammar
import SMTPSessions
import Synchronization

/// Knows who lives at a domain: the server that takes its mail.
public protocol RecipientAuthority: Sendable {
  /// Never throws. It may take its time: who asks gives up at a moment of their own, and cancellation has to end it.
  func ask(about mailbox: Mailbox) async -> RecipientVerdict
}

/// What is known of one recipient.
public enum RecipientVerdict: Hashable, Sendable {
  case exists
  /// The server won't have it, for good.
  case refused(EnhancedStatusCode)
  /// Nobody could say for now: nothing is accepted on a guess.
  case unavailable(String)

  /// What RCPT is told; nil where the recipient is there.
  var refusal: Reply? {
    switch self {
    case .exists: nil
    case .refused(let status): Reply(550, status, status == .unknownMailbox ? "no such user here" : "not taken there")
    case .unavailable: .recipientUnchecked
    }
  }
}

/// The answers of one authority, kept for a while. Questions about one address that come together are asked once.
public final class RecipientCheck: Sendable {
  /// How long a mailbox that was there is believed to be. One that has gone since makes a bounce.
  public static let existenceTime: Duration = .seconds(1_800)
  /// How long a mailbox that wasn't there is refused without asking: a new user's first mail waits no longer.
  public static let refusalTime: Duration = .seconds(60)
  /// How long a mailbox that nobody could speak of is left alone: a client that goes on at once hears the same at once.
  public static let silenceTime: Duration = .seconds(10)
  /// How long one question may take in all, the wait for a connection included: a client waits 5 minutes for RCPT at
  /// least (RFC 5321 §4.5.3.2.3), and a session that waits holds its place.
  public static let questionTime: Duration = .seconds(30)
  /// Addresses whose answer is kept; the one answered longest ago makes room.
  public static let maximumAnswers = 20_000
  /// Sessions that wait for an answer at the same time; the next hears 451 at once.
  public static let maximumWaiting = 1_000

  struct Answer {
    let verdict: RecipientVerdict
    let until: Uptime
  }
  struct State {
    var answers = RecencyTable<Mailbox, Answer>(capacity: RecipientCheck.maximumAnswers)
    /// Those who wait behind the first that asked.
    var asking: [Mailbox: [OneShot<RecipientVerdict>]] = [:]
    var waiting = 0
    var isSilent = false
  }
  private enum Turn {
    case answered(RecipientVerdict)
    case ask
    case wait(OneShot<RecipientVerdict>)
  }

  private let authority: any RecipientAuthority
  private let route: RouteKey
  private let clock: any MailClock
  private let events: any EventSink
  private let state = Mutex(State())

  /// - Parameter route: named in the alarm that says that the authority can't be asked.
  public init(_ authority: any RecipientAuthority, route: RouteKey, clock: any MailClock, events: any EventSink) {
    self.authority = authority
    self.route = route
    self.clock = clock
    self.events = events
  }

  /// At once where an answer is at hand.
  public func verdict(on mailbox: Mailbox) -> Prompt<RecipientVerdict> {
    let now = clock.uptime
    let known = state.withLock { $0.known(mailbox, at: now) }
    return known.map { .now($0) } ?? .later { await self.ask(about: mailbox) }
  }

  private func ask(about mailbox: Mailbox) async -> RecipientVerdict {
    let now = clock.uptime
    let turn = state.withLock { state -> Turn in
      if let known = state.known(mailbox, at: now) { return .answered(known) }
      guard state.waiting < RecipientCheck.maximumWaiting else {
        return .answered(.unavailable("too many questions at once"))
      }
      state.waiting += 1
      guard state.asking[mailbox] != nil else {
        state.asking[mailbox] = []
        return .ask
      }
      let turn = OneShot<RecipientVerdict>()
      state.asking[mailbox]?.append(turn)
      return .wait(turn)
    }
    switch turn {
    case .answered(let verdict): return verdict
    case .wait(let turn): return await turn.value()
    case .ask: break
    }
    let answer = await clock.within(RecipientCheck.questionTime) { [authority] in await authority.ask(about: mailbox) }
    let seconds = RecipientCheck.questionTime.components.seconds
    let verdict = answer ?? .unavailable("it didn't answer within \(seconds) s")
    let answeredAt = clock.uptime
    let (others, fellSilent) = state.withLock { $0.take(verdict, on: mailbox, at: answeredAt) }
    for other in others { other.fulfil(verdict) }
    if let reason = fellSilent {
      events.record(
        MailEvent(
          .alarm,
          [
            .init("route", .text(route.description)), .init("what", .text("recipients-unchecked")),
            .init("reason", .text(reason)),
          ]))
    }
    return verdict
  }
}

extension RecipientCheck.State {
  func known(_ mailbox: Mailbox, at now: Uptime) -> RecipientVerdict? {
    guard let answer = answers.value(for: mailbox), now < answer.until else { return nil }
    return answer.verdict
  }

  /// With those who waited for it, and, where the authority has just fallen silent, why.
  mutating func take(
    _ verdict: RecipientVerdict, on mailbox: Mailbox, at now: Uptime
  ) -> (others: [OneShot<RecipientVerdict>], fellSilent: String?) {
    let others = asking.removeValue(forKey: mailbox) ?? []
    waiting -= others.count + 1
    switch verdict {
    case .exists: answers.set(.init(verdict: verdict, until: now + RecipientCheck.existenceTime), for: mailbox)
    case .refused: answers.set(.init(verdict: verdict, until: now + RecipientCheck.refusalTime), for: mailbox)
    case .unavailable(let reason):
      answers.set(.init(verdict: verdict, until: now + RecipientCheck.silenceTime), for: mailbox)
      defer { isSilent = true }
      return (others, isSilent ? nil : reason)
    }
    isSilent = false
    return (others, nil)
  }
}

extension EnhancedStatusCode {
  static let unknownMailbox = EnhancedStatusCode(.permanent, 1, 1)
}

extension Reply {
  static let recipientUnchecked = Reply(
    451, EnhancedStatusCode(.persistentTransient, 3, 0), "the recipient can't be checked now, try again later")
}
