/// An answer at hand, or one that must be waited for. The hot path is `.now`; only `.later` costs a task.
public enum Prompt<Answer: Sendable>: Sendable {
  case now(Answer)
  case later(@Sendable () async -> Answer)

  /// The answer, waited for where it must be.
  public func value() async -> Answer {
    switch self {
    case .now(let answer): answer
    case .later(let question): await question()
    }
  }
}
