import ControlPlane
import MailQueue
import MailSyntax

/// What `queue show` tells of one message.
struct QueueStory {
  let id: QueueID
  /// Nil when the message has left the queue.
  private(set) var message: MessageFacts?
  private(set) var recipients: [RecipientFacts] = []
  private(set) var events: [EventFacts] = []
  private(set) var eventsOmitted = 0

  init(id: QueueID, _ answers: [ControlAnswer]) {
    self.id = id
    for answer in answers {
      switch answer {
      case .message(let facts): message = facts
      case .recipient(let facts): recipients.append(facts)
      case .event(let facts): events.append(facts)
      case .eventsOmitted(let count): eventsOmitted = count
      case .standing, .status, .metrics, .changed, .reloaded, .backup, .policy, .override, .steady, .asked, .audit,
        .authentication,
        .watching,
        .dialogue,
        .linesLost:
        break
      }
    }
  }
}

extension QueueStory: Encodable {
  private enum CodingKeys: String, CodingKey {
    case id, recipients, events
    case eventsOmitted = "events_omitted"
    case isInQueue = "in_queue"
  }

  /// The message's members where it is in the queue, with recipients and events among them.
  func encode(to encoder: any Encoder) throws {
    try message?.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(id.description, forKey: .id)
    try container.encode(message != nil, forKey: .isInQueue)
    try container.encode(recipients, forKey: .recipients)
    try container.encode(events, forKey: .events)
    try container.encode(eventsOmitted, forKey: .eventsOmitted)
  }
}
