public import MailSyntax
public import NIOCore

/// A delivery status notification. Source: RFC 3464, RFC 6522, RFC 3461 §6, RFC 6533 for addresses outside ASCII.
///
/// Whoever sends it uses the null reverse path and gives it to `sender` alone (RFC 3461 §6.1); that no report is made
/// for a null reverse path is the caller's rule, and the type's: `sender` is a mailbox.
public struct DeliveryReport: Sendable {
  /// Octets of an original message returned whole; a larger one comes back as its header.
  public static let maximumReturnedOctets = 256 << 10
  /// Octets of a remote server's reply that are shown.
  public static let maximumDiagnosticOctets = 1000
  /// Octets of an envelope identifier (RFC 3461 §4.4) and of an original recipient (§4.2).
  public static let maximumEnvelopeIDOctets = 100
  public static let maximumOriginalRecipientOctets = 500

  /// What happened, to all recipients of one report. The raw value is RFC 3464 §2.3.3's Action.
  public enum Action: String, Hashable, Sendable, CaseIterable {
    case failed, delayed, delivered, relayed, expanded
  }

  public struct Recipient: Hashable, Sendable {
    /// As in the envelope, case kept (RFC 3464 §2.3.2).
    public var mailbox: Mailbox
    /// ORCPT: its type, and the address with xtext undone.
    public var originalType: String?
    public var originalAddress: String?
    public var status: EnhancedStatusCode
    /// The server that was asked, when one was (§2.3.5).
    public var remoteHost: String?
    /// Its reply, codes included, lines joined by spaces: `550 5.1.1 no such user` (§2.3.6).
    public var remoteReply: String?
    /// How safely it was handed on, and what was asked: `TLSv1.3 … verified mx.example.net; policy authenticate pkix; …`.
    public var channel: String?
    /// For a person, where no server's reply says it: "no server of example.net could be reached".
    public var explanation: String?
    public var lastAttempt: UTCInstant?
    /// Until when it is tried; written in delay reports alone (§2.3.9).
    public var retryUntil: UTCInstant?
    /// The failure is this mail system's own to mend, as where its smarthost doesn't let it in: the sender is sent to
    /// its postmaster and to no other.
    public var isOurs = false

    public init(_ mailbox: Mailbox, status: EnhancedStatusCode) {
      self.mailbox = mailbox
      self.status = status
    }
  }

  public enum Author: Hashable, Sendable {
    /// The report is for who sent the message.
    case reader
    /// It is for a postmaster, since the sender of this address can't be told; nil for the null reverse path.
    case untold(Mailbox?)
  }

  /// What comes back of the original, as it was stored.
  public enum Original: Hashable, Sendable {
    /// RET=HDRS, or no RET: the header section.
    case header(ByteBuffer)
    /// RET=FULL: the whole message in chunks, and its header's length.
    case full([ByteBuffer], headerOctets: Int)
  }

  public var action: Action
  public var recipients: [Recipient]
  /// Who reads the report: the author of the message, or in his place a postmaster.
  public var sender: Mailbox
  public var author = Author.reader
  public var reportingHost: DomainName
  /// Who can help; `postmaster` at the reporting host unless told.
  public var postmaster: Mailbox?
  public var queueID: String
  public var envelopeID: String?
  public var arrival: UTCInstant
  public var date: UTCInstant
  public var original: Original
  /// The original was sent with SMTPUTF8.
  public var originalUsesSMTPUTF8 = false

  public init(
    action: Action, recipients: [Recipient], sender: Mailbox, reportingHost: DomainName, queueID: String,
    arrival: UTCInstant, date: UTCInstant, original: Original
  ) {
    self.action = action
    self.recipients = recipients
    self.sender = sender
    self.reportingHost = reportingHost
    self.queueID = queueID
    self.arrival = arrival
    self.date = date
    self.original = original
  }

  /// A report as a message, and what its envelope must say.
  public struct Rendered: Hashable, Sendable {
    public let bytes: ByteBuffer
    /// BODY=8BITMIME is needed.
    public let isEightBit: Bool
    /// SMTPUTF8 is needed: the sender's own address is not ASCII.
    public let usesSMTPUTF8: Bool
  }

  /// Writes the report. Randomness goes into Message-ID and boundary.
  public func render(using random: inout some RandomNumberGenerator) -> Rendered {
    let parts = [humanPart, statusPart, originalPart]
    let messageID = MessageID.make(at: reportingHost, using: &random)
    let boundary = DeliveryReport.boundary(notIn: parts, using: &random)

    var message = ByteBuffer()
    let fields = [
      HeaderField("From", sanitising: "Mail Delivery System <MAILER-DAEMON@\(reportingHost)>"),
      HeaderField("To", sanitising: sender.description),
      HeaderField("Subject", sanitising: subject),
      HeaderField("Date", sanitising: MessageDate.format(date)),
      HeaderField("Message-ID", sanitising: messageID.description),
      // RFC 3834 §5: nobody's vacation answers this.
      HeaderField("Auto-Submitted", sanitising: "auto-replied"),
      HeaderField("MIME-Version", sanitising: "1.0"),
      HeaderField(
        "Content-Type", sanitising: "multipart/report; report-type=delivery-status; boundary=\"\(boundary)\""),
    ]
    for field in fields { field.write(into: &message) }
    let isEightBit = parts.contains { $0.encoding == .eightBit }
    HeaderField("Content-Transfer-Encoding", sanitising: isEightBit ? "8bit" : "7bit").write(into: &message)
    message.writeString("\r\nThis is a delivery report in the format of RFC 3464.\r\n")
    for part in parts {
      message.writeString("\r\n--\(boundary)\r\n")
      part.write(into: &message)
    }
    message.writeString("\r\n--\(boundary)--\r\n")
    return Rendered(bytes: message, isEightBit: isEightBit, usesSMTPUTF8: !sender.isASCII)
  }

  var subject: String {
    switch (action, author) {
    case (.failed, .untold): "A message could not be delivered, and its sender can't be told"
    case (.failed, .reader): "Your message could not be delivered"
    case (.delayed, _): "Your message is delayed; it is still being tried"
    case (.delivered, _): "Your message was delivered"
    case (.relayed, _): "Your message was handed on"
    case (.expanded, _): "Your message was delivered to a list"
    }
  }

  /// UTF-8 forms are needed: an address is not ASCII, or the original was sent with SMTPUTF8 (RFC 6533 §4).
  var isInternational: Bool {
    originalUsesSMTPUTF8 || !sender.isASCII
      || recipients.contains { recipient in
        !recipient.mailbox.isASCII || (recipient.originalAddress ?? "").utf8.contains { $0 >= 0x80 }
      }
  }

  /// A boundary that no line of any part begins with. Each try has its own number and a message of n octets can hold
  /// no more than n of them, so the search ends.
  private static func boundary(notIn parts: [Part], using random: inout some RandomNumberGenerator) -> String {
    let word = randomWord(using: &random)
    var attempt = 0
    while true {
      let boundary = "=_\(word)_\(attempt)"
      let line = Array("--\(boundary)".utf8)
      if !parts.contains(where: { contains(line, in: $0.body) }) { return boundary }
      attempt += 1
    }
  }

  private static func contains(_ line: [UInt8], in body: [UInt8]) -> Bool {
    guard let first = line.first, body.count >= line.count else { return false }
    return body.indices.dropLast(line.count - 1).contains {
      body[$0] == first && ($0 == 0 || body[$0 - 1] == UInt8(ascii: "\n")) && body[$0...].starts(with: line)
    }
  }
}
