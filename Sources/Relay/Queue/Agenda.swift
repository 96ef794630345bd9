import HeapModule

/// Who is to be looked at, and when: one moment a key. Setting, taking out and finding the earliest or the latest cost
/// the logarithm of what it holds.
///
/// A moment that is changed leaves its old entry behind in the heap, which is passed over when it comes up. Such entries
/// are swept out before they are more than the others. Entries are ordered by moment and then by key, whatever order they
/// came in, so that no hash's order shows.
struct Agenda<Moment: Comparable & Sendable, Key: Hashable & Comparable & Sendable>: Sendable {
  private struct Entry: Comparable, Sendable {
    let moment: Moment
    let key: Key
    static func < (left: Entry, right: Entry) -> Bool { (left.moment, left.key) < (right.moment, right.key) }
  }

  /// Stale entries that are borne with before they are swept out.
  private static var slack: Int { 64 }

  private var heap = Heap<Entry>()
  private var moments: [Key: Moment] = [:]

  var count: Int { moments.count }
  /// What it holds in memory, stale entries too.
  var entries: Int { heap.count }
  /// Exact, for each change ends with `trim`.
  var earliest: Moment? { heap.min?.moment }
  subscript(key: Key) -> Moment? { moments[key] }

  mutating func set(_ key: Key, to moment: Moment) {
    guard moments[key] != moment else { return }
    moments[key] = moment
    heap.insert(Entry(moment: moment, key: key))
    trim()
  }

  mutating func remove(_ key: Key) {
    guard moments.removeValue(forKey: key) != nil else { return }
    trim()
  }

  /// Takes out the earliest whose moment has come.
  mutating func popFirst(at moment: Moment) -> Key? {
    guard let first = heap.min, first.moment <= moment else { return nil }
    heap.removeMin()
    moments[first.key] = nil
    trim()
    return first.key
  }

  /// Takes out the latest.
  mutating func popLast() {
    while let last = heap.popMax() {
      guard moments[last.key] == last.moment else { continue }
      moments[last.key] = nil
      break
    }
    trim()
  }

  private mutating func trim() {
    while let first = heap.min, moments[first.key] != first.moment { heap.removeMin() }
    if heap.count > 2 * moments.count + Self.slack {
      heap = Heap(moments.map { Entry(moment: $0.value, key: $0.key) })
    }
  }
}
