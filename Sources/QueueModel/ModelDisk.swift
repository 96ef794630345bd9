import MailQueue
import MailSyntax
import NIOCore

/// A message with its body and its attempts.
struct ModelEntry: Sendable {
  var queued: QueuedMessage
  let body: ByteBuffer
  let accepted: MailEvent
  var attempts: [RecipientAttempt] = []
  var isDamaged = false

  init(_ queued: QueuedMessage, _ body: ByteBuffer, _ accepted: MailEvent) {
    self.queued = queued
    self.body = body
    self.accepted = accepted
  }
}

/// What survives: messages by id, which is by age, and the events.
struct ModelDisk: Sendable {
  private var entries: [ModelEntry] = []
  private var lanes = ModelLanes()
  /// Looked up by message only.
  private var events: [QueueID: [StampedEvent]] = [:]
  private var lastEvent: Int64 = 0

  func entry(_ id: QueueID) -> ModelEntry? { index(of: id).map { entries[$0] } }

  /// The new events, or why nothing was changed.
  mutating func apply(_ change: ModelChange) -> Result<[MailEvent], StoreFault> {
    do throws(StoreFault) {
      try check(change)
    } catch {
      return .failure(error)
    }
    switch change {
    case .accept(let entry, let moment):
      return .success([insert(entry, at: moment)])
    case .record(let id, let changes, let reports, let events, let moment):
      let accepted = reports.map { insert($0, at: moment) }
      record(changes, of: id)
      for event in events { add(event, of: id, at: moment) }
      return .success(accepted + events)
    }
  }

  /// Everything that can refuse a change, before anything is changed.
  private func check(_ change: ModelChange) throws(StoreFault) {
    let arriving: [ModelEntry]
    switch change {
    case .accept(let entry, _): arriving = [entry]
    case .record(let id, let changes, let reports, _, _):
      // Events alone may tell of a message that has left.
      if changes.isEmpty, reports.isEmpty { return }
      guard let known = entry(id)?.queued.recipients.indices, changes.allSatisfy({ known.contains($0.number) }) else {
        throw .notFound
      }
      arriving = reports
    }
    for (place, new) in arriving.enumerated() {
      let isTaken = entry(new.queued.id) != nil || arriving[..<place].contains { $0.queued.id == new.queued.id }
      guard !isTaken else { throw .duplicate(new.queued.id) }
    }
  }

  func lanes(after: Lane?, limit: Int) -> [LaneSummary] { lanes.summaries(after: after, limit: limit) }

  func due(in lane: Lane, at moment: UTCInstant, limit: Int) -> DueMail {
    lanes.due(in: lane, at: moment, limit: limit)
  }

  func list(_ filter: QueueFilter, after: QueueID?, limit: Int) -> [QueuedMessage] {
    let behind = entries.lazy.map(\.queued).filter { queued in after.map { $0 < queued.id } ?? true }
    return Array(behind.filter(filter.matches).prefix(max(0, limit)))
  }

  func events(of id: QueueID) -> [StampedEvent] { events[id] ?? [] }

  func counts() -> QueueCounts {
    let states = entries.flatMap { $0.queued.recipients.map(\.state) }
    return QueueCounts(
      messages: entries.count, recipientsQueued: states.count { $0 == .queued },
      recipientsHeld: states.count { $0 == .held })
  }

  mutating func damage(_ id: QueueID) {
    if let index = index(of: id) { entries[index].isDamaged = true }
  }

  private func index(of id: QueueID) -> Int? {
    let place = firstIndex(notBefore: id)
    return place < entries.count && entries[place].queued.id == id ? place : nil
  }

  private func firstIndex(notBefore id: QueueID) -> Int {
    var range = 0..<entries.count
    while !range.isEmpty {
      let middle = range.lowerBound + range.count / 2
      range = entries[middle].queued.id < id ? middle + 1..<range.upperBound : range.lowerBound..<middle
    }
    return range.lowerBound
  }

  private mutating func insert(_ entry: ModelEntry, at moment: UTCInstant) -> MailEvent {
    entries.insert(entry, at: firstIndex(notBefore: entry.queued.id))
    for recipient in entry.queued.recipients { lanes.insert(recipient, of: entry.queued.message) }
    add(entry.accepted, of: entry.queued.id, at: moment)
    return entry.accepted
  }

  private mutating func record(_ changes: [RecipientChange], of id: QueueID) {
    guard let index = index(of: id) else { return }
    for change in changes {
      let standing = entries[index].queued.recipients[change.number].standing
      let message = entries[index].queued.message
      lanes.remove(entries[index].queued.recipients[change.number], of: message)
      entries[index].queued.recipients[change.number].standing = standing.applying(change)
      lanes.insert(entries[index].queued.recipients[change.number], of: message)
      if let attempt = change.attempt {
        entries[index].attempts.append(RecipientAttempt(number: change.number, attempt: attempt))
      }
    }
    if !entries[index].queued.hasUnfinishedRecipient { entries.remove(at: index) }
  }

  private mutating func add(_ event: MailEvent, of id: QueueID, at moment: UTCInstant) {
    lastEvent += 1
    events[id, default: []].append(StampedEvent(sequence: lastEvent, instant: moment, event: event))
  }
}
