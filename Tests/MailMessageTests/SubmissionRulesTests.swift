import MailMessage
import MailSyntax
import NIOCore
import Testing

@Suite struct SubmissionRulesTests {
  static let good = "Date: Sun, 22 Nov 2026 11:42:01 +0000\r\nMessage-ID: <1@a.example>\r\nTo: c@d.example\r\n"

  func facts(_ role: IntakeRole, utf8: Bool = false, reversePath: String = "<u@a.example>", requiresTLS: Bool = false)
    throws -> IntakeFacts
  {
    var random = SplitMix(state: 7)
    return IntakeFacts(
      role: role, reversePath: try ReversePath(reversePath), usesSMTPUTF8: utf8, requiresTLS: requiresTLS,
      now: someInstant,
      freshMessageID: MessageID.make(at: try DomainName("mail.example.org"), using: &random))
  }

  struct Row: Sendable, CustomTestStringConvertible {
    let defect: IntakeDefect
    let header: String
    var place = ""
    var usesSMTPUTF8 = false
    var reversePath = "<u@a.example>"
    var requiresTLS = false
    var testDescription: String { "\(defect.rawValue): \(header.debugDescription.suffix(50))" }
  }

  static let from = "From: u@a.example\r\n"
  static let hop = "Received: from x by y; Sun, 22 Nov 2026 11:42:01 +0000\r\n"

  /// One message for each defect that shows in a readable header section.
  static let rows = [
    Row(defect: .tooManyHops, header: String(repeating: hop, count: 101) + from + good),
    Row(defect: .badFieldName, header: "X-Odd : 1\r\n" + from + good, place: "X-Odd"),
    Row(defect: .eightBitHeader, header: from + good + "Subject: gr\u{fc}n\r\n", place: "Subject"),
    Row(defect: .missingFrom, header: good),
    Row(defect: .missingFrom, header: "Resent-From: a@b.example\r\n" + good),
    Row(defect: .repeatedFrom, header: from + from + good),
    Row(defect: .badFrom, header: "From: <u@a.example\r\n" + good, place: "a < is never closed by >"),
    Row(defect: .badFrom, header: "From:\r\n" + good, place: "it names no address"),
    Row(defect: .badFrom, header: "From: nobody:;\r\n" + good, place: "it names no address"),
    Row(defect: .unqualifiedFrom, header: "From: root\r\n" + good, place: "an address has no @ and domain"),
    Row(defect: .unqualifiedFrom, header: "From: root@localhost\r\n" + good, place: "root@localhost"),
    Row(defect: .severalAuthors, header: "From: a@b.example, c@d.example\r\n" + good),
    Row(defect: .severalAuthorsNullSender, header: "From: a@b.example, c@d.example\r\n" + good, reversePath: "<>"),
    Row(defect: .badSender, header: from + "Sender: a@b.example, c@d.example\r\n" + good),
    Row(defect: .unqualifiedSender, header: from + "Sender: root@host\r\n" + good, place: "root@host"),
    Row(defect: .badReplyTo, header: from + "Reply-To: \r\n" + good, place: "it names no address"),
    Row(defect: .repeatedField, header: from + good + "Subject: a\r\nSUBJECT: b\r\n", place: "Subject"),
    Row(defect: .repeatedField, header: from + good + "To: c@d.example\r\n", place: "To"),
    Row(defect: .unknownTLSRequired, header: from + good + "TLS-Required: never\r\n"),
    Row(defect: .overruledTLSRequired, header: from + good + "TLS-Required: No\r\n", requiresTLS: true),
    Row(defect: .repeatedTLSRequired, header: from + good + "TLS-Required: No\r\nTLS-Required: No\r\n"),
    Row(defect: .missingDate, header: from + "Message-ID: <1@a.example>\r\nTo: c@d.example\r\n"),
    Row(defect: .badDate, header: from + "Date: today\r\nMessage-ID: <1@a.example>\r\nTo: c@d.example\r\n"),
    Row(defect: .missingMessageID, header: from + "Date: Sun, 22 Nov 2026 11:42:01 +0000\r\nCc: c@d.example\r\n"),
    Row(
      defect: .badMessageID,
      header: from + "Date: Sun, 22 Nov 2026 11:42:01 +0000\r\nMessage-ID: 17\r\nTo: c@d.example\r\n"),
    Row(defect: .blindCopies, header: from + good + "Bcc: e@f.example\r\n", place: "Bcc"),
    Row(defect: .blindCopies, header: from + good + "Resent-Bcc: e@f.example\r\n", place: "Resent-Bcc"),
    Row(defect: .returnPath, header: "Return-Path: <x@y.example>\r\n" + from + good, place: "Return-Path"),
    Row(defect: .resentFields, header: "Resent-From: a@b.example\r\n" + from + good, place: "Resent-From"),
    Row(
      defect: .missingRecipientFields,
      header: from + "Date: Sun, 22 Nov 2026 11:42:01 +0000\r\nMessage-ID: <1@a.example>\r\n"),
  ]

