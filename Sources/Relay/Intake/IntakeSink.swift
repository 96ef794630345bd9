import Accounts
import MailAuthentication
import MailMessage
import MailQueue
import MailSyntax
import NIOCore
import SMTPGrammar
import SMTPSessions
import TransportSecurity

/// One message on its way in: reads the header section, judges it by the intake rules, and hands the rest on to the
/// store as it comes. A refusal found early lets go of everything and is said at the end of the data.
final class IntakeSink: BodySink {
  private let transaction: Transaction
  private let session: SessionFacts
  private let intake: Intake
  private let reception: Reception
  private let user: User?
  private let id: QueueID
  private let receivedAt: UTCInstant

  private var scanner = HeaderScanner()
  private var stage = Stage.header
  private var writer: (any BodyWriter)?
  private var prefix = ByteBuffer()
  private var findings: [IntakeFinding] = []
  /// Whom the message is for, known once the header is.
  private var addressees: Addressees?
  /// The client's own, or the one that was added.
  private var messageID: String?
  /// Kept where a report is to be made of the message.
  private var header: ByteBuffer?
  private var wish = TLSWish.unstated
  private var content = PassingContent()
  /// Of a message that a user of ours has written.
  private var signature: MessageSignature?
  /// Of a message that a stranger brought.
  private var origin: OriginCheck?
  private var forgedResults = 0
  private var octetsTaken = 0

  private enum Stage {
    case header, body
    case refused(Reply)
    case ended
  }

  init(_ transaction: Transaction, _ session: SessionFacts, intake: Intake, reception: Reception, user: User?) {
    self.transaction = transaction
    self.session = session
    self.intake = intake
    self.reception = reception
    self.user = user
    receivedAt = intake.clock.now
    id = QueueID(acceptedAt: receivedAt, random: intake.random.next())
    // Taken out of the directory since RCPT: whose sender rights and lane would it be?
    if session.role.isSubmission && user == nil { stage = .refused(.authenticationFailed) }
  }

  func write(_ bytes: ByteBuffer) -> Prompt<Void> {
    switch stage {
    case .refused, .ended: return .now(())
    case .header:
      guard takeMemory(bytes.readableBytes) else { return .now(()) }
      return took(scanner.append(bytes))
    case .body:
      guard takeMemory(bytes.readableBytes) else { return .now(()) }
      return storeBody(bytes)
    }
  }

  func finish() -> Prompt<Reply> {
    if case .header = stage { _ = took(scanner.finish()) }
    switch stage {
    case .refused(let reply): return .now(reply)
    case .header, .ended: return .now(.internalFault)
    case .body: break
    }
    stage = .ended
    guard let writer, let addressees else { return .now(.internalFault) }
    let message = newMessage(addressees.recipients)
    let (tellings, told, header) = (
      addressees.tellings(of: message, at: receivedAt), addressees.events(of: id), header ?? prefix
    )
    let findings = findings + content.findings(declaresEightBit: declaresEightBit)
    let (intake, reception, octets, id, session) = (intake, reception, octetsTaken, id, session)
    let (signature, origin, messageID, receivedAt) = (signature, origin, messageID, receivedAt)
    let (mode, forgedResults) = (mode, forgedResults)
    octetsTaken = 0
    return .later {
      defer { intake.memory.give(back: octets) }
      var message = message
      do throws(MessageSigningFault) {
        try message.sign(with: signature, at: receivedAt)
      } catch {
        writer.discard()
        return intake.reply(to: error, of: id)
      }
      var circumstances = signature.map { [MailEvent.Field("signed", .text($0.names.joined(separator: ",")))] } ?? []
      if forgedResults > 0 { circumstances.append(.init("forged-results", .number(forgedResults))) }
      if let origin {
        let judgement = await intake.judge(
          origin, of: message, named: messageID, mode, reception: reception, session)
        switch judgement {
        case .refused(let reply):
          writer.discard()
          return reply
        case .taken(let trace, let judged):
          for field in trace.reversed() { message.prepend(field) }
          circumstances += judged
        }
      }
      let awaited = QueuedMessage(accepting: message, bodySize: writer.size)
      let event = MailEvent.accepted(
        message, size: awaited.size, messageID: messageID, session, findings: findings, circumstances: circumstances)
      do throws(StoreFault) {
        let reports = try await intake.compose(tellings, of: awaited, header: header, reception: reception)
        do throws(StoreFault) {
          // Law 1: there is no way to the 250 but through the commit.
          _ = try await intake.commit(message, writer, event)
        } catch {
          reports.discard()
          throw error
        }
        // And no way back from it: the message is on its way.
        await intake.tell(reports, of: id, events: told)
        return Reply(250, EnhancedStatusCode(.success, 0, 0), "queued as \(id)")
      } catch {
        writer.discard()
        return Reply(error)
      }
    }
  }

