import MailQueue
import MailSyntax

/// The queued recipients by lane, in the order in which they are served: what an index is to a database.
struct ModelLanes: Sendable {
  struct Place: Hashable, Comparable, Sendable {
    let priority: PriorityClass
    let due: UTCInstant
    let id: QueueID
    let number: Int
    static func < (left: Place, right: Place) -> Bool {
      (left.priority, left.due, left.id, left.number) < (right.priority, right.due, right.id, right.number)
    }
  }

  /// Sorted, and never empty.
  private var places: [Lane: [Place]] = [:]

  mutating func insert(_ recipient: QueuedRecipient, of message: NewMessage) {
    guard recipient.state == .queued else { return }
    let (lane, place) = ModelLanes.place(of: recipient, message)
    let index = ModelLanes.firstIndex(in: places[lane] ?? []) { !($0 < place) }
    places[lane, default: []].insert(place, at: index)
  }

  mutating func remove(_ recipient: QueuedRecipient, of message: NewMessage) {
    guard recipient.state == .queued else { return }
    let (lane, place) = ModelLanes.place(of: recipient, message)
    let index = ModelLanes.firstIndex(in: places[lane] ?? []) { !($0 < place) }
    guard let known = places[lane], index < known.count, known[index] == place else { return }
    if known.count == 1 { places[lane] = nil } else { places[lane]?.remove(at: index) }
  }

  func summaries(after: Lane?, limit: Int) -> [LaneSummary] {
    places.keys.filter { lane in after.map { $0 < lane } ?? true }.sorted().prefix(max(0, limit)).compactMap { lane in
      places[lane]?.map(\.due).min().map { LaneSummary(lane: lane, earliestDue: $0) }
    }
  }

  func due(in lane: Lane, at moment: UTCInstant, limit: Int) -> DueMail {
    let known = places[lane] ?? []
    var ids: [QueueID] = []
    var seen: Set<QueueID> = []
    var nextDue: UTCInstant?
    for priority in PriorityClass.allCases {
      var index = ModelLanes.firstIndex(in: known) { $0.priority >= priority }
      while ids.count < limit, index < known.count, known[index].priority == priority, known[index].due <= moment {
        if seen.insert(known[index].id).inserted { ids.append(known[index].id) }
        index += 1
      }
      let next = ModelLanes.firstIndex(in: known) { ($0.priority, $0.due) > (priority, moment) }
      if next < known.count, known[next].priority == priority {
        nextDue = nextDue.map { min($0, known[next].due) } ?? known[next].due
      }
    }
    return DueMail(ids: ids, nextDue: nextDue)
  }

  private static func place(of recipient: QueuedRecipient, _ message: NewMessage) -> (Lane, Place) {
    (
      Lane(route: recipient.recipient.route, account: message.account ?? ""),
      Place(priority: message.priority, due: recipient.due, id: message.id, number: recipient.number)
    )
  }

  private static func firstIndex(in places: [Place], where isBehind: (Place) -> Bool) -> Int {
    var range = 0..<places.count
    while !range.isEmpty {
      let middle = range.lowerBound + range.count / 2
      range = isBehind(places[middle]) ? range.lowerBound..<middle : middle + 1..<range.upperBound
    }
    return range.lowerBound
  }
}
