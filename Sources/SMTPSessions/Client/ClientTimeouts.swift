/// How long a client waits in each phase of a dialogue. The defaults are those of RFC 5321 §4.5.3.2, which a client
/// should not go below; tests and impatient callers may.
public struct ClientTimeouts: Hashable, Sendable {
  /// All addresses together.
  public var connect: Duration = .seconds(120)
  /// RFC 5321 §4.5.3.2.1.
  public var greeting: Duration = .seconds(300)
  /// EHLO, LHLO and HELO.
  public var hello: Duration = .seconds(300)
  public var startTLS: Duration = .seconds(120)
  public var handshake: Duration = .seconds(60)
  /// Each step of an AUTH exchange.
  public var authentication: Duration = .seconds(120)
  /// RFC 5321 §4.5.3.2.2.
  public var mail: Duration = .seconds(300)
  /// RFC 5321 §4.5.3.2.3.
  public var recipient: Duration = .seconds(300)
  /// RFC 5321 §4.5.3.2.4: for the 354.
  public var data: Duration = .seconds(120)
  /// RFC 5321 §4.5.3.2.5: for each block of the content to be taken.
  public var block: Duration = .seconds(180)
  /// RFC 5321 §4.5.3.2.6: for the reply to the final dot. Short waits here make duplicates.
  public var finalReply: Duration = .seconds(600)
  /// For the reply to QUIT or RSET: nothing is lost by leaving.
  public var farewell: Duration = .seconds(10)
  /// How long a connection without a transaction is kept before the client says QUIT.
  public var idle: Duration = .seconds(60)

  public init() {}

  /// For questions that somebody waits for: far less than RFC 5321 asks of those who have mail to hand over.
  public init(eachStep: Duration, idle: Duration) {
    (connect, greeting, hello, startTLS, handshake) = (eachStep, eachStep, eachStep, eachStep, eachStep)
    (authentication, mail, recipient, data) = (eachStep, eachStep, eachStep, eachStep)
    (block, finalReply, farewell) = (eachStep, eachStep, eachStep)
    self.idle = idle
  }

  /// How long `stage` may last without a whole reply, or a block taken.
  public func duration(of stage: DialogueStage) -> Duration {
    switch stage {
    case .connect: connect
    case .greeting: greeting
    case .hello: hello
    case .startTLS: startTLS
    case .handshake: handshake
    case .authentication: authentication
    case .idle: idle
    case .mail: mail
    case .recipient: recipient
    case .data: data
    case .content: block
    case .finalReply: finalReply
    case .farewell: farewell
    }
  }
}