  func abandon() {
    stage = .ended
    _ = release(.internalFault)
  }

  deinit { intake.memory.give(back: octetsTaken) }

  // MARK: Header

  private func took(_ progress: HeaderScanner.Progress) -> Prompt<Void> {
    switch progress {
    case .incomplete: return .now(())
    case .complete(let header, let rest):
      let verdict = SubmissionRules.judge(header: header, facts: facts)
      if case .accept = verdict, let finding = senderFinding(header), let reply = Reply(finding, on: session.role) {
        return refuse(reply)
      }
      return follow(verdict, header: header, rest: rest)
    case .fault(let fault):
      return follow(
        SubmissionRules.judge(fault: fault, facts: facts), header: fault.header, rest: fault.rest)
    }
  }

  private func follow(_ verdict: IntakeVerdict, header: HeaderSection, rest: ByteBuffer) -> Prompt<Void> {
    switch verdict {
    case .refuse(let finding): return refuse(Reply(finding, on: session.role) ?? .internalFault)
    case .accept(let added, let removed, let findings):
      if let refusal = address(header) { return refuse(refusal) }
      do throws(StoreFault) {
        writer = try intake.store.beginBody()
      } catch {
        return refuse(Reply(error))
      }
      stage = .body
      self.findings = findings
      wish = TLSWish(requiresTLS: transaction.parameters.requiresTLS, header: header)
      messageID = header.value(of: "message-id") ?? added.first { $0.name.lowercased() == "message-id" }?.value
      prefix = ReceivedField(transaction, session, by: reception, as: id, at: receivedAt).field.bytes
      for field in added { field.write(into: &prefix) }
      let forged = ForgedResults(in: header, authservID: reception.hostName, converter: reception.converter)
      forgedResults = forged.fields.count
      let kept = header.removing { forged.contains($0) || removed.contains($1.name) }
      origin = reception.authentication(of: session).map {
        OriginCheck(header, transaction, session, host: reception.hostName, by: $0)
      }
      do throws(MessageSigningFault) {
        if session.role.isSubmission, let signing = intake.signing {
          signature = try MessageSignature(header, leavingAs: kept, behind: added, by: signing)
        }
      } catch {
        return refuse(intake.reply(to: error, of: id))
      }
      let keptHeader = store(kept)
      content.beginBody(of: header, watchesParts: transaction.parameters.usesSMTPUTF8)
      switch keptHeader {
      case .now: return storeBody(rest)
      case .later(let wait):
        // Back-pressure in the middle: the rest is small, at most one read.
        guard case .later(let waitForRest) = storeBody(rest) else { return .later(wait) }
        return .later {
          await wait()
          await waitForRest()
        }
      }
    }
  }

  /// RFC 6409 §6.1: a user writes as nobody else.
  private func senderFinding(_ header: HeaderSection) -> IntakeFinding? {
    guard session.role.isSubmission, let user, let from = header.first("from") else { return nil }
    // A From that can't be read is the rules' to refuse.
    guard let list = try? AddressList.parse(octets: header.unfoldedValue(of: from), allowsUTF8: true) else {
      return nil
    }
    let foreign = list.mailboxes.first { !user.senders.mayUse($0) }
    return foreign.map { IntakeFinding(.fromNotAllowed, place: $0.description) }
  }

  private var facts: IntakeFacts {
    var generator = RandomSourceGenerator(intake.random)
    return IntakeFacts(
      role: IntakeRole(session.role), reversePath: transaction.reversePath,
      usesSMTPUTF8: transaction.parameters.usesSMTPUTF8, requiresTLS: transaction.parameters.requiresTLS,
      now: receivedAt,
      freshMessageID: MessageID.make(at: reception.hostName, using: &generator))
  }

