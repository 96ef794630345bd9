internal import MailQueue
internal import NIOCore

extension ControlRequest {
  /// One line without its end: `{"limit":50,"request":"queue.list","version":1,"filter":{"sender":"a@example.org"}}`.
  var record: RequestRecord {
    switch self {
    case .status: RequestRecord("status")
    case .metrics: RequestRecord("metrics")
    case .reload(.everything): RequestRecord("reload")
    case .reload(.users): RequestRecord("reload.users")
    case .reload(.signingKeys): RequestRecord("reload.signing-keys")
    case .backup(let folder): RequestRecord("backup", folder: folder)
    case .watch(let filter): RequestRecord("watch", dialogues: filter)
    case .policy(let request): request.record
    case .queue(.list(let filter, let after, let limit)):
      RequestRecord("queue.list", filter: FilterRecord(filter), after: after?.description, limit: limit)
    case .queue(.show(let id)): RequestRecord("queue.show", id: id.description)
    case .queue(.change(let change, let filter)):
      RequestRecord("queue.\(change.rawValue)", filter: FilterRecord(filter))
    }
  }

  init(_ record: RequestRecord) throws(ControlFault) {
    if let request = try PolicyRequest(record) {
      self = .policy(request)
      return
    }
    switch record.request {
    case "status": self = .status
    case "metrics": self = .metrics
    case "reload": self = .reload(.everything)
    case "reload.users": self = .reload(.users)
    case "reload.signing-keys": self = .reload(.signingKeys)
    case "backup":
      guard let folder = record.folder, folder.hasPrefix("/") else {
        throw ControlFault(.badRequest, "a backup is asked for with the absolute path of its folder")
      }
      self = .backup(to: folder)
    case "watch": self = .watch(record.dialogues ?? DialogueFilter())
    case "queue.list":
      self = .queue(
        .list(try record.queueFilter(), after: try record.after.map(readID), limit: record.limit ?? 0))
    case "queue.show":
      guard let id = record.id else { throw ControlFault(.badRequest, "queue.show is asked for with an id") }
      self = .queue(.show(try readID(id)))
    case let name:
      guard name.hasPrefix("queue."), let change = QueueChange(rawValue: String(name.dropFirst("queue.".count))) else {
        throw ControlFault(.badRequest, "no request is named \"\(name.prefix(64))\"")
      }
      // Without a filter at all a slip would change the whole queue: all is said as an empty one.
      guard record.filter != nil else { throw ControlFault(.badRequest, "\(name) is asked for with a filter") }
      self = .queue(.change(change, try record.queueFilter()))
    }
  }
}

struct RequestRecord: Codable {
  var version: Int
  var request: String
  var filter: FilterRecord?
  var id: String?
  var after: String?
  var limit: Int?
  var folder: String?
  var dialogues: DialogueFilter?
  var policy: PolicyRecord?

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case version, request, filter, id, after, limit, folder, dialogues, policy
  }

  init(
    _ request: String, filter: FilterRecord? = nil, id: String? = nil, after: String? = nil, limit: Int? = nil,
    folder: String? = nil, dialogues: DialogueFilter? = nil
  ) {
    version = ControlProtocol.version
    self.request = request
    self.filter = filter
    self.id = id
    self.after = after
    self.limit = limit
    self.folder = folder
    self.dialogues = dialogues
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    version = try container.decode(Int.self, forKey: .version)
    // Another version may have other keys: it is named before they are judged.
    guard version == ControlProtocol.version else { throw ControlFault.unsupportedVersion(version) }
    try refuseUnknownKeys(decoder, CodingKeys.allCases.map(\.rawValue))
    request = try container.decode(String.self, forKey: .request)
    filter = try container.decodeIfPresent(FilterRecord.self, forKey: .filter)
    id = try container.decodeIfPresent(String.self, forKey: .id)
    after = try container.decodeIfPresent(String.self, forKey: .after)
    limit = try container.decodeIfPresent(Int.self, forKey: .limit)
    folder = try container.decodeIfPresent(String.self, forKey: .folder)
    dialogues = try container.decodeIfPresent(DialogueFilter.self, forKey: .dialogues)
    policy = try container.decodeIfPresent(PolicyRecord.self, forKey: .policy)
  }

  func queueFilter() throws(ControlFault) -> QueueFilter { try (filter ?? FilterRecord(QueueFilter())).queueFilter() }
}

struct FilterRecord: Codable {
  var id: String?
  var sender: String?
  var recipient: String?
  var account: String?
  var route: String?
  var state: String?

  private enum CodingKeys: String, CodingKey, CaseIterable { case id, sender, recipient, account, route, state }

  init(_ filter: QueueFilter) {
    id = filter.id?.description
    sender = filter.sender
    recipient = filter.recipient
    account = filter.account
    route = filter.route?.rawValue
    state = filter.state?.rawValue
  }

  init(from decoder: any Decoder) throws {
    // A condition that this version doesn't know must not be passed over: more would be selected than was meant.
    try refuseUnknownKeys(decoder, CodingKeys.allCases.map(\.rawValue))
    let container = try decoder.container(keyedBy: CodingKeys.self)
    id = try container.decodeIfPresent(String.self, forKey: .id)
    sender = try container.decodeIfPresent(String.self, forKey: .sender)
    recipient = try container.decodeIfPresent(String.self, forKey: .recipient)
    account = try container.decodeIfPresent(String.self, forKey: .account)
    route = try container.decodeIfPresent(String.self, forKey: .route)
    state = try container.decodeIfPresent(String.self, forKey: .state)
  }

  func queueFilter() throws(ControlFault) -> QueueFilter {
    var filter = QueueFilter()
    filter.id = try id.map(readID)
    filter.sender = sender
    filter.recipient = recipient
    filter.account = account
    filter.route = route.map { RouteKey(rawValue: $0) }
    if let state {
      guard let known = RecipientState(rawValue: state) else {
        throw ControlFault(.badRequest, "\"\(state.prefix(64))\" is no state of a recipient")
      }
      filter.state = known
    }
    return filter
  }
}

private func readID(_ text: String) throws(ControlFault) -> QueueID {
  guard let id = QueueID(text) else {
    throw ControlFault(
      .badRequest, "\"\(text.prefix(64))\" is no queue id: one is \(QueueID.characters) letters and digits")
  }
  return id
}

private struct AnyKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

func refuseUnknownKeys(_ decoder: any Decoder, _ known: [String]) throws {
  let unknown = try decoder.container(keyedBy: AnyKey.self).allKeys.map(\.stringValue).filter { !known.contains($0) }
  if let first = unknown.min() { throw ControlFault(.badRequest, "\"\(first.prefix(64))\" is no key of a request") }
}
