import MailSyntax
import NIOCore
import SMTPGrammar

/// One mail transaction from the client's side: which commands go out together, which reply belongs to which of them,
/// and what it means for each recipient. Source: RFC 5321 §3.3, RFC 2920 §3.1, RFC 3030 §2, RFC 2033 §4.2.
struct MailTransaction {
  /// BDAT chunks that may wait for their replies, where the server offers PIPELINING.
  static let maximumOutstandingChunks = 4

  enum Step: Hashable {
    case reset, mail
    case recipient(Int)
    case data
    /// Ends a DATA that no recipient was accepted for.
    case loneDot
    case chunk
    /// To the last chunk or the final dot; in LMTP one for each accepted recipient, else for all of them.
    case final(Int?)
  }

  enum Progress {
    case wait
    case write(ByteBuffer)
    /// Of the content; a dialogue shows the text in the place of the bytes.
    case writeContent(ByteBuffer, shownAs: String)
    case sendContent
    case finished(TransactionOutcome)
    case violation(String)
  }

  private let transaction: Transaction
  private let dialect: ClientDialect
  private let isPipelined: Bool
  private let isChunked: Bool
  private var answers: [RecipientAnswer?]
  private var accepted: [Int] = []
  private var unsent: ArraySlice<Step>
  private var outstanding: [Step] = []
  /// Not nil while content may be given.
  private var content: OutgoingContent?
  private var isUsable = true
  /// MAIL was accepted and the server may still hold the transaction: RSET must go before the next MAIL.
  private(set) var needsReset = false

  /// - Parameter transaction: with the parameters that this server is to see, as `Transaction.fitted` makes them.
  init(
    _ transaction: Transaction, dialect: ClientDialect, isPipelined: Bool, isChunked: Bool, needsReset: Bool
  ) {
    self.transaction = transaction
    self.dialect = dialect
    self.isPipelined = isPipelined
    self.isChunked = isChunked && !transaction.isProbe
    answers = Array(repeating: nil, count: transaction.recipients.count)
    var steps: [Step] = needsReset ? [.reset, .mail] : [.mail]
    steps += transaction.recipients.indices.map(Step.recipient)
    if !isChunked && !transaction.isProbe { steps.append(.data) }
    unsent = steps[...]
  }

  /// Where the dialogue stands, for deadlines and faults.
  var stage: DialogueStage {
    switch outstanding.first {
    case .reset, .mail: .mail
    case .recipient: .recipient
    case .data: .data
    case .loneDot, .final: .finalReply
    case .chunk: .content
    case nil: content == nil ? .mail : .content
    }
  }

  /// RFC 3030 §2 without PIPELINING: each chunk waits for the reply to the one before.
  var wantsContent: Bool {
    content != nil && outstanding.count < (isPipelined ? MailTransaction.maximumOutstandingChunks : 1)
  }

  mutating func start() -> Progress { advance() }

  /// The next reply, whichever command it answers: they come in the order of the commands (RFC 2920 §3.1).
  mutating func take(_ reply: ServerReply) -> Progress {
    guard let step = outstanding.first else { return takeEarly(reply) }
    // RFC 5321 §3.8: 421 to any command means that the server closes; nothing else will be answered.
    if reply.code == ReplyCode(421) {
      settleAll(stage, .reply(reply))
      return abandon()
    }
    guard MailTransaction.isAnswer(reply.code, to: step) else { return unexpected(reply) }
    outstanding.removeFirst()
    switch step {
    case .reset:
      guard reply.code.isPositive else {
        settleAll(.mail, .reply(reply))
        return abandon()
      }
    case .mail:
      if reply.code.isPositive {
        needsReset = true
      } else {
        settleAll(.mail, .reply(reply))
        unsent = []
      }
    case .recipient(let index): takeRecipient(reply, index)
    case .data: return takeData(reply)
    case .loneDot: return finish()
    case .chunk: if !reply.code.isPositive { stopChunks(reply) }
    case .final(let index): takeFinal(reply, of: index)
    }
    return advance()
  }

  /// RFC 5321 §4.3.2: a code that isn't known counts by its first digit. A 3yz is an answer to DATA alone, and there
  /// only 354 lets content follow (§3.3); a 2yz there would leave the server taking the message for commands.
  private static func isAnswer(_ code: ReplyCode, to step: Step) -> Bool {
    switch step {
    case .data: code == ReplyCode(354) || !code.isPositive
    case .reset, .mail, .recipient, .loneDot, .chunk, .final: code.severity != .positiveIntermediate
    }
  }

  /// A piece of the content, nil behind the last. Only while `wantsContent`.
  mutating func take(content piece: ByteBuffer?) -> Progress {
    guard content != nil else { return .wait }
    let block: OutgoingContent.Block?
    do throws(DialogueFault.Cause) {
      block = try content?.take(piece)
    } catch {
      settleAll(.content, error)
      return abandon()
    }
    guard let block else { return .wait }
    if block.isLast {
      content = nil
      // RFC 2033 §4.2: one reply for each recipient that was accepted, in their order.
      outstanding += dialect == .lmtp ? accepted.map { Step.final($0) } : [.final(nil)]
    } else if block.isChunk {
      outstanding.append(.chunk)
    }
    return .writeContent(block.bytes, shownAs: block.shownAs)
  }

