import MailMessage
import MailSyntax
import Testing

@Suite struct IntakeDefectTests {
  @Test("the page of intake rules is the table")
  func documentIsGenerated() throws {
    try expectGolden("Documentation/IntakeRules.md", IntakeDefect.document)
  }

  @Test("every refusal is one line of printable ASCII that fits a reply and says how to mend it")
  func refusalsAreReplies() throws {
    for defect in IntakeDefect.allCases {
      let finding = IntakeFinding(defect, place: String(repeating: "x", count: 500))
      for role in [IntakeRole.submission, .relay] {
        guard let (code, enhanced, text) = finding.refusal(on: role) else { continue }
        #expect(code.severity == .permanentNegative)
        #expect(enhanced.class == .permanent)
        #expect(text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f })
        // RFC 5321 §4.5.3.1.5: 512 octets with code, enhanced code and CRLF.
        #expect("\(code) \(enhanced) \(text)\r\n".utf8.count <= 512, "\(defect)")
        #expect(defect.row.remedy != nil, "\(defect)")
      }
    }
  }

  @Test("a relay mends nothing (SMTP-047)")
  func relayMendsNothing() {
    for defect in IntakeDefect.allCases {
      if case .mend = defect.row.relay { Issue.record("\(defect) is mended on relay") }
    }
  }

  @Test("refusals carry the codes that RFC 6409 and the registry give them (SUB-003, SUB-004, SUB-008)")
  func codes() {
    let expected: [(IntakeDefect, String)] = [
      (.bareLineFeed, "550 5.5.2"), (.missingFrom, "554 5.6.0"), (.eightBitHeader, "550 5.6.7"),
      (.tooManyHops, "554 5.4.6"), (.fromNotAllowed, "550 5.7.1"), (.reversePathNotAllowed, "550 5.7.1"),
      (.unqualifiedReversePath, "554 5.1.8"), (.unqualifiedForwardPath, "554 5.1.2"),
    ]
    for (defect, reply) in expected {
      let refusal = IntakeFinding(defect).refusal(on: .submission)
      #expect(refusal.map { "\($0.code) \($0.enhanced)" } == reply)
    }
  }

  @Test("what a peer wrote can't break the reply that quotes it")
  func placesAreSafe() {
    let finding = IntakeFinding(.badFrom, place: "x\r\n250 OK\u{0}\u{fc}")
    #expect(finding.place == "x??250 OK???")
    #expect(finding.description.hasPrefix("the From field is not a list of addresses (x??250 OK???): "))
  }
}
