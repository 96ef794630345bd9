import MailSyntax
import SMTPSessions

/// A wire in a simulated world: always writable, and its questions are answered on the world's thread.
protocol WorldWire: Wire, Sendable {
  var world: World { get }
  var isClosed: Bool { get }
}

extension WorldWire {
  var uptime: Uptime { world.uptime }
  var isWritable: Bool { true }

  func await<Answer: Sendable>(
    _ question: @escaping @Sendable () async -> Answer, then: @escaping (Answer) -> Void
  ) {
    let answered = OnWorld(value: then)
    _ = Task(executorPreference: world) { [self] in
      let answer = await question()
      if !isClosed { answered.value(answer) }
    }
  }
}

/// What never leaves the world's thread.
private struct OnWorld<Value>: @unchecked Sendable { let value: Value }
