internal import MailSyntax

/// What a running server does when it is asked. Calls come from several tasks at once.
public protocol ControlHandler: Sendable {
  var queue: QueueControl { get }
  /// Nil where no session can be watched.
  var dialogues: DialogueHub? { get }
  /// Nil where no transport policy is kept.
  var policy: PolicyControl? { get }
  func status() async throws(ControlFault) -> ServerStatus
  /// In the text format of Prometheus.
  func metrics() async throws(ControlFault) -> String
  /// Reads again what can be, each part whole or not at all, and says which parts were; a part that can't be is a fault.
  func reload(_ scope: ReloadScope) async throws(ControlFault) -> [String]
  /// Into a folder that isn't there yet.
  func backup(to folder: String) async throws(ControlFault) -> BackupFacts
}

extension ControlHandler {
  public var dialogues: DialogueHub? { nil }
  public var policy: PolicyControl? { nil }
  public func metrics() async throws(ControlFault) -> String { throw ControlFault(.failed, "nothing is counted here") }

  func answers(to request: ControlRequest, from peer: ControlPeer) async throws(ControlFault) -> [ControlAnswer] {
    switch request {
    case .status: [.status(try await status())]
    case .metrics: [.metrics(try await metrics())]
    case .reload(let scope): [.reloaded(try await reload(scope))]
    case .backup(let folder): [.backup(try await backup(to: folder))]
    // Answered line by line as they come, by `ControlServer`.
    case .watch: []
    case .policy(let request):
      if let policy {
        try await retrying(try await policy.answers(to: request, by: await peer.name()), to: request, by: peer)
      } else {
        throw ControlFault(.failed, "no transport policy is kept here")
      }
    case .queue(let request): try await queue.answers(to: request, by: await peer.name())
    }
  }

  /// Where an override came or went, the mail that it reaches is due now. The deed itself is done: what can't be hurried
  /// goes at its own time, and no count is given.
  private func retrying(
    _ answers: [ControlAnswer], to request: PolicyRequest, by peer: ControlPeer
  ) async throws(ControlFault) -> [ControlAnswer] {
    switch request {
    case .show, .overrides, .refresh, .forget, .audit, .authentication: return answers
    case .addOverride, .endOverride: break
    }
    for case .override(let facts) in answers {
      guard let domain = try? DomainName(facts.domain) else { continue }
      do throws(ControlFault) {
        let count = try await queue.retry(mailFor: domain, below: facts.subdomains, by: await peer.name())
        return answers + [.changed(count)]
      } catch {
        return answers
      }
    }
    return answers
  }
}