  @Test("each defect of a header gets the table's answer on submission (SUB-005, SUB-009)", arguments: rows)
  func judgesSubmission(_ row: Row) throws {
    try expectTableAnswer(row, .submission)
  }

  @Test("on relay nothing is added or removed whatever the defect (SMTP-047)", arguments: rows)
  func judgesRelay(_ row: Row) throws {
    try expectTableAnswer(row, .relay)
  }

  func expectTableAnswer(_ row: Row, _ role: IntakeRole) throws {
    let header = try section(row.header + "\r\n")
    let facts = try facts(role, utf8: row.usesSMTPUTF8, reversePath: row.reversePath, requiresTLS: row.requiresTLS)
    let finding = IntakeFinding(row.defect, place: row.place)
    switch (SubmissionRules.judge(header: header, facts: facts), row.defect.treatment(on: role)) {
    case (.refuse(let found), .refuse): #expect(found == finding)
    case (.accept(let added, let removed, let findings), .mend):
      #expect(findings.contains(finding))
      #expect(!added.isEmpty || !removed.isEmpty)
      #expect(role == .submission)
    case (.accept(let added, let removed, let findings), .pass):
      #expect(findings.contains(finding))
      if role == .relay { #expect(added.isEmpty && removed.isEmpty) }
    case (let verdict, let treatment): Issue.record("the table says \(treatment), the answer was \(verdict)")
    }
  }

  @Test("every defect of the header's fields has a row in this test")
  func coversTheTable() {
    let elsewhere: Set<IntakeDefect> = [
      // Of the content, not the header: IntakeTests, over a whole session. And HeaderScannerTests.
      .bareCarriageReturn, .bareLineFeed, .nullOctet, .overlongLine, .noFinalLineEnd, .eightBitBody, .emptyMessage,
      .firstLineNotAField, .lineWithoutColon, .badFieldLine, .headerTooLarge, .tooManyFields,
      // Below, for it takes octets that are no text.
      .headerNotUTF8,
      // Asked at MAIL and RCPT, and of the user's rights.
      .unqualifiedReversePath, .unqualifiedForwardPath, .reversePathNotAllowed, .fromNotAllowed,
    ]
    #expect(Set(Self.rows.map(\.defect)).union(elsewhere) == Set(IntakeDefect.allCases))
  }

  @Test("a message without fault is accepted as it is", arguments: [IntakeRole.submission, .relay])
  func acceptsGood(_ role: IntakeRole) throws {
    let header = try section(Self.from + Self.good + "\r\n")
    #expect(
      SubmissionRules.judge(header: header, facts: try facts(role)) == .accept(added: [], removed: [], findings: []))
  }

  @Test("Date, Message-ID and Sender are added in the form RFC 5322 gives them")
  func addsFields() throws {
    let header = try section("From: a@b.example, c@d.example\r\nTo: e@f.example\r\n\r\n")
    guard case .accept(let added, let removed, _) = SubmissionRules.judge(header: header, facts: try facts(.submission))
    else {
      Issue.record("the message can be mended")
      return
    }
    #expect(removed.isEmpty)
    var bytes = ByteBuffer()
    for field in added { field.write(into: &bytes) }
    let lines = text(bytes)
    #expect(lines.hasPrefix("Sender: u@a.example\r\nDate: Sun, 22 Nov 2026 11:42:01 +0000\r\nMessage-ID: <"))
    #expect(lines.hasSuffix("@mail.example.org>\r\n"))
  }

  @Test("Bcc leaves and every other octet stays (SMTP-045)")
  func stripsBcc() throws {
    let header = try section(Self.from + "Bcc: secret@x.example,\r\n other@x.example\r\n" + Self.good + "\r\n")
    guard case .accept(_, let removed, _) = SubmissionRules.judge(header: header, facts: try facts(.submission)) else {
      Issue.record("the message can be mended")
      return
    }
    #expect(text(header.removing(removed)) == Self.from + Self.good + "\r\n")
  }

