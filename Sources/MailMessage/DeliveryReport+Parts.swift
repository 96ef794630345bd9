internal import MailSyntax
internal import NIOCore

extension DeliveryReport {
  /// One part of the multipart, its body encoded already.
  struct Part {
    let type: String
    let encoding: TransferEncoding
    let body: [UInt8]

    init(type: String, encoding: TransferEncoding, text: [UInt8]) {
      self.type = type
      self.encoding = encoding
      body = encoding.encode(text)
    }

    /// An original's header. Source: RFC 6522 §4, RFC 6533 §4.3.
    init(header octets: [UInt8], isInternational: Bool, allowsEightBit: Bool) {
      let header = normalisedLines(octets)
      self.init(
        type: isInternational ? "message/global-headers" : "text/rfc822-headers",
        encoding: .choose(for: header, allowsEightBit: allowsEightBit), text: header)
    }

    func write(into message: inout ByteBuffer) {
      HeaderField("Content-Type", sanitising: type).write(into: &message)
      HeaderField("Content-Transfer-Encoding", sanitising: encoding.rawValue).write(into: &message)
      message.writeString("\r\n")
      message.writeBytes(body)
    }
  }

  /// RFC 6533 §4.4: without SMTPUTF8 on the way back nothing may rely on an 8-bit way either.
  private var textEncodingAllowsEightBit: Bool { !sender.isASCII }

  // MARK: message/delivery-status

  /// RFC 3464 §2: the fields for programs.
  var statusPart: Part {
    var message = ByteBuffer()
    for field in messageFields { field.write(into: &message) }
    for recipient in recipients {
      message.writeString("\r\n")
      for field in fields(of: recipient) { field.write(into: &message) }
    }
    let text = Array(message.readableBytesView)
    guard isInternational else {
      return Part(type: "message/delivery-status", encoding: .sevenBit, text: text)
    }
    // RFC 6533 §4.2.
    return Part(
      type: "message/global-delivery-status",
      encoding: .choose(for: text, allowsEightBit: textEncodingAllowsEightBit), text: text)
  }

  private var messageFields: [HeaderField] {
    var fields = [
      HeaderField("Reporting-MTA", sanitising: "dns; \(reportingHost)"),
      HeaderField("Arrival-Date", sanitising: MessageDate.format(arrival)),
    ]
    // RFC 3464 §2.2.1: present if and only if the sender gave ENVID.
    if let envelopeID {
      fields.insert(
        HeaderField(
          "Original-Envelope-ID",
          sanitising: asciiOnly(envelopeID, limit: DeliveryReport.maximumEnvelopeIDOctets)), at: 0)
    }
    return fields
  }

  private func fields(of recipient: Recipient) -> [HeaderField] {
    var fields: [HeaderField] = []
    if let type = recipient.originalType, let address = recipient.originalAddress {
      let kept = String(decoding: type.utf8.filter(\.isAtomText), as: UTF8.self)
      // A cut in the middle of a UTF-8 sequence shows as U+FFFD.
      let cut = String(
        decoding: address.utf8.prefix(DeliveryReport.maximumOriginalRecipientOctets), as: UTF8.self)
      fields.append(HeaderField("Original-Recipient", sanitising: "\(kept.isEmpty ? "unknown" : kept); \(cut)"))
    }
    // RFC 6533 §3: the address type utf-8 for what rfc822 can't carry.
    let type = recipient.mailbox.isASCII ? "rfc822" : "utf-8"
    fields.append(HeaderField("Final-Recipient", sanitising: "\(type); \(recipient.mailbox)"))
    fields.append(HeaderField("Action", sanitising: action.rawValue))
    fields.append(HeaderField("Status", sanitising: recipient.status.description))
    // RFC 3464 §2.3.5: no Remote-MTA when none was asked.
    if let host = recipient.remoteHost {
      fields.append(HeaderField("Remote-MTA", sanitising: "dns; \(asciiOnly(host, limit: 255))"))
    }
    if let reply = recipient.remoteReply {
      fields.append(HeaderField("Diagnostic-Code", sanitising: "smtp; \(shown(reply))"))
    }
    // RFC 3464 §2.3.10: a field of our own.
    if let channel = recipient.channel { fields.append(HeaderField("X-Martlet-Channel", sanitising: shown(channel))) }
    if let lastAttempt = recipient.lastAttempt {
      fields.append(HeaderField("Last-Attempt-Date", sanitising: MessageDate.format(lastAttempt)))
    }
    // RFC 3464 §2.3.9: in delay reports alone.
    if action == .delayed, let until = recipient.retryUntil {
      fields.append(HeaderField("Will-Retry-Until", sanitising: MessageDate.format(until)))
    }
    return fields
  }

  /// A peer's reply as it may stand in a report: ASCII on one line, bounded (RFC 3464 §2.3.6).
  func shown(_ reply: String) -> String { asciiOnly(reply, limit: DeliveryReport.maximumDiagnosticOctets) }

  // MARK: the original

  var originalPart: Part {
    switch original {
    case .header(let header): return headerPart(Array(header.readableBytesView))
    case .full(let chunks, let headerOctets):
      guard returnsWholeMessage else { return headerPart(firstOctets(headerOctets, of: chunks)) }
      let message = firstOctets(DeliveryReport.maximumReturnedOctets, of: chunks)
      if originalUsesSMTPUTF8 {
        // RFC 6532 §3.7: message/global may be encoded, which message/rfc822 may not.
        return Part(
          type: "message/global",
          encoding: .choose(for: message, allowsEightBit: textEncodingAllowsEightBit), text: message)
      }
      let isEightBit = message.contains { $0 >= 0x80 }
      return Part(type: "message/rfc822", encoding: isEightBit ? .eightBit : .sevenBit, text: message)
    }
  }

  private func headerPart(_ octets: [UInt8]) -> Part {
    Part(
      header: octets, isInternational: originalUsesSMTPUTF8,
      allowsEightBit: originalUsesSMTPUTF8 && textEncodingAllowsEightBit)
  }

  /// Whether the original comes back whole: this is a failure, it was asked for, is small enough, and can stand in a
  /// part as it is.
  var returnsWholeMessage: Bool {
    // RFC 3461 §4.3: RET=FULL is about failures; other reports return the header.
    guard action == .failed, case .full(let chunks, _) = original,
      chunks.reduce(0, { $0 + $1.readableBytes }) <= DeliveryReport.maximumReturnedOctets
    else { return false }
    var check = TextCheck()
    for chunk in chunks { check.append(chunk.readableBytesView) }
    return check.isText
  }

  private func firstOctets(_ limit: Int, of chunks: [ByteBuffer]) -> [UInt8] {
    var octets: [UInt8] = []
    for chunk in chunks where octets.count < limit {
      octets += chunk.readableBytesView.prefix(limit - octets.count)
    }
    return octets
  }
}
