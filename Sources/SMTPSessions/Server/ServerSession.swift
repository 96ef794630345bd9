import MailSyntax
public import NIOCore
import SASLMechanisms
import SMTPGrammar
import TransportSecurity

/// The server side of one SMTP session on one channel, from greeting to QUIT, without I/O: bytes in, one action out.
///
/// A channel that changes to TLS gets a new session, `ServerSession(afterTLS:…)`: what was learnt in clear can't be
/// carried over because nothing carries it (RFC 3207 §4.2, Law 4).
///
/// The caller pulls `next` until it says `.needBytes`, `.ask` or `.close`; after `.ask` it brings `answer` and pulls on.
public struct ServerSession {
  public internal(set) var facts: SessionFacts
  let settings: ServerSettings
  /// Nil where AUTH isn't heard: in clear, and between servers.
  let authentication: AuthenticationOffer?
  var phase: Phase
  var transaction: Transaction?
  /// What the last command names, for who hears of its refusal. Those that name nobody speak of the transaction's.
  var named = NamedEnvelope()
  /// Set from the first BDAT of the transaction until its last.
  var chunks: ChunkContent?
  var framer = LineFramer()
  /// What has been had of each bound of this session.
  var tally = Tally()
  /// A BDAT failed: RFC 3030 §2 wants RSET before anything else of a transaction.
  var needsReset = false

  enum Phase {
    /// The connect question is out.
    case connecting
    /// Greeted with 554: QUIT is served, all else gets 503 (RFC 5321 §3.1).
    case turnedAway
    case command
    case authenticating(ServerExchange)
    case awaiting(Awaited)
    case data(DataContent)
    case chunk(ChunkContent)
    /// STARTTLS was accepted, or the session closed: this machine does no more.
    case ended
  }

  /// Which answer is out.
  enum Awaited {
    case authentication(ServerExchange)
    case mail(ReversePath, MailParameters)
    case recipient(ForwardPath, RecipientParameters)
    case finish
  }

  /// A session on a channel in clear: 587, 2525 and 25.
  public init(cleartext facts: SessionFacts, settings: ServerSettings) {
    self.facts = facts
    self.facts.tls = nil
    self.settings = settings
    authentication = nil
    phase = .connecting
  }

  /// A session inside TLS from its first byte: 465, which greets.
  public init(
    implicitTLS proof: TLSProof, facts: SessionFacts, settings: ServerSettings, authentication: AuthenticationOffer?
  ) {
    self.init(afterTLS: proof, facts: facts, settings: settings, authentication: authentication)
    phase = .connecting
  }

  /// The session that begins behind STARTTLS: greeted already, nothing known of the client but its address. Of `facts`
  /// only the connection's own part is taken.
  public init(
    afterTLS proof: TLSProof, facts: SessionFacts, settings: ServerSettings, authentication: AuthenticationOffer?
  ) {
    self.facts = SessionFacts(session: facts.session, role: facts.role, peer: facts.peer, local: facts.local)
    self.facts.tls = proof.facts
    self.settings = settings
    self.authentication = authentication
    phase = .command
  }

  /// What to do next with the bytes at hand. Takes what it used out of `bytes`.
  public mutating func next(_ bytes: inout ByteBuffer) -> ServerAction {
    switch phase {
    case .connecting: return .ask(.connect)
    case .turnedAway: return nextWhenTurnedAway(&bytes)
    case .command: return nextCommand(&bytes)
    case .authenticating(let exchange): return nextAuthenticationLine(exchange, &bytes)
    case .awaiting: return .needBytes
    case .data(let content): return nextData(content, &bytes)
    case .chunk(let content): return nextChunk(content, &bytes)
    case .ended: return .needBytes
    }
  }

  /// Brings the answer to the last `.ask`.
  public mutating func answer(_ answer: ServerAnswer) -> ServerAction {
    switch (phase, answer) {
    case (.connecting, .connect(let answer)): return answered(connect: answer)
    case (.awaiting(.authentication(let exchange)), .scramKeys(let keys)):
      var exchange = exchange
      let step = exchange.receive(keys: keys)
      return take(step, of: exchange)
    case (.awaiting(.authentication(let exchange)), .authentication(let answer)):
      return answered(authentication: answer, by: exchange.mechanism)
    case (.awaiting(.mail(let path, let parameters)), .command(let answer)):
      return answered(mail: answer, path, parameters)
    case (.awaiting(.recipient(let path, let parameters)), .command(let answer)):
      return answered(recipient: answer, path, parameters)
    case (.awaiting(.finish), .finished(let reply)): return answered(finish: reply)
    case (_, _):
      invariant(false, "an answer came to a question that was not asked")
      return end(.protocolViolation, saying: .internalError)
    }
  }

  /// The greeting has not been said. RFC 5321 §3.1: a client waits for it; one that talks first speaks to somebody else.
  public var isBeforeGreeting: Bool {
    switch phase {
    case .connecting: true
    case .turnedAway, .command, .authenticating, .awaiting, .data, .chunk, .ended: false
    }
  }

  /// Nothing is under way: when the house closes, 421 may be said now (RFC 5321 §3.8).
  public var isBetweenTransactions: Bool {
    switch phase {
    case .connecting, .turnedAway, .command: transaction == nil
    case .authenticating, .awaiting, .data, .chunk, .ended: false
    }
  }

  /// Content is coming in, wanted or not, or another chunk of it is awaited: another clock runs.
  public var isReceivingContent: Bool {
    switch phase {
    case .data, .chunk: true
    case .command: chunks != nil
    case .connecting, .turnedAway, .authenticating, .awaiting, .ended: false
    }
  }

  /// The content that was begun may still become a message. Once this is false the sink can let go of it.
  public var wantsContent: Bool {
    switch phase {
    case .data(let content): !content.isAbandoned
    case .chunk(let content): content.refusal == nil && !content.isAbandoned
    case .awaiting(.finish): true
    case .command, .awaiting, .authenticating: chunks.map { !$0.isAbandoned } ?? false
    case .connecting, .turnedAway, .ended: false
    }
  }

  mutating func end(_ end: SessionEnd, saying reply: Reply? = nil) -> ServerAction {
    phase = .ended
    forgetTransaction()
    return .close(reply, end)
  }

  mutating func forgetTransaction() {
    transaction = nil
    chunks = nil
  }

  private mutating func answered(connect answer: ConnectAnswer) -> ServerAction {
    switch answer {
    case .welcome:
      phase = .command
      return .reply(.greeting(settings.hostName))
    case .turnAway(let reply):
      guard reply.code.rawValue != 421 else { return end(.turnedAway, saying: reply) }
      phase = .turnedAway
      return .reply(reply)
    }
  }

  private mutating func nextWhenTurnedAway(_ bytes: inout ByteBuffer) -> ServerAction {
    switch framer.next(&bytes, maximumOctets: settings.limits.commandLineOctets) {
    case .needBytes: return .needBytes
    case .line(let line):
      guard CommandParser.verb(of: line) == .quit else { return refuseJunk(.turnedAway) }
      return end(.quit, saying: .goodbye(settings.hostName))
    case .tooLong, .bareLineFeed, .bareCarriageReturn: return end(.protocolViolation, saying: .turnedAway)
    }
  }
}
