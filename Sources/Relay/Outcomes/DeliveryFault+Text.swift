internal import MailSyntax
internal import SMTPGrammar
internal import SMTPSessions

extension DeliveryFault: CustomStringConvertible {
  /// Of a peer's words so many octets are shown and kept: a queue of a thousand recipients keeps them a thousand times.
  static let maximumReplyOctets = 500

  /// On one line, for logs and the queue's listing: what failed, where.
  public var description: String {
    switch cause {
    case .reply(let reply): "\(reply.description.cut(toOctets: DeliveryFault.maximumReplyOctets)) (\(stage.rawValue))"
    case .transport(let text): "connection: \(text) (\(stage.rawValue))"
    case .security(let fault): "TLS: \(fault) (\(stage.rawValue))"
    case .protocolViolation(let text): "protocol: \(text) (\(stage.rawValue))"
    case .unsupported(let status, let text): "\(status) not supported there: \(text)"
    case .local(let text): "here: \(text)"
    case .destination(let fault): fault.description
    case .policy(let fault): "TLS policy: \(fault)"
    }
  }

  /// The next hop takes no eight bits, which a report may do without (RFC 3463 §3.7).
  var isForEightBits: Bool {
    if case .unsupported(EnhancedStatusCode(.permanent, 6, 3), _) = cause { true } else { false }
  }

  /// Whether a server was connected to at all.
  var metAServer: Bool {
    switch cause {
    case .reply, .security, .protocolViolation, .unsupported: true
    case .transport: stage != .connect
    case .local, .destination, .policy: false
    }
  }
}
