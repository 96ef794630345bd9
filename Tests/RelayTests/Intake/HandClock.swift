import MailSyntax
import SMTPSessions
import Synchronization

/// Goes on when it is told to, and wakes those whose moment has come.
final class HandClock: MailClock {
  private struct State {
    var moment = Duration.zero
    /// By how much the clock on the wall is wrong.
    var error = Duration.zero
    var sleepers: [(deadline: Uptime, turn: OneShot<Void>)] = []
    var uptime: Uptime { Uptime(nanoseconds: 0) + moment }
  }
  private let state = Mutex(State())

  var now: UTCInstant { UTCInstant(seconds: 1_795_351_810) + state.withLock { $0.moment + $0.error } }
  var uptime: Uptime { state.withLock { $0.uptime } }
  var sleepers: Int { state.withLock { $0.sleepers.count } }

  func sleep(until deadline: Uptime) async {
    let turn = OneShot<Void>()
    state.withLock { state in
      if deadline > state.uptime { state.sleepers.append((deadline, turn)) } else { turn.fulfil(()) }
    }
    await withTaskCancellationHandler {
      await turn.value()
    } onCancel: {
      turn.fulfil(())
    }
    state.withLock { $0.sleepers.removeAll { $0.turn === turn } }
  }

  /// Sets the clock on the wall, and nothing else, wrong by this much.
  func misset(by error: Duration) { state.withLock { $0.error = error } }

  func advance(_ duration: Duration) {
    state.withLock { state in
      state.moment += duration
      for sleeper in state.sleepers where sleeper.deadline <= state.uptime { sleeper.turn.fulfil(()) }
    }
  }
}
