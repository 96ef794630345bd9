internal import MailSyntax

extension IntakeDefect {
  /// The table of intake rules. RFC 6409 §8 says what a submission server may mend; a relay mends nothing
  /// (RFC 5321 §6.4).
  public var row: Row {
    switch self {
    case .bareCarriageReturn:
      Row(
        "the message has a CR without LF", remedy: "end every line with CRLF and encode other CR in the body",
        "RFC 5321 2.3.8", .refuse(550, 5, 2), .refuse(550, 5, 2))
    case .bareLineFeed:
      Row(
        "the message has a LF without CR", remedy: "end every line with CRLF",
        "RFC 5321 2.3.8", .refuse(550, 5, 2), .refuse(550, 5, 2))
    case .nullOctet:
      Row(
        "the message has a NUL octet", remedy: "encode binary content as base64",
        "RFC 5322 2.2", .refuse(554, 6, 0), .refuse(554, 6, 0))
    case .overlongLine:
      Row(
        "a line is longer than 998 octets", remedy: "encode the part as quoted-printable or base64, fold header fields",
        "RFC 5322 2.1.1", .refuse(554, 6, 0), .refuse(554, 6, 0))
    case .noFinalLineEnd:
      Row(
        "a chunked message's last line has no CRLF", "RFC 5321 4.1.1.4",
        .pass("kept; CRLF is added where it is sent on"), .pass("kept; CRLF is added where it is sent on"))
    case .eightBitBody:
      Row(
        "the body has 8-bit octets and MAIL had no BODY=8BITMIME", "RFC 6152 2",
        .pass("kept; goes on as BODY=8BITMIME"), .pass("kept; goes on as BODY=8BITMIME"))
    case .emptyMessage:
      Row(
        "the message has no header section", remedy: "begin it with at least From: and Date:",
        "RFC 5322 3.6", .refuse(554, 6, 0), .pass(untouched))
    case .firstLineNotAField:
      Row(
        "the message doesn't begin with a header field", remedy: "begin with lines such as From: user@example.org",
        "RFC 5322 2.2", .refuse(554, 6, 0),
        .refuse(554, 6, 0))
    case .lineWithoutColon:
      Row(
        "a line of the header has no colon",
        remedy: "write Name: value, and an empty line between header and body",
        "RFC 5322 2.1", .refuse(554, 6, 0),
        .refuse(554, 6, 0))
    case .badFieldLine:
      Row(
        "what a header's line has before its colon can be no field's name",
        remedy: "use printable ASCII up to the colon, and no mbox line in front of a message",
        "RFC 5322 2.2", .refuse(554, 6, 0), .refuse(554, 6, 0))
    case .badFieldName:
      Row(
        "white space stands between a header field's name and its colon",
        remedy: "put the colon right behind the name",
        "RFC 5322 2.2", .refuse(554, 6, 0),
        .pass(untouched))
    case .headerTooLarge:
      Row(
        "the header section is larger than this server reads", remedy: "shorten it, most often To: or References:",
        "RFC 5321 4.5.3.1", .refuse(552, 3, 4), .refuse(552, 3, 4))
    case .tooManyFields:
      Row(
        "the header section has more fields than this server reads", remedy: "take out fields that nobody reads",
        "RFC 5321 4.5.3.1", .refuse(552, 3, 4), .refuse(552, 3, 4))
    case .tooManyHops:
      Row(
        "the message has more than \(ReceivedChain.maximumHops) Received fields, so it goes in a loop",
        remedy: "look in them for the servers that send it round",
        "RFC 5321 6.3", .refuse(554, 4, 6), .refuse(554, 4, 6))
    case .eightBitHeader:
      Row(
        "a header field has characters that are not ASCII and MAIL had no SMTPUTF8",
        remedy: "encode the text as RFC 2047 says, or send it with SMTPUTF8",
        "RFC 6532 3", .refuse(550, 6, 7), .pass(untouched))
    case .headerNotUTF8:
      Row(
        "a header field has octets that are not UTF-8", remedy: "write header fields in UTF-8",
        "RFC 6532 3.1", .refuse(554, 6, 0), .pass(untouched))
    case .missingFrom:
      Row(
        "there is no From field", remedy: "add From: with the author's address",
        "RFC 5322 3.6", .refuse(554, 6, 0), .pass(untouched))
    case .repeatedFrom:
      Row(
        "there is more than one From field", remedy: "write one From field, several authors with commas",
        "RFC 5322 3.6", .refuse(554, 6, 0), .pass(untouched))
    case .badFrom:
      Row(
        "the From field is not a list of addresses", remedy: "write From: Name <user@example.org>",
        "RFC 6409 5.1", .refuse(554, 6, 0), .pass(untouched))
    case .unqualifiedFrom:
      Row(
        "an address in the From field has no full domain", remedy: "write user@example.org, not user or user@host",
        "RFC 6409 5.1", .refuse(554, 6, 0), .pass(untouched))
    case .severalAuthors:
      Row(
        "From has several authors and there is no Sender field", "RFC 6409 8.1",
        .mend("Sender: is added with the address of MAIL FROM"), .pass(untouched))
    case .severalAuthorsNullSender:
      Row(
        "From has several authors, there is no Sender field and MAIL FROM is null",
        remedy: "add Sender: with the address of who sends it",
        "RFC 5322 3.6.2", .refuse(554, 6, 0), .pass(untouched))
    case .badSender:
      Row(
        "the Sender field is not one address", remedy: "write Sender: Name <user@example.org>",
        "RFC 6409 5.1", .refuse(554, 6, 0), .pass(untouched))
    case .unqualifiedSender:
      Row(
        "the address in the Sender field has no full domain", remedy: "write user@example.org, not user or user@host",
        "RFC 6409 5.1", .refuse(554, 6, 0), .pass(untouched))
    case .badReplyTo:
      Row(
        "the Reply-To field is not a list of addresses", remedy: "write Reply-To: user@example.org, or leave it out",
        "RFC 6409 5.1", .refuse(554, 6, 0), .pass(untouched))
    case .repeatedField:
      Row(
        "a field stands more than once that may stand once", remedy: "join the copies or take one out",
        "RFC 5322 3.6", .refuse(554, 6, 0), .pass(untouched))
    case .repeatedTLSRequired:
      Row(
        "there is more than one TLS-Required field", remedy: "write one",
        "RFC 8689 3", .refuse(554, 6, 0), .pass("not changed; all of them are ignored"))
    case .unknownTLSRequired:
      Row(
        "the TLS-Required field says something else than No",
        remedy: "write No, or leave it out; to require TLS give REQUIRETLS with MAIL",
        "RFC 8689 3", .refuse(554, 6, 0), .pass("not changed; it is ignored"))
    case .overruledTLSRequired:
      Row(
        "there is a TLS-Required field and MAIL has REQUIRETLS", "RFC 8689 4.1",
        .pass("not changed; it is ignored"), .pass("not changed; it is ignored"))
    case .missingDate:
      Row("there is no Date field", "RFC 6409 8.2", .mend("Date: is added with the time of receipt"), .pass(untouched))
    case .badDate:
      Row("the Date field is not a date", "RFC 6409 8.2", .pass(untouched), .pass(untouched))
    case .missingMessageID:
      Row("there is no Message-ID field", "RFC 6409 8.3", .mend("Message-ID: is added"), .pass(untouched))
    case .badMessageID:
      Row(
        "the Message-ID field is not <left@right>", "RFC 6409 8.3", .mend("it is replaced by a new Message-ID:"),
        .pass(untouched))
    case .blindCopies:
      Row(
        "there is a Bcc or Resent-Bcc field", "RFC 5322 3.6.3",
        .mend("it is taken out: its addresses are not for the others to see"), .pass(untouched))
    case .returnPath:
      Row(
        "there is a Return-Path field", "RFC 5321 4.4", .mend("it is taken out: final delivery writes it"),
        .pass(untouched))
    case .resentFields:
      Row("there are Resent- fields", "RFC 5322 3.6.6", .pass(untouched), .pass(untouched))
    case .missingRecipientFields:
      Row("there is neither To nor Cc", "RFC 5322 3.6", .pass(untouched), .pass(untouched))
    case .unqualifiedReversePath:
      Row(
        "the domain of MAIL FROM is not fully qualified", remedy: "write user@example.org, not user@host",
        "RFC 6409 4.2", .refuse(554, 1, 8), .pass("accepted; the domain says what it says"))
    case .unqualifiedForwardPath:
      Row(
        "the domain of RCPT TO is not fully qualified", remedy: "write user@example.org, not user@host",
        "RFC 6409 4.2", .refuse(554, 1, 2), .pass("accepted where it is one of our own domains"))
    case .reversePathNotAllowed:
      Row(
        "this user may not send with this MAIL FROM",
        remedy: "use an address of your own, or ask the postmaster for it",
        "RFC 6409 6.1", .refuse(550, 7, 1), .pass("port 25 has no users"))
    case .fromNotAllowed:
      Row(
        "this user may not send with this From address",
        remedy: "use an address of your own, or ask the postmaster for it",
        "RFC 6409 6.1", .refuse(550, 7, 1), .pass("port 25 has no users"))
    }
  }
}

private let untouched = "not changed"

extension IntakeDefect.Row {
  fileprivate init(
    _ what: String, remedy: String? = nil, _ section: String, _ submission: IntakeDefect.Treatment,
    _ relay: IntakeDefect.Treatment
  ) {
    self.init(what: what, remedy: remedy, section: section, submission: submission, relay: relay)
  }
}

extension IntakeDefect.Treatment {
  /// A permanent refusal with enhanced code `5.subject.detail`.
  fileprivate static func refuse(_ code: UInt16, _ subject: UInt16, _ detail: UInt16) -> IntakeDefect.Treatment {
    .refuse(ReplyCode(code), EnhancedStatusCode(.permanent, subject, detail))
  }
}
