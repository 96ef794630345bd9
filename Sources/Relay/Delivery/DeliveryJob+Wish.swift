import MailQueue
import MailSyntax
import SMTPGrammar
import SMTPSessions
import TransportSecurity

/// What a delivery does about a message that asks for REQUIRETLS.
enum RequireTLSConduct: Hashable, Sendable {
  /// It goes only to a server that promises to pass the wish on (RFC 8689 §4.2.1).
  case insist
  /// It is passed on where that can be had, and goes by TLS all the same where it can't (RFC 8689 §5).
  case settle
  /// Here the way of the mail ends, and the wish with it.
  case fulfilled
}

extension DeliveryJob {
  /// RFC 8689 §5: what has no sender isn't lost because a server lacks REQUIRETLS: nobody would ever hear of it. It
  /// carries no more than headers, and they go by TLS.
  var mayGoWithoutRequireTLS: Bool {
    message.message.tlsWish == .required && message.message.reversePath == .null
  }

  /// For a next hop that has no other beside it.
  var forOnlyServer: DeliveryJob {
    var job = self
    if mayGoWithoutRequireTLS { job.requireTLS = .settle }
    return job
  }

  /// For a server that keeps what it takes.
  var forFinalDelivery: DeliveryJob {
    var job = self
    job.requireTLS = .fulfilled
    return job
  }

  /// Once more for those that every server fell short for of what REQUIRETLS asks; nil where that is the end of it.
  func settling(after result: DeliveryResult) -> DeliveryJob? {
    guard mayGoWithoutRequireTLS, requireTLS == .insist, result.busyFor == nil else { return nil }
    let numbers = Set(result.outcomes.filter { $0.outcome.isForRequireTLS }.map(\.number))
    guard !numbers.isEmpty else { return nil }
    var job = DeliveryJob(
      message: message, recipients: recipients.filter { numbers.contains($0.number) }, openBody: openBody)
    job.requireTLS = .settle
    return job
  }
}

extension DeliveryJob {
  /// What the sender asks for, as far as this delivery insists on it.
  var wish: TLSWish {
    switch requireTLS {
    case .insist: message.message.tlsWish
    case .settle, .fulfilled: .unstated
    }
  }

  /// What the delivery asks for where the operator asks for nothing.
  var leastFloor: OperatorFloor? {
    switch requireTLS {
    case .insist, .fulfilled: nil
    case .settle: OperatorFloor(.encrypt, origin: "the report about a message with REQUIRETLS")
    }
  }
}

extension RecipientResult {
  /// A server, or its channel, fell short of what REQUIRETLS asks.
  fileprivate var isForRequireTLS: Bool {
    switch self {
    case .fault(let fault): fault.isForRequireTLS
    case .delivered: false
    }
  }
}

extension DeliveryFault {
  fileprivate var isForRequireTLS: Bool {
    switch cause {
    case .unsupported(let status, _): status == .requireTLSNeeded || status == .encryptionNeeded
    case .policy(let fault): fault.isForGood
    case .reply, .transport, .security, .protocolViolation, .local, .destination: false
    }
  }

  /// RFC 8689 §4.2.2: a server demands STARTTLS, which can't be had there, of mail whose sender doesn't. The sender is
  /// told, for that is why the mail was sent so.
  static func demandsTLS(_ reply: ServerReply) -> DeliveryFault {
    DeliveryFault(
      stage: .startTLS,
      cause: .unsupported(.encryptionNeeded, "the server demands STARTTLS, and TLS with it can't be had: \(reply)"))
  }
}

extension DeliveryResult {
  /// What came of the second look counts for those it was for.
  mutating func replace(by later: DeliveryResult, for job: DeliveryJob) {
    let numbers = Set(job.recipients.map(\.number))
    outcomes.removeAll { numbers.contains($0.number) }
    for recipient in job.recipients { elsewhere[recipient.number] = later.place(of: recipient.number) }
    if later.busyFor == nil {
      outcomes += later.outcomes
    } else {
      let fault = DeliveryFault(
        stage: .connect, cause: .transport("as many connections or deliveries as we allow ourselves"))
      outcomes += job.everyRecipient(fault)
    }
    if outcomes.allSatisfy({ numbers.contains($0.number) }) { place = later.place }
    earlier += later.earlier.filter { !earlier.contains($0) }
  }
}
