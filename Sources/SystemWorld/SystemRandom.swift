public import Relay

/// The machine's source of unguessable numbers.
public struct SystemRandom: RandomSource {
  public init() {}
  public func next() -> UInt64 {
    var generator = SystemRandomNumberGenerator()
    return generator.next()
  }
}
