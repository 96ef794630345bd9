import MailQueue
import MailSyntax
import Synchronization

/// Sees when nothing can be learned of anybody. One sender's name servers fail every day, and that is his affair; where
/// those of several fail one after another, and nobody's answer in between, it is ours that don't work.
public final class AnswerWatch: Sendable {
  public static let what = "authentication-unanswered"
  /// Senders' domains in a row that nothing was learned of, until it is an alarm.
  static let maximumDomains = 5

  private struct State {
    var unanswered: Set<String> = []
    var isRaised = false
  }
  private let state = Mutex(State())

  /// - Parameters:
  ///   - isAnswered: nil where nothing was asked, which says nothing.
  ///   - domain: the sender's; empty for the null reverse path.
  /// - Returns: an alarm, where one begins or ends.
  func note(isAnswered: Bool?, of domain: String, _ problem: @autoclosure () -> String) -> MailEvent? {
    guard let isAnswered else { return nil }
    return state.withLock { state in
      if isAnswered {
        defer { state = State() }
        return state.isRaised ? AnswerWatch.over : nil
      }
      guard !state.isRaised else { return nil }
      state.unanswered.insert(domain)
      guard state.unanswered.count >= AnswerWatch.maximumDomains else { return nil }
      state.isRaised = true
      return AnswerWatch.alarm(problem())
    }
  }

  private static func alarm(_ problem: String) -> MailEvent {
    MailEvent(
      .alarm,
      [
        .init("what", .text(what)),
        .init(
          "reason",
          .text(
            "of mail in the names of \(maximumDomains) domains in a row nothing could be learned, lastly: \(problem)")),
        .init("remedy", .text("see what 'martlet dns' says, and the resolver of dns in the configuration")),
        .init("until-cleared", .flag(true)),
      ])
  }

  private static let over = MailEvent(
    .alarm,
    [
      .init("what", .text("authentication-answered")), .init("clears", .text(what)),
      .init("reason", .text("strangers' mail can be judged again")),
    ])
}
