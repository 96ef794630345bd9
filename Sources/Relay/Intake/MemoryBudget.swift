import Synchronization

/// Octets of message content that all sessions together may have brought and not seen the end of:
/// `limits.memory_in_flight`.
///
/// A session that would pass the bound is refused its message for now (452); nobody waits for anybody. It admits and no
/// more: what a store has put on disk meanwhile still counts, so the bound holds over any store. The store's own count
/// of bodies in memory (`StoreOptions.spillThreshold`, half of this) refuses nobody and knows the reports too.
public final class MemoryBudget: Sendable {
  public let limit: Int
  private let used = Atomic<Int>(0)

  public init(limit: Int) { self.limit = limit }

  public var octetsInUse: Int { used.load(ordering: .relaxed) }

  /// Takes `octets` more, or nothing and answers false.
  func take(_ octets: Int) -> Bool {
    let (_, now) = used.add(octets, ordering: .relaxed)
    guard now > limit else { return true }
    give(back: octets)
    return false
  }

  func give(back octets: Int) { used.subtract(octets, ordering: .relaxed) }
}
