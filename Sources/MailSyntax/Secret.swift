/// Bytes that must never be shown: passwords, tokens, keys. Every description is redacted.
public struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  private let bytes: [UInt8]

  public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }
  public init(_ text: String) { bytes = Array(text.utf8) }

  /// The one way to the content: the call site shows that it is meant.
  public func withExposedBytes<Result, Failure>(
    _ body: ([UInt8]) throws(Failure) -> Result
  ) throws(Failure) -> Result { try body(bytes) }

  /// Compares in time that depends on the lengths alone.
  public func isEqual(inConstantTimeTo other: Secret) -> Bool {
    guard bytes.count == other.bytes.count else { return false }
    return zip(bytes, other.bytes).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }

  public var isEmpty: Bool { bytes.isEmpty }
  public var description: String { "(redacted)" }
  public var debugDescription: String { "(redacted)" }
  public var customMirror: Mirror { Mirror(self, children: []) }
}
