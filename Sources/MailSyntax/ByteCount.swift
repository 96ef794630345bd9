/// A number of bytes, never negative.
public struct ByteCount: Hashable, Comparable, Sendable, ExpressibleByIntegerLiteral {
  public let bytes: Int
  public init(_ bytes: Int) { self.bytes = max(0, bytes) }
  public init(integerLiteral value: Int) { self.init(value) }
  public static func kibibytes(_ count: Int) -> ByteCount { ByteCount(count << 10) }
  public static func mebibytes(_ count: Int) -> ByteCount { ByteCount(count << 20) }
  public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }
}
