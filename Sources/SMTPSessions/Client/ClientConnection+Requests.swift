extension ClientConnection {
  /// Takes what tasks want of the connection, one request after the other, for as long as the wire is there.
  func listen() {
    let mailbox = mailbox
    wire?.await({ await mailbox.arrival() }) { isOpen in
      while let request = mailbox.take() { self.take(request) }
      if isOpen { self.listen() }
    }
  }

  private func take(_ request: ClientRequest) {
    guard case .idle = activity else {
      if case .abort = request { return fail(DialogueFault(phase.stage, .cancelled)) }
      return request.refuse()
    }
    switch request {
    case .send(let transaction, let body, let answer):
      activity = .sending(answer, recipients: transaction.recipients.count)
      content = ContentInFlight(body)
      let action = phase.send(transaction, usesChunking: plan.usesChunking, permit: plan.security.permit)
      if perform(action) { pull() }
    case .reset(let answer):
      activity = .resetting(answer)
      if perform(phase.reset()) { pull() }
    case .quit(let answer):
      farewells.append(answer)
      leave()
    case .abort: leave()
    }
  }
}
