public import MailSyntax
internal import NIOCore

/// The trace field a server puts in front of each message it takes. Source: RFC 5321 §4.4; `with` types RFC 3848 and
/// RFC 6531 §4.3; `tls` and `group` RFC 8314 §4.3.
///
/// Nothing a peer says can end the field or add a clause to it: what isn't a domain or literal goes into a comment
/// with its specials escaped.
public struct ReceivedField: Hashable, Sendable {
  /// How the message came: a registered mail transmission type.
  public enum Transmission: String, Hashable, Sendable, CaseIterable {
    case smtp = "SMTP"
    case esmtp = "ESMTP"
    case esmtpa = "ESMTPA"
    case esmtps = "ESMTPS"
    case esmtpsa = "ESMTPSA"
    case utf8smtp = "UTF8SMTP"
    case utf8smtpa = "UTF8SMTPA"
    case utf8smtps = "UTF8SMTPS"
    case utf8smtpsa = "UTF8SMTPSA"

    /// HELO has no type of its own for TLS (RFC 3848), and can't carry AUTH or SMTPUTF8.
    public init(isExtended: Bool, isEncrypted: Bool, isAuthenticated: Bool, usesSMTPUTF8: Bool) {
      guard isExtended else {
        self = .smtp
        return
      }
      switch (usesSMTPUTF8, isEncrypted, isAuthenticated) {
      case (false, false, false): self = .esmtp
      case (false, false, true): self = .esmtpa
      case (false, true, false): self = .esmtps
      case (false, true, true): self = .esmtpsa
      case (true, false, false): self = .utf8smtp
      case (true, false, true): self = .utf8smtpa
      case (true, true, false): self = .utf8smtps
      case (true, true, true): self = .utf8smtpsa
      }
    }

    public var usesSMTPUTF8: Bool { rawValue.hasPrefix("UTF8") }
  }

  public struct Client: Hashable, Sendable {
    public var greeting: HostIdentity?
    public var address: IPAddress
    /// The name its address is proven to have; `unknown` is written without one.
    public var name: DomainName?
    public init(greeting: HostIdentity?, address: IPAddress, name: DomainName? = nil) {
      self.greeting = greeting
      self.address = address
      self.name = name
    }
  }

  /// Registered names or `0x` and four hex digits, as RFC 8314 §4.3 wants them.
  public struct TLS: Hashable, Sendable {
    public var version: String
    public var cipherSuite: String
    public var group: String?
    public init(version: String, cipherSuite: String, group: String?) {
      self.version = version
      self.cipherSuite = cipherSuite
      self.group = group
    }
  }

  public var client: Client
  /// False hides name and address of a submitting user's machine. It departs from a SHOULD of RFC 5321 §4.4 for the
  /// user's privacy.
  public var showsClientAddress = true
  public var host: DomainName
  public var transmission: Transmission
  public var queueID: String
  /// `for` is written when there is exactly one: with more, each would learn of the others (RFC 5321 §7.2).
  public var recipients: [ForwardPath]
  public var tls: TLS?
  public var date: UTCInstant

  public init(
    client: Client, host: DomainName, transmission: Transmission, queueID: String, recipients: [ForwardPath],
    tls: TLS?, date: UTCInstant
  ) {
    self.client = client
    self.host = host
    self.transmission = transmission
    self.queueID = queueID
    self.recipients = recipients
    self.tls = tls
    self.date = date
  }

  /// The field, ready to stand in front of the message.
  public var field: HeaderField {
    var clauses = [from, "by \(host) (Martlet) with \(transmission.rawValue) id \(atom(queueID))"]
    if recipients.count == 1, let recipient = recipients.first, allows(recipient) {
      clauses.append("for \(recipient)")
    }
    if let tls {
      // RFC 8314 §4.3: among the additional clauses, so behind `for` and before the semicolon.
      clauses.append("tls \(atom(tls.cipherSuite))")
      if let group = tls.group { clauses.append("group \(atom(group))") }
      // RFC 5321 §4.4 wants registered clauses only: the version goes into a comment.
      clauses.append("(\(commentText(tls.version)))")
    }
    return HeaderField(
      "Received", sanitising: "\(clauses.joined(separator: " ")); \(MessageDate.format(date))")
  }

  private var from: String {
    // RFC 5321 §4.4: the FROM clause must be there, whatever it may tell.
    guard showsClientAddress else { return "from unknown (client not shown)" }
    let literal = AddressLiteral(client.address)
    let connection = "(\(client.name.flatMap { $0.isASCII ? $0.description : nil } ?? "unknown") \(literal))"
    switch client.greeting {
    case .name(let name) where name.isASCII || transmission.usesSMTPUTF8: return "from \(name) \(connection)"
    case .literal(let literal): return "from \(literal) \(connection)"
    case .name(let name): return "from \(literal) \(connection) (EHLO \(commentText(name.description)))"
    case .unrecognised(let text): return "from \(literal) \(connection) (EHLO \(commentText(text)))"
    case nil: return "from \(literal) \(connection)"
    }
  }

  private func allows(_ recipient: ForwardPath) -> Bool {
    switch recipient {
    case .postmaster: true
    case .mailbox(let mailbox): mailbox.isASCII || transmission.usesSMTPUTF8
    }
  }

  private func atom(_ text: String) -> String {
    let kept = text.utf8.filter { $0.isAtomText || $0 == UInt8(ascii: ".") }
    return kept.isEmpty ? "unknown" : String(decoding: kept, as: UTF8.self)
  }
}

/// Text as it may stand in a comment: ASCII on one line, specials escaped (RFC 5322 §3.2.1).
private func commentText(_ text: String) -> String {
  var escaped = ""
  for character in asciiOnly(text, limit: 255) {
    if character == "(" || character == ")" || character == "\\" { escaped.append("\\") }
    escaped.append(character)
  }
  return escaped
}
