public import NIOCore

/// The content of a message to be sent, read once from front to end: header and body with CRLF line ends, without
/// dot-stuffing.
public protocol OutgoingBody: Sendable {
  /// The next piece, of any size; nil at the end.
  func next() async throws(OutgoingBodyFault) -> ByteBuffer?
}

/// The content can't be read; the text is for people.
public struct OutgoingBodyFault: Error, Hashable, Sendable {
  public let reason: String
  public init(_ reason: String) { self.reason = reason }
}
