internal import Synchronization

/// What a task wants of a connection.
enum ClientRequest: Sendable {
  case send(Transaction, any OutgoingBody, OneShot<TransactionOutcome>)
  case reset(OneShot<Bool>)
  case quit(OneShot<Void>)
  /// The task was cancelled: give up whatever is going on.
  case abort

  /// Answers it when no session will ever see it.
  func refuse() {
    switch self {
    case .send(let transaction, _, let answer):
      let fault = DialogueFault(.mail, .transport("the connection is closed"))
      answer.fulfil(
        TransactionOutcome(answers: transaction.recipients.map { _ in .fault(fault) }, leavesConnectionUsable: false))
    case .reset(let answer): answer.fulfil(false)
    case .quit(let answer): answer.fulfil(())
    case .abort: break
    }
  }
}

/// Carries requests from tasks to a connection, which lives on its wire's thread of control and takes them there one
/// after the other. Bounded by its callers: each waits for the answer to its one request.
///
/// A request stays here until the connection has it in hand: a wire that goes between the two loses none.
final class ClientMailbox: Sendable {
  private struct State {
    var requests: [ClientRequest] = []
    var reader: CheckedContinuation<Bool, Never>?
    var isClosed = false
  }
  private let state = Mutex(State())

  var isOpen: Bool { state.withLock { !$0.isClosed } }

  /// False where the connection is gone: nobody will answer.
  func post(_ request: ClientRequest) -> Bool {
    let (isPosted, reader) = state.withLock { state -> (Bool, CheckedContinuation<Bool, Never>?) in
      guard !state.isClosed else { return (false, nil) }
      state.requests.append(request)
      defer { state.reader = nil }
      return (true, state.reader)
    }
    reader?.resume(returning: true)
    return isPosted
  }

  /// Returns when there is something to `take`; false once the mailbox is closed. Called by the connection alone.
  func arrival() async -> Bool {
    await withCheckedContinuation { continuation in
      let ready = state.withLock { state -> Bool? in
        if state.isClosed { return false }
        guard state.requests.isEmpty else { return true }
        state.reader = continuation
        return nil
      }
      if let ready { continuation.resume(returning: ready) }
    }
  }

  func take() -> ClientRequest? {
    state.withLock { $0.requests.isEmpty ? nil : $0.requests.removeFirst() }
  }

  /// What nobody has taken is handed back to be answered.
  func close() -> [ClientRequest] {
    let (left, reader) = state.withLock { state in
      defer { state = State(isClosed: true) }
      return (state.requests, state.reader)
    }
    reader?.resume(returning: false)
    return left
  }
}
