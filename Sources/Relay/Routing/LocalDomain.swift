public import MailQueue
public import MailSyntax

/// One of our own domains: who lives there, and where their mail goes.
///
/// Local parts are matched without ASCII case, for a person who writes `Anna@` means `anna@`; RFC 5321 §2.4 leaves the
/// meaning of a local part to the host of its domain, which is us. Letters outside ASCII are matched in their own case,
/// and an accented letter in one piece is the same as in two (canonical equivalence): both look alike, and keyboards
/// differ.
public struct LocalDomain: Hashable, Sendable {
  public let name: DomainName
  public var recipients: [Recipient]
  /// Who lives here is known to the server that takes the domain's mail alone: it is asked at RCPT, and each of its
  /// recipients has the domain's `delivery`.
  public var asksForRecipients = false
  public var aliases: [Alias]
  /// Takes what no other rule takes. Nil refuses unknown users in the session, which is what a mail server should do:
  /// a domain that accepts everything bounces to forged senders.
  public var catchAll: Mailbox?
  /// The route of every recipient without one of its own.
  public var delivery: RouteKey
  /// Who reads postmaster's mail, unless a recipient or alias of that name says otherwise. RFC 5321 §4.5.1.
  public var postmaster: Mailbox
  /// Who reads abuse's mail, unless a recipient or alias of that name says otherwise: `postmaster` when nil. RFC 2142.
  public var abuse: Mailbox?
  /// `anna+lists@` is delivered as `anna@` is; nil turns that off.
  public var recipientDelimiter: Character?

  public init(
    name: DomainName, recipients: [Recipient] = [], aliases: [Alias] = [], catchAll: Mailbox? = nil,
    delivery: RouteKey, postmaster: Mailbox, abuse: Mailbox? = nil, recipientDelimiter: Character? = "+"
  ) {
    self.name = name
    self.recipients = recipients
    self.aliases = aliases
    self.catchAll = catchAll
    self.delivery = delivery
    self.postmaster = postmaster
    self.abuse = abuse
    self.recipientDelimiter = recipientDelimiter
  }

  /// A mailbox of the domain, by its local part.
  public struct Recipient: Hashable, Sendable {
    public var localPart: String
    /// The domain's `delivery` when nil.
    public var delivery: RouteKey?
    public init(_ localPart: String, delivery: RouteKey? = nil) {
      self.localPart = localPart
      self.delivery = delivery
    }
  }

  /// A local part that stands for other addresses, here or elsewhere. An alias that names itself keeps a copy in the
  /// recipient of the same name.
  public struct Alias: Hashable, Sendable {
    public var localPart: String
    public var targets: [Mailbox]
    public init(_ localPart: String, targets: [Mailbox]) {
      self.localPart = localPart
      self.targets = targets
    }
  }
}
