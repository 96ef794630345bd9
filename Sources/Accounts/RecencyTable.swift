public import DequeModule
public import MailSyntax

/// A dictionary of bounded size: the entry set longest ago makes room. What strangers can fill is kept in one of these.
///
/// Public, though only this package's, and inlinable: most stand on the way of every message in another module, where the
/// compiler makes one for their very keys and values only if it can see all of it.
public struct RecencyTable<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  @usableFromInline struct Entry: Sendable {
    @usableFromInline var value: Value
    @usableFromInline var stamp: UInt64

    @inlinable init(value: Value, stamp: UInt64) {
      self.value = value
      self.stamp = stamp
    }
  }
  @usableFromInline let capacity: Int
  @usableFromInline var entries: [Key: Entry] = [:]
  /// Every `set` in order; one is stale when its entry has a newer stamp. Never longer than twice the capacity.
  @usableFromInline var history: Deque<(key: Key, stamp: UInt64)> = []
  @usableFromInline var stamp: UInt64 = 0

  @inlinable public init(capacity: Int) {
    invariant(capacity > 0, "a table has room for something")
    self.capacity = capacity
  }

  @inlinable public var count: Int { entries.count }

  @inlinable public func value(for key: Key) -> Value? { entries[key]?.value }

  /// What is read of an entry where it stands, for values that are dear to copy. Nil where there is none.
  @inlinable public func look<Answer>(at key: Key, _ read: (borrowing Value) -> Answer) -> Answer? {
    guard let place = entries.index(forKey: key) else { return nil }
    return read(entries.values[place].value)
  }

  @inlinable public mutating func set(_ value: Value, for key: Key) {
    entries[key] = Entry(value: value, stamp: stamp)
    refresh(key)
  }

  /// The entry as it is counts as set now.
  @inlinable public mutating func refresh(_ key: Key) {
    guard let place = entries.index(forKey: key) else { return }
    stamp &+= 1
    entries.values[place].stamp = stamp
    history.append((key, stamp))
    while entries.count > capacity, let oldest = history.popFirst() {
      if isCurrent(oldest) { entries[oldest.key] = nil }
    }
    if history.count > 2 * capacity {
      history = Deque(history.filter(isCurrent))
    }
  }

  /// The entry, which is gone: to be changed without a copy, and set again.
  @inlinable public mutating func take(_ key: Key) -> Value? { entries.removeValue(forKey: key)?.value }

  @inlinable public mutating func remove(_ key: Key) { entries[key] = nil }

  @inlinable public mutating func removeAll() {
    entries = [:]
    history = []
  }

  @inlinable func isCurrent(_ past: (key: Key, stamp: UInt64)) -> Bool { entries[past.key]?.stamp == past.stamp }
}
