public import MailSyntax
public import SMTPSessions

/// A peer that doesn't speak what its listener expects, for the operator to know.
public enum ListenerReport {
  /// A client with another protocol than the listener's, on the wire of this delegate.
  case wrongWrapper(WrongWrapper, any WireDelegate)
  /// A trusted proxy whose PROXY header is bad or late. There is no wire yet.
  case badProxyHeader(_ reason: String, proxy: SocketEndpoint, local: SocketEndpoint)
  /// A connection too many, closed as it came.
  case notAdmitted(ConnectionBound, peer: SocketEndpoint, local: SocketEndpoint)
}
