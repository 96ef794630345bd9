import MailMessage
import MailSyntax
import NIOCore
import SASLMechanisms
import SMTPGrammar
import SMTPSessions
import SystemWorld
import TransportSecurity

/// One message to one server over one connection: what `send` does once, and `demo` once a message.
struct SendAttempt: Sendable {
  struct Login: Sendable {
    let user: String
    let password: Secret
  }

  let target: SendTarget
  let security: SendSecurity
  /// The name given in EHLO.
  let identity: HostIdentity
  let reversePath: ReversePath
  let recipients: [Mailbox]
  var login: Login?
  /// REQUIRETLS with MAIL (RFC 8689 §2).
  var requiresTLS = false
  var usesChunking = true
  var timeouts = SendAttempt.patience(nil)

  /// The waits of RFC 5321 §4.5.3.2, but a person sits in front of it while it connects; or `duration` for each step.
  static func patience(_ duration: Duration?) -> ClientTimeouts {
    var timeouts = ClientTimeouts()
    guard let duration else {
      timeouts.connect = .seconds(30)
      return timeouts
    }
    timeouts.connect = duration
    timeouts.greeting = duration
    timeouts.hello = duration
    timeouts.startTLS = duration
    timeouts.handshake = duration
    timeouts.authentication = duration
    timeouts.mail = duration
    timeouts.recipient = duration
    timeouts.data = duration
    timeouts.block = duration
    timeouts.finalReply = duration
    timeouts.farewell = min(duration, timeouts.farewell)
    return timeouts
  }

  /// Connects, goes to TLS, authenticates, sends, and says goodbye.
  ///
  /// - Parameter show: takes the lines of the dialogue, without secrets, as they go.
  func run(
    _ message: SendMessage, by dialer: some Dialer, show: @escaping @Sendable (String) -> Void = { _ in }
  ) async -> SendReport {
    let clock = SystemClock()
    let start = clock.uptime
    let testimony = WireTestimony()
    var report = SendReport(server: target.description, messageID: message.messageID)
    let witnessed = WitnessedDialer(base: dialer, testimony: testimony) { facts in
      for line in SendDialogue.lines(for: facts) { show(line) }
    }
    show("-- connecting to \(target)")
    do throws(DialogueFault) {
      let conversation = try await open(show, by: witnessed)
      report.peer = conversation.peer.endpoint?.description
      let bytes = try message.octets(allowsEightBit: conversation.capabilities.offersEightBitMIME, at: .mail)
      report.octets = bytes.readableBytes
      var parameters = message.parameters(for: bytes)
      parameters.requiresTLS = requiresTLS
      report.answers = await send(bytes, parameters, over: conversation)
      report.elapsed = clock.uptime - start
      await conversation.quit()
    } catch {
      report.fault = error
      report.elapsed = clock.uptime - start
    }
    await testimony.ended()
    report.tls = testimony.tls
    report.wireFault = testimony.fault
    return report
  }

  private func open(
    _ show: @escaping @Sendable (String) -> Void, by dialer: some Dialer
  ) async throws(DialogueFault) -> ClientConversation {
    do throws(OpeningFault) {
      return try await ClientConversation.open(plan(show), to: target.dialTarget, by: dialer)
    } catch {
      throw error.fault
    }
  }

  private func plan(_ show: @escaping @Sendable (String) -> Void) -> ClientPlan {
    let security: ClientPlan.Security =
      switch security {
      case .implicit: .implicitTLS(hostName: target.referenceName, demand: .verified)
      case .starttls: .startTLS(hostName: target.referenceName, demand: .verified)
      case .none: .cleartext(.wishedFor)
      }
    var plan = ClientPlan(
      identity: identity, security: security, usesChunking: usesChunking, timeouts: timeouts,
      observe: { line in
        switch line.kind {
        case .sent, .received: show(line.description)
        // The one note is of the handshake, of which the witness tells more.
        case .note: break
        }
      })
    if let login {
      var generator = SystemRandomNumberGenerator()
      plan.authentication = ClientPlan.Authentication(
        credential: .password(user: login.user, login.password), nonce: SCRAMNonce(using: &generator),
        server: target.exchangeServer)
    }
    return plan
  }

  /// In as many transactions as the number of recipients asks for.
  private func send(
    _ bytes: ByteBuffer, _ parameters: MailParameters, over conversation: ClientConversation
  ) async -> [(recipient: Mailbox, answer: RecipientAnswer)] {
    var answers: [(recipient: Mailbox, answer: RecipientAnswer)] = []
    var rest = recipients[...]
    while !rest.isEmpty {
      let batch = rest.prefix(ClientConversation.maximumRecipients)
      rest = rest.dropFirst(batch.count)
      var transaction = Transaction(reversePath: reversePath, parameters: parameters)
      transaction.recipients = batch.map {
        Transaction.Recipient(path: .mailbox($0), parameters: RecipientParameters())
      }
      answers += zip(batch, await conversation.transact(transaction, body: MemoryBody(bytes)))
        .map { (recipient: $0, answer: $1) }
    }
    return answers
  }
}

extension SendMessage {
  fileprivate func octets(allowsEightBit: Bool, at stage: DialogueStage) throws(DialogueFault) -> ByteBuffer {
    do throws(MessageTextError) {
      return try octets(allowsEightBit: allowsEightBit)
    } catch {
      throw DialogueFault(stage, .local("the message can't be written: \(error)"))
    }
  }
}
