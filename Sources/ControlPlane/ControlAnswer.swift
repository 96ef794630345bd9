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
  /// In the text format of Prometheus.
  case metrics(String)
  /// So many recipients were changed.
  case changed(Int)
  /// What was read again: `certificates`, `users`, `configuration`.
  case reloaded([String])
  case backup(BackupFacts)
  case policy(PolicyFacts)
  case override(OverrideFacts)
  case steady(SteadyFacts)
  case asked(AskedFacts)
  case audit(AuditFacts)
  case authentication(AuthenticationFacts)
  /// From now on what was asked for is seen.
  case watching
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
  /// Since when it has been ending: then it listens no more. Nil while it serves.
  public let stoppingSince: Timestamp?
  public let listeners: [Listener]
  public let queue: QueueStanding
  /// Routes that rest, those that end soonest first.
  public let restingRoutes: [RestingRouteFacts]
  /// Further routes that rest.
  public let moreRestingRoutes: Int
  public let alarms: [AlarmFacts]
  public let lastError: ErrorFacts?

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
    case version, listeners, queue, alarms
    case restingRoutes = "resting_routes"
    case moreRestingRoutes = "more_resting_routes"
    case lastError = "last_error"
    case hostName = "hostname"
    case processID = "pid"
    case startedAt = "started_at"
    case stoppingSince = "stopping_since"
  }

  public init(
    version: String, hostName: String, processID: Int32, startedAt: Timestamp, stoppingSince: Timestamp? = nil,
    listeners: [Listener], queue: QueueStanding, restingRoutes: [RestingRouteFacts] = [], moreRestingRoutes: Int = 0,
    alarms: [AlarmFacts] = [], lastError: ErrorFacts? = nil
  ) {
    self.version = version
    self.hostName = hostName
    self.processID = processID
    self.startedAt = startedAt
    self.stoppingSince = stoppingSince
    self.listeners = listeners
    self.queue = queue
    self.restingRoutes = restingRoutes
    self.moreRestingRoutes = moreRestingRoutes
    self.alarms = alarms
    self.lastError = lastError
  }
}

/// A route that rests after its host failed: until when, and why.
public struct RestingRouteFacts: Hashable, Sendable, Codable {
  public let route: String
  public let until: Timestamp
  public let failures: Int
  /// The last error of the route, where one is known.
  public let error: ErrorFacts?
  public init(route: String, until: Timestamp, failures: Int, error: ErrorFacts?) {
    self.route = route
    self.until = until
    self.failures = failures
    self.error = error
  }
}

/// An alarm that stands: something must be mended, and nobody has.
public struct AlarmFacts: Hashable, Sendable, Codable {
  /// Its kind, as the event has it.
  public let what: String
  public let route: String?
  public let text: String
  public let since: Timestamp
  public init(what: String, route: String?, text: String, since: Timestamp) {
    self.what = what
    self.route = route
    self.text = text
    self.since = since
  }
}

/// What a delivery last failed with.
public struct ErrorFacts: Hashable, Sendable, Codable {
  public let time: Timestamp
  public let route: String
  public let host: String?
  public let text: String
  public init(time: Timestamp, route: String, host: String?, text: String) {
    self.time = time
    self.route = route
    self.host = host
    self.text = text
  }
}

/// A backup that was made.
public struct BackupFacts: Hashable, Sendable, Codable {
  /// Of the damaged messages so many are named.
  public static let maximumNamed = 1_000

  public let folder: String
  public let madeAt: Timestamp
  public let messages: Int
  /// Messages in it without a whole body, by their ids.
  public let damaged: [String]

  private enum CodingKeys: String, CodingKey {
    case folder, messages, damaged
    case madeAt = "made_at"
  }

  public init(folder: String, madeAt: Timestamp, messages: Int, damaged: [String] = []) {
    self.folder = folder
    self.madeAt = madeAt
    self.messages = messages
    self.damaged = Array(damaged.prefix(BackupFacts.maximumNamed))
  }
}

/// What a line carries: an answer, or how the answers end.
enum AnswerLine: Hashable, Codable {
  case answer(ControlAnswer)
  case end
  case fault(ControlFault)

  private enum CodingKeys: String, CodingKey {
    case message, recipient, event, standing, status, metrics, changed, reloaded, backup, policy, override, steady
    case asked, audit, authentication, watching, dialogue, end, fault
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
    case .metrics: self = .answer(.metrics(try value()))
    case .changed: self = .answer(.changed(try value()))
    case .reloaded: self = .answer(.reloaded(try value()))
    case .backup: self = .answer(.backup(try value()))
    case .policy: self = .answer(.policy(try value()))
    case .override: self = .answer(.override(try value()))
    case .steady: self = .answer(.steady(try value()))
    case .asked: self = .answer(.asked(try value()))
    case .audit: self = .answer(.audit(try value()))
    case .authentication: self = .answer(.authentication(try value()))
    case .watching: self = .answer(.watching)
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
    case .answer(.metrics(let text)): try container.encode(text, forKey: .metrics)
    case .answer(.changed(let count)): try container.encode(count, forKey: .changed)
    case .answer(.reloaded(let names)): try container.encode(names, forKey: .reloaded)
    case .answer(.backup(let facts)): try container.encode(facts, forKey: .backup)
    case .answer(.policy(let facts)): try container.encode(facts, forKey: .policy)
    case .answer(.override(let facts)): try container.encode(facts, forKey: .override)
    case .answer(.steady(let facts)): try container.encode(facts, forKey: .steady)
    case .answer(.asked(let facts)): try container.encode(facts, forKey: .asked)
    case .answer(.audit(let facts)): try container.encode(facts, forKey: .audit)
    case .answer(.authentication(let facts)): try container.encode(facts, forKey: .authentication)
    case .answer(.watching): try container.encode(true, forKey: .watching)
    case .answer(.dialogue(let line)): try container.encode(line, forKey: .dialogue)
    case .answer(.linesLost(let count)): try container.encode(count, forKey: .linesLost)
    case .end: try container.encode(true, forKey: .end)
    case .fault(let fault): try container.encode(fault, forKey: .fault)
    }
  }
}
