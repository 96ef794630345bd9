/// Where a body lies: in a segment, or (segment 0) in the file of its own whose number is `offset`.
struct BodyPlace: Hashable, Sendable {
  static let ownFile = 0
  let segment: Int
  let offset: Int
  let length: Int
}

/// Which segments hold live bodies, and which may be written over. Pure accounting; `SegmentFiles` acts on it.
///
/// A segment may be written over only when no committed row names it (`bodies` is 0, counted down after the commit that
/// dropped the row), no reader has it open (`pins` is 0), no backup copies (`holds` is 0), and it is not the current
/// one. It then gets a number never used before, so a reader with an old row finds no such segment and looks again.
struct SegmentLedger: Sendable {
  struct Segment: Hashable, Sendable {
    var bodies = 0
    var bytes = 0
    var pins = 0
  }

  private(set) var segments: [Int: Segment] = [:]
  private(set) var lastNumber = 0
  private(set) var current: Int?
  private(set) var holds = 0

  /// A segment found at open or newly made.
  mutating func adopt(_ number: Int, bodies: Int = 0, bytes: Int = 0) {
    segments[number] = Segment(bodies: bodies, bytes: bytes)
    lastNumber = max(lastNumber, number)
  }

  mutating func nextNumber() -> Int {
    lastNumber += 1
    return lastNumber
  }

  mutating func makeCurrent(_ number: Int) { current = number }
  mutating func retireCurrent() { current = nil }

  mutating func add(_ place: BodyPlace) {
    segments[place.segment]?.bodies += 1
    segments[place.segment]?.bytes += place.length
  }

  mutating func drop(_ place: BodyPlace) {
    segments[place.segment]?.bodies -= 1
    segments[place.segment]?.bytes -= place.length
  }

  mutating func pin(_ number: Int) -> Bool {
    guard segments[number] != nil else { return false }
    segments[number]?.pins += 1
    return true
  }

  mutating func unpin(_ number: Int) { segments[number]?.pins -= 1 }
  mutating func hold() { holds += 1 }
  mutating func release() { holds -= 1 }

  private var dead: [Int] {
    guard holds == 0 else { return [] }
    return segments.filter { $0.value.bodies == 0 && $0.value.pins == 0 && $0.key != current }.keys.sorted()
  }
  var deadCount: Int { dead.count }

  /// Takes a segment out of the ledger to be written over under a new number.
  mutating func takeDead() -> Int? {
    guard let number = dead.first else { return nil }
    segments[number] = nil
    return number
  }

  /// Takes dead segments past `keeping` out of the ledger; their files can be removed.
  mutating func takeSurplus(keeping: Int) -> [Int] {
    let surplus = Array(dead.dropFirst(keeping))
    for number in surplus { segments[number] = nil }
    return surplus
  }

  /// The oldest segment that is mostly garbage: what compaction empties next.
  func sparsest(below bytes: Int, except skipped: Set<Int>) -> Int? {
    segments.filter {
      $0.value.bodies > 0 && $0.value.bytes < bytes && $0.key != current && !skipped.contains($0.key)
    }.keys.min()
  }
}
