import MailSyntax
import NIOCore
import SASLMechanisms
import SMTPGrammar

extension ServerSession {
  mutating func nextCommand(_ bytes: inout ByteBuffer) -> ServerAction {
    // RFC 4954 §4.3: where AUTH is offered its initial response must fit.
    let authenticationOctets = authentication == nil ? 0 : settings.limits.authenticationLineOctets
    switch framer.next(&bytes, maximumOctets: settings.limits.commandLineOctets + authenticationOctets) {
    case .needBytes: return .needBytes
    case .tooLong: return refuseJunk(.lineTooLong)
    // Law 5: a line that ends any other way than CRLF isn't guessed at; what stands behind it can't be trusted.
    case .bareLineFeed, .bareCarriageReturn: return end(.protocolViolation, saying: .bareLineEnd)
    case .line(let line): return execute(line, behind: bytes)
    }
  }

  private mutating func execute(_ line: ByteBuffer, behind rest: ByteBuffer) -> ServerAction {
    let verb = CommandParser.verb(of: line)
    named = NamedEnvelope(sender: transaction?.reversePath, recipient: transaction?.recipients.first?.path)
    if verb == .httpRequest { return end(.protocolViolation, saying: .http) }
    let gate = gate(for: verb)
    if let gate, verb != .bdat { return refuseJunk(gate) }
    do throws(CommandFault) {
      let command = try CommandParser.parse(line, accepting: extensions)
      if case .bdat(let size, let isLast) = command { return chunk(size: size, isLast: isLast, gate: gate) }
      return execute(command, behind: rest)
    } catch {
      // Where the octets of such a chunk end is not known: what follows can't be read as commands.
      return verb == .bdat ? end(.protocolViolation, saying: error.reply) : refuseJunk(error.reply)
    }
  }

  /// What may be said before TLS and before authentication. Unknown verbs too are refused here, so that the answer
  /// names the one thing to do next.
  private func gate(for verb: Verb) -> Reply? {
    if facts.role == .submission && facts.tls == nil {
      switch verb {
      // RFC 3207 §4 names NOOP, EHLO, STARTTLS and QUIT; HELO and RSET change nothing and are let through (STLS-013).
      case .ehlo, .helo, .startTLS, .noop, .rset, .quit: return nil
      case .auth, .mail, .rcpt, .data, .bdat, .help, .vrfy, .expn, .unrecognised, .httpRequest:
        return .startTLSFirst
      }
    }
    if facts.role.isSubmission && facts.user == nil {
      switch verb {
      case .auth, .ehlo, .helo, .noop, .rset, .quit, .startTLS, .help: return nil
      case .mail, .rcpt, .data, .bdat, .vrfy, .expn, .unrecognised, .httpRequest: return .authenticateFirst
      }
    }
    return nil
  }

  private mutating func execute(_ command: Command, behind rest: ByteBuffer) -> ServerAction {
    switch command {
    case .ehlo(let identity): return hello(identity, isExtended: true)
    case .helo(let identity): return hello(identity, isExtended: false)
    case .startTLS: return startTLS(behind: rest)
    case .auth(let mechanism, let initialResponse): return authenticate(mechanism, initialResponse)
    case .mail(let path, let parameters): return mail(path, parameters)
    case .rcpt(let path, let parameters): return recipient(path, parameters)
    case .data: return data()
    case .bdat(let size, let isLast): return chunk(size: size, isLast: isLast, gate: nil)
    case .rset:
      forgetTransaction()
      needsReset = false
      return answerIdle(.ok)
    case .noop: return answerIdle(.ok)
    case .help: return answerIdle(.help)
    // RFC 5321 §3.5.3: neither confirms nor denies.
    case .vrfy: return answerIdle(.cannotVerify)
    case .expn: return refuseJunk(.notImplemented)
    case .quit: return end(.quit, saying: .goodbye(settings.hostName))
    }
  }

  private mutating func hello(_ identity: HostIdentity, isExtended: Bool) -> ServerAction {
    // RFC 5321 §4.1.4: a new EHLO does what RSET does.
    forgetTransaction()
    needsReset = false
    facts.clientIdentity = identity
    facts.isExtended = isExtended
    return answerIdle(isExtended ? .capabilities(settings.hostName, keywords) : .hello(settings.hostName))
  }