  /// The connection is gone, or is being given up: what hasn't been answered ends with `cause`.
  mutating func lose(_ cause: DialogueFault.Cause) -> TransactionOutcome {
    settleAll(stage, cause)
    isUsable = false
    return outcome
  }

  private mutating func takeRecipient(_ reply: ServerReply, _ index: Int) {
    // Already settled: a server that takes a recipient but not the sender has taken nothing.
    guard answers[index] == nil else { return }
    if reply.code.isPositive {
      if transaction.isProbe { answers[index] = .taken(reply) }
      accepted.append(index)
    } else {
      answers[index] = .fault(DialogueFault(.recipient, .reply(reply)))
    }
  }

  private mutating func takeData(_ reply: ServerReply) -> Progress {
    guard reply.code.isPositive else {
      settleAll(.data, .reply(reply))
      return finish()
    }
    guard !accepted.isEmpty else {
      // RFC 2920 §3.1: nobody is left, but the server waits for a message.
      outstanding = [.loneDot]
      return .write(ByteBuffer(string: ".\r\n"))
    }
    content = OutgoingContent(isChunked: false)
    return .sendContent
  }

  private mutating func takeFinal(_ reply: ServerReply, of index: Int?) {
    let answer: RecipientAnswer =
      reply.code.isPositive ? .taken(reply) : .fault(DialogueFault(.finalReply, .reply(reply)))
    for recipient in index.map({ [$0] }) ?? accepted where answers[recipient] == nil { answers[recipient] = answer }
    // RFC 5321 §4.1.1.4: the final dot clears the server's buffers whatever it says. RFC 3030 §2: a refused chunk
    // leaves them to RSET.
    if !isChunked || reply.code.isPositive { needsReset = false }
  }

  /// RFC 3030 §2: after a refused chunk nothing more is sent; the replies to those on their way are awaited.
  private mutating func stopChunks(_ reply: ServerReply) {
    settleAll(.content, .reply(reply))
    content = nil
  }

  /// A reply amid the content that nothing asked for: a refusal is this transaction's outcome, since the server won't
  /// say it again; anything else is a server that has lost its place. The connection ends either way.
  private mutating func takeEarly(_ reply: ServerReply) -> Progress {
    guard content != nil, !reply.code.isPositive else { return unexpected(reply) }
    settleAll(.content, .reply(reply))
    return abandon()
  }

  private func unexpected(_ reply: ServerReply) -> Progress {
    .violation("\(reply.code) is no answer at \(stage.rawValue)")
  }

  /// What comes next once a reply has been taken.
  private mutating func advance() -> Progress {
    guard outstanding.isEmpty else { return wantsContent ? .sendContent : .wait }
    while !unsent.isEmpty {
      if accepted.isEmpty, unsent.first == .data { break }
      if let group = nextGroup() { return .write(group) }
    }
    unsent = []
    if content != nil { return .sendContent }
    if isChunked, needsReset, !accepted.isEmpty, answers.contains(where: { $0 == nil }) {
      content = OutgoingContent(isChunked: true)
      return .sendContent
    }
    return finish()
  }

  /// RFC 2920 §3.1: RSET, MAIL and RCPT may stand anywhere in a group, DATA only at its end. Nil where no command of
  /// the group could be written.
  private mutating func nextGroup() -> ByteBuffer? {
    var bytes = ByteBuffer()
    repeat {
      guard let step = unsent.popFirst() else { break }
      do throws(CommandEncodingFault) {
        try CommandEncoder.write(command(for: step), into: &bytes)
        outstanding.append(step)
      } catch {
        refuse(step, error)
      }
    } while isPipelined
    return outstanding.isEmpty ? nil : bytes
  }

  private func command(for step: Step) -> Command {
    switch step {
    case .reset: .rset
    case .mail: .mail(transaction.reversePath, transaction.parameters)
    case .recipient(let index): .rcpt(transaction.recipients[index].path, transaction.recipients[index].parameters)
    case .data, .loneDot, .chunk, .final: .data
    }
  }

  /// An address of ours that can't be written concerns its recipient, or, in MAIL, all of them.
  private mutating func refuse(_ step: Step, _ fault: CommandEncodingFault) {
    let cause = DialogueFault.Cause.local("an address can't be sent: \(fault)")
    switch step {
    case .recipient(let index): answers[index] = .fault(DialogueFault(.recipient, cause))
    case .reset, .mail, .data, .loneDot, .chunk, .final:
      settleAll(.mail, cause)
      unsent = []
    }
  }

  private mutating func settleAll(_ stage: DialogueStage, _ cause: DialogueFault.Cause) {
    for index in answers.indices where answers[index] == nil {
      answers[index] = .fault(DialogueFault(stage, cause))
    }
  }

  private mutating func abandon() -> Progress {
    isUsable = false
    return finish()
  }

  private mutating func finish() -> Progress {
    content = nil
    return .finished(outcome)
  }

  private var outcome: TransactionOutcome {
    TransactionOutcome(
      answers: answers.map { $0 ?? .fault(DialogueFault(stage, .local("the transaction ended without an answer"))) },
      leavesConnectionUsable: isUsable)
  }
}
