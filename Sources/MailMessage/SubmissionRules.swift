public import MailSyntax
internal import NIOCore

/// What is known of a message besides its octets.
public struct IntakeFacts: Hashable, Sendable {
  public var role: IntakeRole
  public var reversePath: ReversePath
  /// MAIL carried SMTPUTF8.
  public var usesSMTPUTF8: Bool
  /// MAIL carried REQUIRETLS.
  public var requiresTLS: Bool
  public var now: UTCInstant
  /// Used if the message needs one; made by `MessageID.make`, so that judging stays pure.
  public var freshMessageID: MessageID

  public init(
    role: IntakeRole, reversePath: ReversePath, usesSMTPUTF8: Bool = false, requiresTLS: Bool = false, now: UTCInstant,
    freshMessageID: MessageID
  ) {
    self.role = role
    self.reversePath = reversePath
    self.usesSMTPUTF8 = usesSMTPUTF8
    self.requiresTLS = requiresTLS
    self.now = now
    self.freshMessageID = freshMessageID
  }
}

/// What becomes of a message.
public enum IntakeVerdict: Hashable, Sendable {
  /// Accepted. `added` go in front of the message, fields named in `removed` (lower case) are left out by
  /// `HeaderSection.removing`; on relay both are empty. `findings` are the defects that were mended or passed, to log.
  case accept(added: [HeaderField], removed: [String], findings: [IntakeFinding])
  case refuse(IntakeFinding)
}

/// The table of `IntakeDefect` applied to a message's header section. What is wrong with the octets of its content, the
/// session refuses before (`SMTPGrammar.ContentInspector`), in this table's words. Source: RFC 6409 §5, §6, §8; RFC 5322 §3.6; RFC 5321 §6.
public enum SubmissionRules {
  /// Fields that RFC 5322 §3.6 lets stand once.
  static let singleFields = [
    "date", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references", "subject",
  ]

  /// Judges a header section that could be read. Whether this user may use its From address is asked elsewhere.
  public static func judge(header: HeaderSection, facts: IntakeFacts) -> IntakeVerdict {
    var judgement = Judgement(header: header, facts: facts)
    for rule in rules {
      if let refusal = rule(&judgement) { return .refuse(refusal) }
    }
    return .accept(added: judgement.added, removed: judgement.removed, findings: judgement.findings)
  }

  /// Judges a header section that could not be read to its end: refused, but for one that is missing on relay.
  public static func judge(fault: HeaderFault, facts: IntakeFacts) -> IntakeVerdict {
    guard fault.finding.refusal(on: facts.role) == nil else { return .refuse(fault.finding) }
    return .accept(added: [], removed: [], findings: [fault.finding])
  }

  /// The rules in the order they are asked; the first refusal is the answer.
  private static let rules: [@Sendable (inout Judgement) -> IntakeFinding?] = [
    { $0.found(.tooManyHops, if: ReceivedChain.isLoop($0.header)) },
    { $0.found(.badFieldName, at: $0.header.fields.first { $0.hasSpaceBeforeColon }) },
    { $0.judgeCharacters() },
    { $0.judgeFrom() },
    { $0.judgeSender() },
    { $0.judgeReplyTo() },
    { $0.judgeRepetitions() },
    { $0.judgeTLSRequired() },
    { $0.mendDate() },
    { $0.mendMessageID() },
    { $0.remove(["bcc", "resent-bcc"], .blindCopies) },
    { $0.remove(["return-path"], .returnPath) },
    { $0.found(.resentFields, at: $0.header.fields.first { $0.name.hasPrefix("resent-") }) },
    { $0.found(.missingRecipientFields, if: $0.header.count(of: "to") + $0.header.count(of: "cc") == 0) },
  ]
}

/// One message under the rules. Each rule answers the finding that refuses the message, or nil.
private struct Judgement {
  let header: HeaderSection
  let facts: IntakeFacts
  var added: [HeaderField] = []
  var removed: [String] = []
  var findings: [IntakeFinding] = []

  init(header: HeaderSection, facts: IntakeFacts) {
    self.header = header
    self.facts = facts
  }

  /// A defect found: the answer when this role refuses it, else a note.
  mutating func found(_ defect: IntakeDefect, if isFound: Bool = true, place: String = "") -> IntakeFinding? {
    guard isFound else { return nil }
    let finding = IntakeFinding(defect, place: place)
    guard finding.refusal(on: facts.role) == nil else { return finding }
    findings.append(finding)
    return nil
  }

  mutating func found(_ defect: IntakeDefect, at field: HeaderSection.Field?) -> IntakeFinding? {
    found(defect, if: field != nil, place: field.map { name(of: $0) } ?? "")
  }

  /// Adds a field where this role mends the defect.
  mutating func mend(_ defect: IntakeDefect, place: String = "", adding field: HeaderField) -> IntakeFinding? {
    if case .mend = defect.treatment(on: facts.role) { added.append(field) }
    return found(defect, place: place)
  }