  /// All recipients have one (`Reception.treatsAlike`); where a reload came in between, the milder one counts.
  private var mode: LocalPolicy.Mode {
    guard let authentication = reception.authentication else { return .monitor }
    let modes = transaction.recipients.map { authentication.mode(of: $0.path, by: reception.routing) }
    return modes.allSatisfy { $0 == .enforce } ? .enforce : .monitor
  }

  private var declaresEightBit: Bool { transaction.parameters.body == .eightBitMIME }

  // MARK: Body

  private func storeBody(_ bytes: ByteBuffer) -> Prompt<Void> {
    signature?.append(bytes)
    origin?.append(bytes)
    return store(bytes)
  }

  private func store(_ bytes: ByteBuffer) -> Prompt<Void> {
    guard let writer, bytes.readableBytes > 0 else { return .now(()) }
    content.watch(bytes)
    // Copied: a slice would pin the read buffer of the TLS handler for as long as the message waits.
    return writer.write(ByteBuffer(bytes: bytes.readableBytesView))
  }

  /// Charges what is kept in memory; what a writer has spilled to disk still counts until the message ends, which
  /// bounds the whole too.
  private func takeMemory(_ octets: Int) -> Bool {
    guard octetsTaken < IntakeSink.chargedOctets else { return true }
    guard intake.memory.take(octets) else {
      _ = refuse(.memoryLow)
      return false
    }
    octetsTaken += octets
    return true
  }

  /// Beyond this a writer holds no more in memory.
  static let chargedOctets = 1 << 20

  /// Settles who gets the message; the reply where nobody can.
  private func address(_ header: HeaderSection) -> Reply? {
    guard
      let addressees = Addressees(
        transaction.recipients, by: reception.routing, reach: intake.reach(of: session), marks: LoopMarks(header))
    else { return .routingChanged }
    guard !addressees.isBeyondBounds else { return .tooManyTargets }
    // Who says so on 25 may be anybody, and so may the sender that a report would go to: there one loop is the whole
    // message's. A user who logged in is told of it, and the others get the message.
    guard !addressees.recipients.isEmpty, session.role.isSubmission || addressees.looping.isEmpty else {
      return .mailLoop
    }
    if addressees.mayBeTold { self.header = header.bytes }
    self.addressees = addressees
    return nil
  }

  /// UTF8-003: MAIL's SMTPUTF8 is kept where the envelope or a header is outside ASCII (RFC 6531 §3.4), that of a part
  /// included. A client that says it for all its mail must not have the rest refused further on; for the body 8BITMIME
  /// is enough.
  private func needsSMTPUTF8(for recipients: [NewRecipient]) -> Bool {
    transaction.parameters.usesSMTPUTF8
      && (content.hasEightBitHeader || !transaction.reversePath.isASCII || !recipients.allSatisfy(\.address.isASCII)
        || prefix.readableBytesView.contains { $0 >= 0x80 })
  }

  private func newMessage(_ recipients: [NewRecipient]) -> NewMessage {
    NewMessage(
      id: id, reversePath: transaction.reversePath, recipients: recipients,
      // SUB-010: what came is what counts for the way on, whatever MAIL declared: eight bits that weren't declared need
      // 8BITMIME, and seven that were declared as eight need nothing (RFC 6152 §3).
      body: content.isEightBit ? .eightBitMIME : .sevenBit, usesSMTPUTF8: needsSMTPUTF8(for: recipients),
      envelopeID: transaction.parameters.envelopeID,
      reportContent: transaction.parameters.deliveryReportContent, tlsWish: wish, account: user?.name.description,
      tenant: user?.tenant, priority: user?.priority ?? .normal, receivedAt: receivedAt,
      expiresAt: receivedAt + reception.giveUpAfter, prefix: prefix)
  }

  // MARK: Refusing

  private func refuse(_ reply: Reply) -> Prompt<Void> {
    stage = .refused(release(reply))
    return .now(())
  }

  /// Gives up what is held, and passes the reply on.
  private func release(_ reply: Reply) -> Reply {
    writer?.discard()
    writer = nil
    intake.memory.give(back: octetsTaken)
    octetsTaken = 0
    return reply
  }
}
