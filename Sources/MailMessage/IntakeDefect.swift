public import MailSyntax

/// Everything that can be wrong with a message or its envelope, and that we have an answer to.
///
/// The table is closed: `row` says for each defect what submission and what relay does.
/// `Documentation/IntakeRules.md` is generated from it.
public enum IntakeDefect: String, Hashable, Sendable, CaseIterable {
  // Octets.
  case bareCarriageReturn = "bare-cr"
  case bareLineFeed = "bare-lf"
  case nullOctet = "nul"
  case overlongLine = "overlong-line"
  case noFinalLineEnd = "no-final-line-end"
  case eightBitBody = "8-bit-body"
  // The header section's form.
  case emptyMessage = "empty-message"
  case firstLineNotAField = "first-line-not-a-field"
  case lineWithoutColon = "line-without-colon"
  case badFieldLine = "bad-field-line"
  case badFieldName = "bad-field-name"
  case headerTooLarge = "header-too-large"
  case tooManyFields = "too-many-fields"
  case tooManyHops = "too-many-hops"
  case eightBitHeader = "8-bit-header"
  case headerNotUTF8 = "header-not-utf-8"
  // Its fields.
  case missingFrom = "missing-from"
  case repeatedFrom = "repeated-from"
  case badFrom = "bad-from"
  case unqualifiedFrom = "unqualified-from"
  case severalAuthors = "several-authors"
  case severalAuthorsNullSender = "several-authors-null-sender"
  case badSender = "bad-sender"
  case unqualifiedSender = "unqualified-sender"
  case badReplyTo = "bad-reply-to"
  case repeatedField = "repeated-field"
  case repeatedTLSRequired = "repeated-tls-required"
  case unknownTLSRequired = "unknown-tls-required"
  case overruledTLSRequired = "overruled-tls-required"
  case missingDate = "missing-date"
  case badDate = "bad-date"
  case missingMessageID = "missing-message-id"
  case badMessageID = "bad-message-id"
  case blindCopies = "bcc"
  case returnPath = "return-path"
  case resentFields = "resent-fields"
  case missingRecipientFields = "missing-to-and-cc"
  // The envelope, and rights.
  case unqualifiedReversePath = "unqualified-mail-from"
  case unqualifiedForwardPath = "unqualified-rcpt-to"
  case reversePathNotAllowed = "mail-from-not-allowed"
  case fromNotAllowed = "from-not-allowed"

  /// What is done about a defect.
  public enum Treatment: Hashable, Sendable {
    case refuse(ReplyCode, EnhancedStatusCode)
    /// Accepted; the header is changed as the text says, and the change is logged.
    case mend(String)
    /// Accepted; not an octet is changed.
    case pass(String)
  }

  /// One line of the table.
  public struct Row: Hashable, Sendable {
    /// What is wrong, as a person is told: ASCII, no full stop.
    public let what: String
    /// How the sender mends it; nil where nobody needs to.
    public let remedy: String?
    /// The section that makes it wrong or allows the answer.
    public let section: String
    public let submission: Treatment
    public let relay: Treatment
  }

  public func treatment(on role: IntakeRole) -> Treatment {
    switch role {
    case .submission: row.submission
    case .relay: row.relay
    }
  }
}

/// What a message came in as: our own users' submission, or another server's relay.
public enum IntakeRole: Hashable, Sendable { case submission, relay }

/// A defect, and where in the message it was found.
public struct IntakeFinding: Hashable, Sendable, CustomStringConvertible {
  /// Octets of `place` at most: the reply that carries it stays one line of 512 octets (RFC 5321 §4.5.3.1.5).
  public static let maximumPlaceOctets = 60

  public let defect: IntakeDefect
  /// `line 12`, a field's name …; empty where the defect says it all. Printable ASCII whatever the message held.
  public let place: String

  public init(_ defect: IntakeDefect, place: String = "") {
    self.defect = defect
    self.place = asciiOnly(place, limit: IntakeFinding.maximumPlaceOctets)
  }

  /// What is wrong, where, how to mend it, and by which section: one line of printable ASCII.
  public var description: String {
    let row = defect.row
    let located = place.isEmpty ? row.what : "\(row.what) (\(place))"
    return row.remedy.map { "\(located): \($0) [\(row.section)]" } ?? "\(located) [\(row.section)]"
  }

  /// The reply when this role refuses the defect, else nil.
  public func refusal(on role: IntakeRole) -> (code: ReplyCode, enhanced: EnhancedStatusCode, text: String)? {
    switch defect.treatment(on: role) {
    case .refuse(let code, let enhanced): (code, enhanced, description)
    case .mend, .pass: nil
    }
  }
}
