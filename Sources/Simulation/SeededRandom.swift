public import Relay
import Synchronization

/// SplitMix64: the randomness of a simulated world. The same seed gives the same numbers, whoever asks in which order.
public struct SplitMix: RandomNumberGenerator, Hashable, Sendable {
  private var state: UInt64
  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

/// A seeded source that many may ask.
public final class SeededRandom: RandomSource {
  private let generator: Mutex<SplitMix>
  public init(seed: UInt64) { generator = Mutex(SplitMix(seed: seed)) }

  public func next() -> UInt64 { generator.withLock { $0.next() } }
  /// A number below `bound`, which is over zero.
  public func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }
  public func chance(_ percent: Int) -> Bool { below(100) < percent }
  public func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}