  /// RFC 5321 §4.1.1.1: all that is served here, and nothing that isn't.
  private var keywords: [EHLOKeyword] {
    var keywords: [EHLOKeyword] = [
      .pipelining, .size(settings.limits.messageSize), .eightBitMIME, .smtpUTF8, .enhancedStatusCodes, .chunking,
      .deliveryStatusNotifications,
    ]
    // RFC 3207 §4.2: not once TLS is active.
    if facts.tls == nil && settings.offersSTARTTLS { keywords.append(.startTLS) }
    // RFC 8689 §2: what came in clear can't be asked to go by TLS all the way.
    if facts.tls != nil { keywords.append(.requireTLS) }
    if let authentication { keywords.append(.authentication(authentication.mechanisms.map(\.rawValue))) }
    return keywords
  }

  /// The same as the parser sees it: a parameter of what isn't offered to this client is unknown (RFC 5321 §4.1.1.11).
  private var extensions: ExtensionSet {
    guard facts.isExtended else { return [] }
    var offered: ExtensionSet = [.size, .eightBitMIME, .smtpUTF8, .deliveryStatusNotifications]
    if facts.tls != nil { offered.insert(.requireTLS) }
    if authentication != nil { offered.insert(.authentication) }
    return offered
  }

  private mutating func startTLS(behind rest: ByteBuffer) -> ServerAction {
    guard facts.tls == nil else { return refuseJunk(.tlsAlready) }
    guard settings.offersSTARTTLS else { return refuseJunk(.tlsUnavailable) }
    // Law 4, RFC 3207 §4.2: what was sent in clear behind STARTTLS may be an attacker's; whole lines and fragments alike.
    guard rest.readableBytes == 0 else { return end(.injection) }
    phase = .ended
    forgetTransaction()
    return .startTLS(.readyForTLS)
  }

  private mutating func mail(_ path: ReversePath, _ parameters: MailParameters) -> ServerAction {
    named = NamedEnvelope(sender: path)
    guard facts.clientIdentity != nil else { return refuseJunk(.helloFirst) }
    guard transaction == nil, !needsReset else { return refuseJunk(.transactionOpen) }
    guard !hasTooManyRefusals else { return end(.tooManyRefusals, saying: .tooManyRefusals) }
    if let mailbox = path.mailbox, !mailbox.isASCII, !parameters.usesSMTPUTF8 { return refuseAddress(.needsSMTPUTF8) }
    if let size = parameters.size, size > settings.limits.messageSize {
      return refuseAddress(.tooLarge(settings.limits))
    }
    phase = .awaiting(.mail(path, parameters))
    return .ask(.mail(path, parameters))
  }

  mutating func answered(
    mail answer: CommandAnswer, _ path: ReversePath, _ parameters: MailParameters
  ) -> ServerAction {
    phase = .command
    switch answer {
    case .accepted:
      transaction = Transaction(reversePath: path, parameters: parameters)
      return .reply(.senderAccepted)
    case .refused(let reply): return refuseAddress(reply)
    }
  }

  private mutating func recipient(_ path: ForwardPath, _ parameters: RecipientParameters) -> ServerAction {
    named.recipient = path
    guard let transaction else { return refuseJunk(.mailFirst) }
    guard chunks == nil else { return refuseJunk(.transactionOpen) }
    if case .mailbox(let mailbox) = path, !mailbox.isASCII, !transaction.parameters.usesSMTPUTF8 {
      return refuseAddress(.recipientNeedsSMTPUTF8)
    }
    // RFC 5321 §4.5.3.1.10: 452, and what was accepted stays accepted.
    guard transaction.recipients.count < settings.limits.recipients else { return refuseAddress(.tooManyRecipients) }
    phase = .awaiting(.recipient(path, parameters))
    return .ask(.recipient(path, parameters))
  }

  mutating func answered(
    recipient answer: CommandAnswer, _ path: ForwardPath, _ parameters: RecipientParameters
  ) -> ServerAction {
    phase = .command
    switch answer {
    case .accepted:
      transaction?.recipients.append(.init(path: path, parameters: parameters))
      return .reply(.recipientAccepted)
    case .refused(let reply): return refuseAddress(reply)
    }
  }
}