  @Test("a hundred hops are no loop, one more is one, on both roles (SMTP-046)")
  func hopLimit() throws {
    for role in [IntakeRole.submission, .relay] {
      for (hops, isRefused) in [(99, false), (100, false), (101, true)] {
        let header = try section(String(repeating: Self.hop, count: hops) + Self.from + Self.good + "\r\n")
        let verdict = SubmissionRules.judge(header: header, facts: try facts(role))
        #expect((verdict == .refuse(IntakeFinding(.tooManyHops))) == isRefused)
      }
    }
  }

  @Test("UTF-8 in a header passes with SMTPUTF8, octets that are not UTF-8 don't")
  func judgesUTF8() throws {
    let header = try section(Self.from + Self.good + "Subject: gr\u{fc}n\r\n\r\n")
    #expect(
      SubmissionRules.judge(header: header, facts: try facts(.submission, utf8: true))
        == .accept(added: [], removed: [], findings: []))
    var scanner = HeaderScanner()
    let latin1 = Array((Self.from + Self.good + "Subject: ").utf8) + [0xfc] + Array("\r\n\r\n".utf8)
    guard case .complete(let broken, _) = scanner.append(ByteBuffer(bytes: latin1)) else {
      Issue.record("the header is complete")
      return
    }
    let finding = IntakeFinding(.headerNotUTF8, place: "Subject")
    #expect(SubmissionRules.judge(header: broken, facts: try facts(.submission, utf8: true)) == .refuse(finding))
    #expect(
      SubmissionRules.judge(header: broken, facts: try facts(.relay, utf8: true))
        == .accept(added: [], removed: [], findings: [finding]))
  }

  @Test(
    "a broken header section is refused everywhere: readers differ on where it ends; on relay one that is missing is passed"
  )
  func judgesFaults() throws {
    func fault(_ text: String, fields: Int = 500) throws -> HeaderFault {
      var scanner = HeaderScanner(maximumFields: fields)
      guard case .fault(let fault) = scanner.append(buffer(text)) else { throw UnreadableHeader(progress: .incomplete) }
      return fault
    }
    for (broken, defect) in [
      ("no header\r\n", IntakeDefect.firstLineNotAField), (Self.from + "oops\r\n", .lineWithoutColon),
      (Self.from + "o ops: 1\r\n", .badFieldLine), ("\r\nbody\r\n", .emptyMessage),
    ] {
      let fault = try fault(broken)
      #expect(fault.finding.defect == defect)
      #expect(SubmissionRules.judge(fault: fault, facts: try facts(.submission)) == .refuse(fault.finding))
      #expect(
        SubmissionRules.judge(fault: fault, facts: try facts(.relay))
          == (defect == .emptyMessage
            ? .accept(added: [], removed: [], findings: [fault.finding]) : .refuse(fault.finding)))
    }
    let many = try fault(Self.from + Self.good, fields: 2)
    #expect(SubmissionRules.judge(fault: many, facts: try facts(.relay)) == .refuse(many.finding))
  }

  @Test("no message whatever reaches a trap, and none gains or loses an octet on relay", arguments: 0..<20)
  func survivesAnything(_ seed: UInt64) throws {
    let pieces = [
      "\r\n", "\r", "\n", ":", " ", "\t", "From", "Sender", "Date", "Bcc", "a@b.example", "<", ">", "(", ")", "\"", ",",
      ";",
      "[", "]", "\\", "\u{0}", "\u{fc}", "Message-ID", "Received: ", "22 Nov 2026 11:42", "+0000", "\r\nTo: ",
      "\r\nFrom: ",
    ]
    var random = SplitMix(state: seed)
    for _ in 0..<100 {
      let message = (0..<Int.random(in: 0..<40, using: &random)).compactMap { _ in pieces.randomElement(using: &random)
      }
      .joined()
      var scanner = HeaderScanner()
      var progress = scanner.append(buffer(message))
      if progress == .incomplete { progress = scanner.finish() }
      for role in [IntakeRole.submission, .relay] {
        for utf8 in [true, false] {
          switch progress {
          case .incomplete: Issue.record("a finished scanner has an answer")
          case .complete(let header, let rest):
            #expect(text(header.bytes) + text(rest) == message)
            guard
              case .accept(_, let removed, _) = SubmissionRules.judge(
                header: header, facts: try facts(role, utf8: utf8))
            else { continue }
            if role == .relay { #expect(header.removing(removed) == header.bytes) }
            for field in header.fields where field.name == "received" {
              _ = try? ReceivedTrace.parse(String(decoding: header.unfoldedValue(of: field), as: UTF8.self))
            }
          case .fault(let fault):
            #expect(text(fault.header.bytes) + text(fault.rest) == message)
            _ = SubmissionRules.judge(fault: fault, facts: try facts(role, utf8: utf8))
          }
        }
      }
    }
  }
}
