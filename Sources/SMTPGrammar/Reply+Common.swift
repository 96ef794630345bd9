public import MailSyntax

/// The replies of a transaction that goes well: made once.
extension Reply {
  public static let senderAccepted = Reply(250, EnhancedStatusCode(.success, 1, 0), "sender OK")
  public static let recipientAccepted = Reply(250, EnhancedStatusCode(.success, 1, 5), "recipient OK")
  public static let startMailInput = Reply(354, nil, "send the message, end with a dot on a line of its own")
  public static let chunkReceived = Reply(250, EnhancedStatusCode(.success, 0, 0), "chunk received")
  public static let done = Reply(250, EnhancedStatusCode(.success, 0, 0), "OK")
  public static let readyForTLS = Reply(220, EnhancedStatusCode(.success, 0, 0), "go ahead with TLS")
  public static let closing = Reply(221, EnhancedStatusCode(.success, 0, 0), "goodbye")

  /// The answer to EHLO: our name, and a line for each extension. Source: RFC 5321 §4.1.1.1.
  public static func ehlo(_ hostname: DomainName, _ keywords: [EHLOKeyword]) -> Reply {
    Reply(ReplyCode(250), lines: [hostname.description] + keywords.map(\.description))
  }
}
