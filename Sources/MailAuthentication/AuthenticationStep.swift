/// One step on the way to a verdict, told to a person: what was looked at, what was found, and what follows from it.
/// A check's steps stand in the order they were taken in, so that the verdict can be followed by hand.
public struct AuthenticationStep: Hashable, Sendable {
  /// Octets of a text that tells of many names.
  static let maximumOctets = 2_000

  /// How deep: what an `include` of SPF does stands one deeper than the `include`.
  public let depth: Int
  /// One line without its end; what came from a peer or the DNS in it is printable and cut.
  public let text: String
  /// The section that says so: "RFC 7208 §5.2".
  public let source: String

  public init(_ text: String, _ source: String, depth: Int = 0) {
    self.depth = depth
    self.text = text
    self.source = source
  }
}
