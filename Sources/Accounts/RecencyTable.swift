internal import DequeModule
internal import MailSyntax

/// A dictionary of bounded size: the entry set longest ago makes room. What strangers can fill is kept in one of these.
package struct RecencyTable<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private struct Entry {
    var value: Value
    var stamp: UInt64
  }
  private let capacity: Int
  private var entries: [Key: Entry] = [:]
  /// Every `set` in order; one is stale when its entry has a newer stamp. Never longer than twice the capacity.
  private var history: Deque<(key: Key, stamp: UInt64)> = []
  private var stamp: UInt64 = 0

  package init(capacity: Int) {
    invariant(capacity > 0, "a table has room for something")
    self.capacity = capacity
  }

  package var count: Int { entries.count }

  package func value(for key: Key) -> Value? { entries[key]?.value }

  package mutating func set(_ value: Value, for key: Key) {
    stamp &+= 1
    entries[key] = Entry(value: value, stamp: stamp)
    history.append((key, stamp))
    while entries.count > capacity, let oldest = history.popFirst() {
      if isCurrent(oldest) { entries[oldest.key] = nil }
    }
    if history.count > 2 * capacity {
      history = Deque(history.filter(isCurrent))
    }
  }

  package mutating func remove(_ key: Key) { entries[key] = nil }

  package mutating func removeAll() {
    entries = [:]
    history = []
  }

  private func isCurrent(_ past: (key: Key, stamp: UInt64)) -> Bool { entries[past.key]?.stamp == past.stamp }
}
