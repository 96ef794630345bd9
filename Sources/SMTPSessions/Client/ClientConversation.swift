public import SMTPGrammar
public import TransportSecurity

/// What a connection knows once it is open.
struct OpenedSession: Sendable {
  let tls: TLSFacts?
  let cleartextReason: String?
  let capabilities: Capabilities
  let greetingName: String?
  let helloName: String?
}

/// A client's conversation with one server, as async functions. It may be shared between tasks; one transaction goes
/// on at a time, and a second one that comes meanwhile is refused.
public final class ClientConversation: Sendable {
  /// RFC 5321 §4.5.3.1.8: what every server must take. More recipients go in further transactions.
  public static let maximumRecipients = 100

  public let peer: DialledPeer
  /// What the handshake settled; nil in clear.
  public let tls: TLSFacts?
  /// Of the permit by which mail goes in clear here, for the record; nil inside TLS.
  public let cleartextReason: String?
  /// What the server calls itself in its greeting: the first word, as long as a reply's line may be. Behind STARTTLS it
  /// was said in clear, by whomever; `helloName` was said inside. A host that meets its own name has met itself.
  public let greetingName: String?
  /// What the server calls itself in its answer to EHLO, LHLO or HELO, the last one.
  public let helloName: String?
  /// What the server offers in this very channel.
  public let capabilities: Capabilities
  /// The server offers DSN: RET, ENVID, NOTIFY and ORCPT are passed on as they are, and with them the duty to tell the
  /// sender. To any other they are left out, and that duty stays (RFC 3461 §5.2.1, §5.2.2).
  public var passesReportsOn: Bool { capabilities.offersDeliveryStatusNotifications }
  private let mailbox: ClientMailbox

  private init(peer: DialledPeer, session: OpenedSession, mailbox: ClientMailbox) {
    self.peer = peer
    tls = session.tls
    cleartextReason = session.cleartextReason
    greetingName = session.greetingName
    helloName = session.helloName
    capabilities = session.capabilities
    self.mailbox = mailbox
  }

  /// Connects, greets, goes to TLS and authenticates as `plan` says.
  ///
  /// - Throws: the first thing that went otherwise, with what is known of the server; the connection is closed then.
  ///   Cancellation is a transport fault.
  public static func open(
    _ plan: ClientPlan, to target: DialTarget, by dialer: some Dialer
  ) async throws(OpeningFault) -> ClientConversation {
    let mailbox = ClientMailbox()
    let opening = OneShot<Result<OpenedSession, OpeningFault>>()
    let peer: DialledPeer
    do throws(DialFault) {
      peer = try await dialer.dial(target, from: plan.egress, timeout: plan.timeouts.connect) { wire, peer in
        ClientConnection(wire: wire, peer: peer, plan: plan, mailbox: mailbox, opening: opening)
      }
    } catch {
      throw OpeningFault(
        DialogueFault(.connect, .transport(ClientConversation.describe(error))), reach: error.reach)
    }
    let session = await withTaskCancellationHandler {
      await opening.value()
    } onCancel: {
      _ = mailbox.post(.abort)
    }
    switch session {
    case .success(let opened): return ClientConversation(peer: peer, session: opened, mailbox: mailbox)
    case .failure(var fault):
      fault.peer = peer
      throw fault
    }
  }

  /// Another transaction may be tried.
  public var isOpen: Bool { mailbox.isOpen }

  /// One mail transaction: an answer for each recipient, in their order. It never throws; when the connection fails
  /// every recipient that hadn't been answered gets the fault.
  ///
  /// - Parameters:
  ///   - transaction: at most `maximumRecipients` recipients; its parameters say what the message needs, and those that
  ///     the server doesn't know are left out where the message can do without.
  ///   - body: read once, while the server takes it.
  public func transact(_ transaction: Transaction, body: any OutgoingBody) async -> [RecipientAnswer] {
    let answer = OneShot<TransactionOutcome>()
    guard mailbox.post(.send(transaction, body, answer)) else {
      let fault = DialogueFault(.mail, .transport("the connection is closed"))
      return transaction.recipients.map { _ in .fault(fault) }
    }
    return await abortable { await answer.value() }.answers
  }

  /// RSET. False where the connection didn't stand it.
  public func reset() async -> Bool {
    let answer = OneShot<Bool>()
    guard mailbox.post(.reset(answer)) else { return false }
    return await abortable { await answer.value() }
  }

  /// QUIT, and the server's answer awaited for a while (RFC 5321 §4.1.1.10). Returns when the wire is closing.
  public func quit() async {
    let answer = OneShot<Void>()
    guard mailbox.post(.quit(answer)) else { return }
    await answer.value()
  }

  /// QUIT without waiting for it.
  public func leave() { _ = mailbox.post(.quit(OneShot())) }

  private func abortable<Value>(_ operation: () async -> Value) async -> Value {
    let mailbox = mailbox
    return await withTaskCancellationHandler(operation: operation) { _ = mailbox.post(.abort) }
  }

  private static func describe(_ fault: DialFault) -> String {
    switch fault {
    case .noSuchHost(let text), .resolutionFailed(let text), .unreachable(let text), .refused(let text),
      .unanswered(let text):
      text
    }
  }
}

extension DialFault {
  fileprivate var reach: OpeningFault.Reach {
    switch self {
    case .refused: .answered
    case .unanswered: .silent
    case .noSuchHost, .resolutionFailed, .unreachable: .unknown
    }
  }
}
