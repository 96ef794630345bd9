import MailSyntax

/// In which order the addresses of one host are tried, and when the next one is: after a failure at once, or when the
/// last one that was begun is late. The first that connects wins. Without sockets and clocks. Source: RFC 8305 §5.
struct DialRace {
  enum Move: Hashable {
    /// Begin with the address of this index, and say `grewLate` when it has been on its way for a while.
    case begin(Int)
    case wait
    /// All have failed.
    case lost
  }

  private let count: Int
  private var begun = 0
  private var pending = 0
  private var isOver = false

  init(count: Int) { self.count = count }

  /// The last that was begun.
  var newest: Int? { begun == 0 ? nil : begun - 1 }

  mutating func start() -> Move { next() }

  mutating func failed() -> Move {
    pending -= 1
    return next()
  }

  /// The address of this index has neither connected nor failed yet.
  mutating func grewLate(_ index: Int) -> Move {
    // Once another has been begun, it is that one's time that counts.
    index == begun - 1 && begun < count ? next() : .wait
  }

  /// Whether an address that has just connected is the one. There is never a second.
  mutating func connected() -> Bool {
    defer { isOver = true }
    return !isOver
  }

  /// Time is over, or nobody waits any more.
  mutating func end() { isOver = true }

  private mutating func next() -> Move {
    guard !isOver else { return .wait }
    guard begun < count else { return pending == 0 ? .lost : .wait }
    begun += 1
    pending += 1
    return .begin(begun - 1)
  }

  /// The order given, with the two families in turn: a host whose one family is cut off is still reached early
  /// (RFC 8305 §4).
  static func inTurn(_ endpoints: [SocketEndpoint]) -> [SocketEndpoint] {
    guard let first = endpoints.first else { return [] }
    let width = first.address.octets.count
    let same = endpoints.filter { $0.address.octets.count == width }
    let other = endpoints.filter { $0.address.octets.count != width }
    return (0..<max(same.count, other.count)).flatMap { index in
      [same, other].compactMap { $0.indices.contains(index) ? $0[index] : nil }
    }
  }
}
