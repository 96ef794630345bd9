import MailQueue
import MailSyntax
import SMTPGrammar

/// What has come of an attempt so far: who has an answer that no other host could better, who hasn't, and what failed
/// on the way. Pure.
struct ExchangerAccount {
  /// Those that another host may do better for.
  private(set) var pending: [QueuedRecipient]
  private var outcomes: [(number: Int, outcome: RecipientResult)] = []
  private var places: [Int: DeliveryPlace] = [:]
  /// The word that stands for those pending when no host is left.
  private var lastWord: (fault: DeliveryFault, place: DeliveryPlace)?
  /// What failed, host by host, for the record.
  private var trail: [String] = []
  private let recipientCount: Int

  /// Of what failed before, so many lines are kept, the first ones, and of each so many octets.
  static let maximumTrailLines = 8
  static let maximumTrailOctets = 200

  init(of recipients: [QueuedRecipient]) {
    pending = recipients
    recipientCount = recipients.count
  }

  var isSettled: Bool { pending.isEmpty }
  var hasOutcome: Bool { !outcomes.isEmpty }

  // MARK: A host's answers

  mutating func absorb(_ answers: [(number: Int, outcome: RecipientResult)], from place: DeliveryPlace) {
    var goOn: [QueuedRecipient] = []
    for (number, result) in answers {
      switch result {
      case .delivered: settle(number, result, place)
      case .fault(let fault):
        if fault.isWordOfOneHost, let recipient = pending.first(where: { $0.number == number }) {
          goOn.append(recipient)
          note(fault, place)
        } else {
          settle(number, result, place)
        }
      }
    }
    pending = goOn
  }

  private mutating func settle(_ number: Int, _ result: RecipientResult, _ place: DeliveryPlace) {
    outcomes.append((number, result))
    places[number] = place
  }

  /// A refusal for good is the last word only where no host left a hope.
  mutating func note(_ fault: DeliveryFault, _ place: DeliveryPlace) {
    remember(ExchangerAccount.line(fault, place))
    if fault.leavesHope || lastWord?.fault.leavesHope != true { lastWord = (fault, place) }
  }

  /// Not everything was tried that there is: what was said for good isn't the domain's last word then.
  mutating func leaveHope(_ fault: DeliveryFault, _ place: DeliveryPlace) {
    if lastWord?.fault.leavesHope != true { lastWord = (fault, place) }
  }

  /// A line of the record that is nobody's word.
  mutating func remember(_ line: String) {
    guard trail.count < ExchangerAccount.maximumTrailLines, !trail.contains(line) else { return }
    trail.append(line)
  }

  private static func line(_ fault: DeliveryFault, _ place: DeliveryPlace) -> String {
    "\(place.host): \(fault)".cut(toOctets: maximumTrailOctets)
  }

  // MARK: The end

  /// - Parameter silence: the word where no host said any.
  func result(of domain: MailDomain, silence: DeliveryFault) -> DeliveryResult {
    let nowhere = DeliveryPlace(host: "\(domain)", tls: nil)
    var result = DeliveryResult(
      place: outcomes.first.flatMap { places[$0.number] } ?? nowhere, outcomes: outcomes)
    result.elsewhere = places
    result.earlier = trail
    guard !pending.isEmpty else { return result }
    let (fault, place) = lastWord ?? (silence, nowhere)
    if pending.count == recipientCount { result.earlier.removeAll { $0 == ExchangerAccount.line(fault, place) } }
    for recipient in pending {
      result.outcomes.append((recipient.number, .fault(fault)))
      result.elsewhere[recipient.number] = place
    }
    if outcomes.isEmpty { result.place = place }
    return result
  }
}

extension DeliveryFault {
  /// Another host may be more willing, or able to what this one isn't; what concerns the recipient or the message, it
  /// would only say again.
  fileprivate var isWordOfOneHost: Bool {
    switch cause {
    case .unsupported, .policy: return true
    case .reply, .transport, .security, .protocolViolation, .local, .destination: break
    }
    return OutcomeTable.decide(self, of: .exchanger).scope == .host
  }

  fileprivate var leavesHope: Bool { OutcomeTable.decide(self, of: .exchanger).action == .retry }
}
