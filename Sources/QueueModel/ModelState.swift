import MailQueue
import MailSyntax

/// What a running store knows besides its disk.
struct ModelState: Sendable {
  var disk = ModelDisk()
  var condition: StoreCondition = .accepting
  /// Changes that are not durable yet, in the order they came; the last has ticket `lastTicket`.
  var underWay: [ModelChange] = []
  var changesUntilFault: Int?
  /// Nothing can be written.
  var isFull = false
  /// Whether the next call finds a descriptor wanting.
  var isWanting: (@Sendable () -> Bool)?
  private var lastTicket = 0
  /// By ticket, until the caller takes it. Looked up only.
  private var results: [Int: Result<Void, StoreFault>] = [:]

  init(disk: ModelDisk = ModelDisk()) { self.disk = disk }

  mutating func begin(_ change: ModelChange) -> Int {
    underWay.append(change)
    lastTicket += 1
    return lastTicket
  }

  /// Applies what is under way up to a change, or stops where the sync was to fail. Gives the new events.
  mutating func makeDurable(upTo ticket: Int) -> [MailEvent] {
    var events: [MailEvent] = []
    while !underWay.isEmpty, lastTicket - underWay.count < ticket {
      if isFull {
        results[lastTicket - underWay.count + 1] = .failure(.spaceLow)
        underWay.removeFirst()
        continue
      }
      if isWanting?() ?? false {
        results[lastTicket - underWay.count + 1] = .failure(ModelQueueStore.unavailable)
        underWay.removeFirst()
        continue
      }
      if let left = changesUntilFault {
        changesUntilFault = left - 1
        if left <= 1 {
          condition = .stopped(reason: "the sync failed")
          return events
        }
      }
      let number = lastTicket - underWay.count + 1
      let outcome = disk.apply(underWay.removeFirst())
      results[number] = outcome.map { events += $0 }
    }
    return events
  }

  mutating func takeResult(_ ticket: Int) -> Result<Void, StoreFault> {
    results.removeValue(forKey: ticket) ?? .failure(.stopped(reason: "the power was cut"))
  }
}

/// A change on its way to the disk.
enum ModelChange: Sendable {
  case accept(ModelEntry, at: UTCInstant)
  case record(QueueID, [RecipientChange], [ModelEntry], [MailEvent], at: UTCInstant)
}
