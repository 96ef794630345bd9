/// Where random numbers come from: the system's generator at the doors, a seeded one in tests and the simulation.
/// May be asked from any task.
public protocol RandomSource: Sendable {
  func next() -> UInt64
}

/// Lends a `RandomSource` to functions that take a `RandomNumberGenerator`.
public struct RandomSourceGenerator: RandomNumberGenerator {
  private let source: any RandomSource
  public init(_ source: any RandomSource) { self.source = source }
  public mutating func next() -> UInt64 { source.next() }
}
