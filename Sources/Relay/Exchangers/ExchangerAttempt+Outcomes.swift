import MailQueue
import MailSyntax
import SMTPGrammar
import SMTPSessions
import TransportSecurity

/// What comes of a host, for the account of the attempt.
extension ExchangerAttempt {
  func place(at host: ExchangerHost, over conversation: ClientConversation, _ policy: AppliedPolicy) -> DeliveryPlace {
    DeliveryPlace(
      host: conversation.peer.named("\(host)"), tls: conversation.tls, cleartextReason: conversation.cleartextReason,
      policy: policy)
  }

  mutating func absorb(_ handover: Handover, from place: DeliveryPlace) {
    if place.tls != nil { mayHaveTLS = true }
    let answers: [(number: Int, outcome: RecipientResult)] = handover.outcomes.map { number, result in
      switch result {
      case .delivered: (number, result)
      case .fault(let fault): (number, .fault(inLight(of: place, fault)))
      }
    }
    account.absorb(answers, from: place)
  }

  func inLight(of place: DeliveryPlace, _ fault: DeliveryFault) -> DeliveryFault {
    var fault = fault
    if place.tls == nil, case .reply(let reply) = fault.cause {
      // RFC 3207 §4: 530 in clear asks for STARTTLS, which couldn't be had here: that is no word about the mail.
      if reply.code.rawValue == 530, job.message.message.tlsWish == .notRequired, place.believesInClear,
        fault.stage == .mail || fault.stage == .rcpt
      {
        return .demandsTLS(reply)
      } else if reply.code.rawValue == 530 {
        fault = DeliveryFault(stage: .startTLS, cause: .security(.refused(reply)))
      } else if !place.believesInClear, fault.stage == .greeting {
        fault = DeliveryFault(stage: .greeting, cause: .security(.refusedBeforeTLS(reply)))
      }
    }
    guard case .security(let cause) = fault.cause, cause.isLasting, place.policy?.isOfTheSenderAlone(cause) == true
    else {
      return fault
    }
    return DeliveryFault(stage: fault.stage, cause: .policy(PolicyFault(ofTheSender: cause)))
  }

  /// No room there at present. Where nothing has been tried yet the mail just waits its turn.
  mutating func stayAway(from host: ExchangerHost, for wait: Duration) {
    mayHaveTLS = true
    busyFor = min(busyFor ?? wait, wait)
    account.note(.noRoom, DeliveryPlace(host: "\(host)", tls: nil))
  }

  mutating func noteOurselves(_ host: ExchangerHost, _ peer: DialledPeer?) {
    metOurselves = true
    account.remember("\((peer ?? DialledPeer(endpoint: nil)).named("\(host)")): greets with our own name")
  }
}

extension DeliveryPlace {
  /// What is said before TLS may be anybody's word. Where nobody asks for TLS that is as good as any; where somebody
  /// does, it must not bounce the mail.
  var believesInClear: Bool { policy?.decision.verdict == .opportunistic }
}

extension DeliveryFault {
  static let noRoom = DeliveryFault(
    stage: .connect, cause: .transport("as many connections or deliveries as we allow ourselves"))
  static let cutShort = DeliveryFault(
    stage: .connect, cause: .transport("not every mail server could be tried in this attempt"))
  static let cancelled = DeliveryFault(
    stage: .connect, cause: .transport("the delivery was cancelled"))
}
