/// One line of an answer.
public enum ControlAnswer: Hashable, Sendable {
  case message(MessageFacts)
  /// Belongs to the message before it.
  case recipient(RecipientFacts)
  case event(EventFacts)
  /// So many older events are not in the answer.
  case eventsOmitted(Int)
  case standing(QueueStanding)
  case status(ServerStatus)
  /// So many recipients were changed.
  case changed(Int)
  /// What was read again: `certificates`, `users`, `configuration`.
  case reloaded([String])
  case backup(BackupFacts)
  case dialogue(WatchedLine)
  /// So many lines of dialogues were dropped, since they came faster than they were read.
  case linesLost(Int)
}

/// A running server.
public struct ServerStatus: Hashable, Sendable, Codable {
  public let version: String
  public let hostName: String
  public let processID: Int32
  public let startedAt: Timestamp
  public let listeners: [Listener]
  public let queue: QueueStanding

  public struct Listener: Hashable, Sendable, Codable {
    public let role: String
    /// `127.0.0.1:465`
    public let address: String
    public init(role: String, address: String) {
      self.role = role
      self.address = address
    }
  }

  private enum CodingKeys: String, CodingKey {
    case version, listeners, queue
    case hostName = "hostname"
    case processID = "pid"
    case startedAt = "started_at"
  }

  public init(
    version: String, hostName: String, processID: Int32, startedAt: Timestamp, listeners: [Listener],
    queue: QueueStanding
  ) {
    self.version = version
    self.hostName = hostName
    self.processID = processID
    self.startedAt = startedAt
    self.listeners = listeners
    self.queue = queue
  }
}

/// A backup that was made.
public struct BackupFacts: Hashable, Sendable, Codable {
  public let folder: String
  public let madeAt: Timestamp
  public let messages: Int

  private enum CodingKeys: String, CodingKey {
    case folder, messages
    case madeAt = "made_at"
  }

  public init(folder: String, madeAt: Timestamp, messages: Int) {
    self.folder = folder
    self.madeAt = madeAt
    self.messages = messages
  }
}

/// What a line carries: an answer, or how the answers end.
enum AnswerLine: Hashable, Codable {
  case answer(ControlAnswer)
  case end
  case fault(ControlFault)

  private enum CodingKeys: String, CodingKey {
    case message, recipient, event, standing, status, changed, reloaded, backup, dialogue, end, fault
    case eventsOmitted = "events_omitted"
    case linesLost = "lines_lost"
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    guard let key = container.allKeys.first, container.allKeys.count == 1 else {
      throw ControlFault(.badRequest, "an answer has one of the known keys")
    }
    func value<Value: Decodable>() throws -> Value { try container.decode(Value.self, forKey: key) }
    switch key {
    case .message: self = .answer(.message(try value()))
    case .recipient: self = .answer(.recipient(try value()))
    case .event: self = .answer(.event(try value()))
    case .eventsOmitted: self = .answer(.eventsOmitted(try value()))
    case .standing: self = .answer(.standing(try value()))
    case .status: self = .answer(.status(try value()))
    case .changed: self = .answer(.changed(try value()))
    case .reloaded: self = .answer(.reloaded(try value()))
    case .backup: self = .answer(.backup(try value()))
    case .dialogue: self = .answer(.dialogue(try value()))
    case .linesLost: self = .answer(.linesLost(try value()))
    case .end: self = .end
    case .fault: self = .fault(try value())
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .answer(.message(let facts)): try container.encode(facts, forKey: .message)
    case .answer(.recipient(let facts)): try container.encode(facts, forKey: .recipient)
    case .answer(.event(let facts)): try container.encode(facts, forKey: .event)
    case .answer(.eventsOmitted(let count)): try container.encode(count, forKey: .eventsOmitted)
    case .answer(.standing(let facts)): try container.encode(facts, forKey: .standing)
    case .answer(.status(let facts)): try container.encode(facts, forKey: .status)
    case .answer(.changed(let count)): try container.encode(count, forKey: .changed)
    case .answer(.reloaded(let names)): try container.encode(names, forKey: .reloaded)
    case .answer(.backup(let facts)): try container.encode(facts, forKey: .backup)
    case .answer(.dialogue(let line)): try container.encode(line, forKey: .dialogue)
    case .answer(.linesLost(let count)): try container.encode(count, forKey: .linesLost)
    case .end: try container.encode(true, forKey: .end)
    case .fault(let fault): try container.encode(fault, forKey: .fault)
    }
  }
}
