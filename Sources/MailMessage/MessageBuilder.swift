public import MailSyntax
public import NIOCore

/// Makes a small text message: for `martlet send`, the demo and tests. Source: RFC 5322 §3.6, RFC 2045, RFC 2047.
///
/// Text from a caller can't begin a header field of its own: a line break in it is an error.
public struct MessageBuilder: Sendable {
  public struct Address: Hashable, Sendable {
    public var displayName: String?
    public var mailbox: Mailbox
    public init(_ mailbox: Mailbox, displayName: String? = nil) {
      self.mailbox = mailbox
      self.displayName = displayName
    }
  }

  public var from: Address
  public var to: [Address]
  public var subject: String
  public var date: UTCInstant
  public var messageID: MessageID
  /// Line ends of any kind; the message has CRLF.
  public var text: String
  /// `TLS-Required: No` (RFC 8689 §3).
  public var waivesTLS = false
  /// False where the next server has no 8BITMIME.
  public var allowsEightBit = true

  public init(
    from: Address, to: [Address], subject: String, date: UTCInstant, messageID: MessageID, text: String
  ) {
    self.from = from
    self.to = to
    self.subject = subject
    self.date = date
    self.messageID = messageID
    self.text = text
  }

  /// Whether MAIL needs SMTPUTF8: an address in the header is not ASCII (RFC 6531 §3.4).
  public var needsSMTPUTF8: Bool { !([from] + to).allSatisfy(\.mailbox.isASCII) }

  /// The whole message.
  public func build() throws(MessageTextError) -> ByteBuffer {
    guard !to.isEmpty else { throw .noRecipients }
    let body = normalisedLines(text.utf8)
    let encoding = TransferEncoding.choose(for: body, allowsEightBit: allowsEightBit)
    let isASCII = body.allSatisfy { $0 < 0x80 }
    var addresses: [String] = []
    for address in to { addresses.append(try write(address)) }
    var fields = [
      try HeaderField("From", try write(from)),
      try HeaderField("To", addresses.joined(separator: ", ")),
      try HeaderField("Subject", try write(phrase: subject)),
      try HeaderField("Date", MessageDate.format(date)),
      try HeaderField("Message-ID", messageID.description),
      try HeaderField("MIME-Version", "1.0"),
      try HeaderField("Content-Type", "text/plain; charset=\(isASCII ? "us-ascii" : "utf-8")"),
      try HeaderField("Content-Transfer-Encoding", encoding.rawValue),
    ]
    if waivesTLS { fields.append(try HeaderField("TLS-Required", "No")) }
    var message = ByteBuffer()
    for field in fields { field.write(into: &message) }
    message.writeString("\r\n")
    message.writeBytes(encoding.encode(body))
    return message
  }

  /// RFC 6532 §3.6 asks for plain UTF-8 instead of encoded words in a message that needs SMTPUTF8 anyway (UTF8-008).
  private func write(phrase: String) throws(MessageTextError) -> String {
    // Encoding would hide a line break rather than refuse it.
    if let control = phrase.utf8.first(where: { isControl($0) }) {
      throw control == UInt8(ascii: "\r") || control == UInt8(ascii: "\n") ? .lineBreak : .controlCharacter
    }
    return needsSMTPUTF8 ? phrase : EncodedWord.encode(phrase)
  }

  private func write(_ address: Address) throws(MessageTextError) -> String {
    guard let name = address.displayName, !name.isEmpty else { return address.mailbox.description }
    let written = try write(phrase: name)
    // Encoded words stand bare (RFC 2047 §5 (3)); other text that isn't atoms is quoted.
    let isBare = written != name || written.utf8.allSatisfy { $0.isAtomText || $0 == 0x20 || $0 >= 0x80 }
    // Scalar by scalar: with a mark that combines behind it a quote is another Character.
    var escaped = ""
    for scalar in written.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { escaped.unicodeScalars.append("\\") }
      escaped.unicodeScalars.append(scalar)
    }
    return "\(isBare ? written : "\"\(escaped)\"") <\(address.mailbox)>"
  }
}
