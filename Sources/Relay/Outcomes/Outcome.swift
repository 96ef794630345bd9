public import MailSyntax

/// What follows from a failed delivery: for how much of the queue it speaks, and what is done.
public struct Outcome: Hashable, Sendable {
  public let scope: Scope
  public let action: Action
  public let status: EnhancedStatusCode
  public let reason: Reason
  /// Somebody must mend something on our side, or at least look: the event is an alarm.
  public let needsOperator: Bool

  public init(
    _ scope: Scope, _ action: Action, _ status: EnhancedStatusCode, _ reason: Reason, needsOperator: Bool = false
  ) {
    self.scope = scope
    self.action = action
    self.status = status
    self.reason = reason
    self.needsOperator = needsOperator
  }

  /// Whether nobody but this mail system can mend it: a fault of its own, or one that all mail meets at a host that its
  /// configuration names.
  func isOurs(_ origin: HostOrigin) -> Bool {
    switch origin {
    case .configured: needsOperator || scope.holdsBackRoute
    case .exchanger: reason == .local
    }
  }

  /// As it counts where a sender's wish may have asked for more than anybody else. Of MX hosts it then says nothing of
  /// other mail: no route rests and no operator is called for what one message wants. A configured host has to prove
  /// itself whatever is wished.
  func asked(by wish: TLSWish, of origin: HostOrigin) -> Outcome {
    switch (origin, wish, reason) {
    case (.exchanger, .required, .insecure): Outcome(.message, action, status, reason)
    case (_, _, _): self
    }
  }

  /// The code by which a sender hears that it was given up.
  func lastStatus(for wish: TLSWish) -> EnhancedStatusCode {
    // RFC 8689 §4.2.1, §4.2.2. It was tried until it expired: who strips STARTTLS must not make mail bounce at once.
    wish != .unstated && reason == .insecure ? .encryptionNeeded : status
  }

  /// What the fault speaks for. Of these, `host` and `destination` hold back the route's other mail for a while.
  public enum Scope: String, Hashable, Sendable, CaseIterable {
    case recipient, message
    /// The server that answered, or didn't: another server of the same destination may do better.
    case host
    /// Every server of the destination: our standing with it is what's wrong.
    case destination

    public var holdsBackRoute: Bool {
      switch self {
      case .recipient, .message: false
      case .host, .destination: true
      }
    }
  }

  public enum Action: String, Hashable, Sendable, CaseIterable {
    /// Tried again by the schedule, until the message expires.
    case retry
    /// Given up now; the sender is told.
    case bounce
  }

  /// The rule that decided, by a stable name for logs.
  public enum Reason: String, Hashable, Sendable, CaseIterable {
    case hostClosing = "host-closing"
    case hostRefuses = "host-refuses"
    case hostNeverAccepts = "host-never-accepts"
    case hostFull = "host-full"
    case nonsense = "nonsense"
    case ourCredentials = "our-credentials"
    case mailboxFull = "mailbox-full"
    case tooManyRecipients = "too-many-recipients"
    case tooBig = "too-big"
    case loop = "loop"
    case policy = "policy"
    case address = "address"
    case refused = "refused"
    case deferred = "deferred"
    case unreachable = "unreachable"
    case connectionLost = "connection-lost"
    case insecure = "insecure"
    case senderAsksForMore = "sender-asks-for-more"
    case protocolViolation = "protocol-violation"
    case unsupported = "unsupported"
    case local = "local"
    case noSuchDomain = "no-such-domain"
    case takesNoMail = "takes-no-mail"
    case noAddress = "no-address"
    case lookupFailed = "lookup-failed"
    case bogus = "dnssec-bogus"

    /// For a person who reads a delivery report.
    public var explanation: String {
      switch self {
      case .hostClosing: "The server ended the session before it took the message."
      case .hostRefuses: "The server does not talk to us at present."
      case .hostNeverAccepts: "The server says that it never accepts mail."
      case .hostFull: "The server has no room for mail at present."
      case .nonsense: "The server's answer does not fit the question."
      case .ourCredentials: "This mail system has not been let in by the next server; its operator has been told."
      case .mailboxFull: "The mailbox is full."
      case .tooManyRecipients: "The server takes fewer recipients at a time."
      case .tooBig: "The message is larger than the server takes."
      case .loop: "The message goes in circles between servers."
      case .policy: "The server refuses the message by its rules."
      case .address: "The server does not know the address."
      case .refused: "The server refuses the message."
      case .deferred: "The server cannot take the message at present."
      case .unreachable: "No connection to the server could be made."
      case .connectionLost: "The connection was lost before the server had taken the message."
      case .insecure: "No connection as safe as is asked for could be had."
      case .senderAsksForMore: "The sender asked for more safety on the way (REQUIRETLS) than the server offers."
      case .protocolViolation: "The server does not keep to the protocol."
      case .unsupported: "The server lacks what this message needs."
      case .local: "This mail system has a fault of its own; its operator has been told."
      case .noSuchDomain: "The domain of the address does not exist, or has no mail server."
      case .takesNoMail: "The domain of the address says that it takes no mail."
      case .noAddress: "The domain's mail servers have no address at present."
      case .lookupFailed: "The domain's mail servers could not be looked up."
      case .bogus: "What the DNS says of the domain could not be proven (DNSSEC)."
      }
    }
  }
}