  mutating func remove(_ names: [String], _ defect: IntakeDefect) -> IntakeFinding? {
    guard let field = header.fields.first(where: { names.contains($0.name) }) else { return nil }
    if case .mend = defect.treatment(on: facts.role) { removed += names }
    return found(defect, at: field)
  }

  func name(of field: HeaderSection.Field) -> String {
    String(decoding: header.octets(in: field.nameRange), as: UTF8.self)
  }

  mutating func judgeCharacters() -> IntakeFinding? {
    guard header.isEightBit else { return nil }
    let field = header.fields.first { header.octets(in: $0.rawRange).contains { $0 >= 0x80 } }
    guard facts.usesSMTPUTF8 else { return found(.eightBitHeader, at: field) }
    return header.isUTF8 ? nil : found(.headerNotUTF8, at: field)
  }

  mutating func judgeFrom() -> IntakeFinding? {
    let fields = header.fields.filter { $0.name == "from" }
    guard let field = fields.first else { return found(.missingFrom) }
    guard fields.count == 1 else { return found(.repeatedFrom) }
    let mailboxes: [Mailbox]
    do {
      mailboxes = try addresses(in: field)
    } catch {
      return found(error == .missingDomain ? .unqualifiedFrom : .badFrom, place: error.description)
    }
    // RFC 6854 §1 lets From be an empty group; nobody could be held to have written that.
    guard !mailboxes.isEmpty else { return found(.badFrom, place: FieldSyntaxError.empty.description) }
    if let mailbox = mailboxes.first(where: { !$0.domain.isFullyQualified }) {
      return found(.unqualifiedFrom, place: mailbox.description)
    }
    guard mailboxes.count > 1, header.count(of: "sender") == 0 else { return nil }
    // RFC 5322 §3.6.2: several authors demand a Sender; RFC 6409 §8.1: it must be an address known to be valid.
    guard let sender = facts.reversePath.mailbox else { return found(.severalAuthorsNullSender) }
    return mend(.severalAuthors, adding: HeaderField("Sender", sanitising: sender.description))
  }

  mutating func judgeSender() -> IntakeFinding? {
    guard let field = header.first("sender") else { return nil }
    do {
      let mailboxes = try addresses(in: field)
      guard let sender = mailboxes.first, mailboxes.count == 1 else { return found(.badSender) }
      return found(.unqualifiedSender, if: !sender.domain.isFullyQualified, place: sender.description)
    } catch {
      return found(error == .missingDomain ? .unqualifiedSender : .badSender, place: error.description)
    }
  }

  mutating func judgeReplyTo() -> IntakeFinding? {
    guard let field = header.first("reply-to") else { return nil }
    do {
      _ = try addresses(in: field)
      return nil
    } catch {
      return found(.badReplyTo, place: error.description)
    }
  }

  mutating func judgeRepetitions() -> IntakeFinding? {
    for name in SubmissionRules.singleFields where header.count(of: name) > 1 {
      if let refusal = found(.repeatedField, at: header.first(name)) { return refusal }
    }
    return nil
  }

  mutating func judgeTLSRequired() -> IntakeFinding? {
    let field = TLSRequiredField(header)
    // RFC 8689 §4.1: beside REQUIRETLS it is ignored, so nothing is wrong with it either.
    guard !facts.requiresTLS else { return found(.overruledTLSRequired, if: field != .absent) }
    switch field {
    case .absent, .no: return nil
    case .repeated: return found(.repeatedTLSRequired)
    case .unknown: return found(.unknownTLSRequired)
    }
  }

  mutating func mendDate() -> IntakeFinding? {
    guard let date = header.value(of: "date") else {
      return mend(.missingDate, adding: HeaderField("Date", sanitising: MessageDate.format(facts.now)))
    }
    return found(.badDate, if: (try? MessageDate.parse(date)) == nil)
  }

  mutating func mendMessageID() -> IntakeFinding? {
    let given = header.value(of: "message-id")
    if let given, MessageID(given) != nil { return nil }
    let fresh = HeaderField("Message-ID", sanitising: facts.freshMessageID.description)
    guard given != nil else { return mend(.missingMessageID, adding: fresh) }
    if case .mend = IntakeDefect.badMessageID.treatment(on: facts.role) { removed.append("message-id") }
    return mend(.badMessageID, adding: fresh)
  }

  private func addresses(in field: HeaderSection.Field) throws(FieldSyntaxError) -> [Mailbox] {
    try AddressList.parse(octets: header.unfoldedValue(of: field), allowsUTF8: facts.usesSMTPUTF8).mailboxes
  }
}

extension MailDomain {
  /// RFC 6409 §4.2, §5.1: two labels or more, or an address.
  public var isFullyQualified: Bool {
    switch self {
    case .name(let name): name.isFullyQualified
    case .literal: true
    }
  }
}
