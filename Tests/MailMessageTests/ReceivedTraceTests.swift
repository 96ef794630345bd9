import MailMessage
import MailSyntax
import Testing

@Suite struct ReceivedTraceTests {
  @Test("fields of other servers are read")
  func readsOthers() throws {
    let trace = try ReceivedTrace.parse(
      "from mail-1.example (mail-1.example [192.0.2.1])\t(using TLSv1.3 with cipher X) by mx.example (Other) with "
        + "ESMTPS id 4Fx for <a@b.example>; Sun, 22 Nov 2026 11:42:01 +0000 (UTC)")
    #expect(trace["from"] == "mail-1.example")
    #expect(trace["with"] == "ESMTPS")
    #expect(trace["for"] == "<a@b.example>")
    #expect(trace.comments.contains("using TLSv1.3 with cipher X"))
    #expect(trace.date == someInstant)
  }

  @Test("a field without date or with half a clause is read as far as it goes")
  func readsFragments() throws {
    #expect(try ReceivedTrace.parse("").clauses.isEmpty)
    #expect(try ReceivedTrace.parse("by x with").clauses.map(\.name) == ["by"])
    #expect(try ReceivedTrace.parse("by x; yesterday").date == nil)
    #expect(throws: FieldSyntaxError.unclosedComment) { try ReceivedTrace.parse("from x (y") }
  }
}
