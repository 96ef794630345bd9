import MailMessage
import MailSyntax
import Testing

@testable import Diagnosis

@Suite struct MessageTraceTests {
  static let date = "Sun, 22 Nov 2026 11:42:01 +0000"

  /// Received fields, newest first.
  func trace(_ fields: [String], trust: TrustBoundary = TrustBoundary()) throws -> MessageTrace {
    let text = fields.map { "Received: \($0)\r\n" }.joined() + "From: a@example.org\r\n\r\n"
    return MessageTrace(try #require(HeaderReading(text.utf8)).header, trust: trust)
  }

  func verdict(_ field: String) throws -> HopVerdict { try #require(try trace([field]).hops.first).verdict }

  func isEncrypted(_ verdict: HopVerdict) -> Bool {
    if case .encrypted = verdict { true } else { false }
  }

  @Test("the transmission types of RFC 3848 and RFC 6531 tell of TLS (TRACE-001, TRACE-002)")
  func transmissionTypes() throws {
    for (type, encrypted) in [
      ("ESMTPS", true), ("ESMTPSA", true), ("UTF8SMTPS", true), ("UTF8SMTPSA", true), ("LMTPS", true),
      ("UTF8LMTPSA", true), ("esmtps", true), ("ESMTP", false), ("ESMTPA", false), ("UTF8SMTP", false),
      ("UTF8SMTPA", false),
    ] {
      let verdict = try verdict(
        "from a.example (a.example [192.0.2.1]) by b.example (Martlet) with \(type) id 1; \(Self.date)")
      #expect(isEncrypted(verdict) == encrypted, "\(type): \(verdict)")
    }
  }

  @Test("the tls and group clauses tell suite and group (TRACE-003)")
  func clauses() throws {
    let verdict = try verdict(
      "from a.example (a.example [192.0.2.1]) by b.example with ESMTPS id 1 tls 0x1399 group x25519; \(Self.date)")
    guard case .encrypted(let tls?) = verdict else {
      Issue.record("\(verdict)")
      return
    }
    #expect(tls.cipherSuite == "0x1399" && tls.group == "x25519" && tls.version == nil)
  }

  @Test(
    "nothing that the sender says about itself makes a hop look encrypted",
    arguments: [
      "from TLSv1.3 (TLSv1.3 [192.0.2.1]) by b.example (Postfix) with ESMTP id 1",
      "from x (HELO TLSv1.3:TLS_AES_256_GCM_SHA384) (192.0.2.1) by b.example (Postfix) with ESMTP id 1",
      "from x (TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO [192.0.2.1]) by b.example (OpenSMTPD) with ESMTP id 1",
      "from a (version=TLSv1.3 cipher=AES [192.0.2.1]) by b.example (8.17.1/8.17.1) with ESMTP id 1",
      "from [192.0.2.1] (helo=TLS1.3) by b.example with esmtp (Exim 4.96) (envelope-from <TLS1.3:AES@x>) id 1",
      "from a ([192.0.2.1]) by b.example with esmtp (Exim 4.96) (envelope-from <a> TLSv1.3) id 1",
    ])
  func senderCannotClaimTLS(_ field: String) throws {
    guard case .notEncrypted = try verdict(field + "; " + Self.date) else {
      Issue.record("\(try verdict(field))")
      return
    }
  }

  @Test(
    "nothing that the sender says about itself makes it the receiver's own machine",
    arguments: [
      "from [127.0.0.1] (unknown [192.0.2.1]) by b.example (Postfix) with ESMTP id 1",
      "from localhost (localhost.evil.example [192.0.2.1]) by b.example (Postfix) with ESMTP id 1",
      "from unknown (HELO [127.0.0.1]) (192.0.2.1) by b.example with SMTP",
      "from unknown (HELO x[127.0.0.1]) (6.6.6.6) by b.example with SMTP",
      "from unknown (EHLO x [127.0.0.1]) (6.6.6.6) by b.example with SMTP",
      "from unknown (HELO x[local]) (6.6.6.6) by b.example with SMTP",
      "from a (helo=x[127.0.0.1]) (6.6.6.6) by b.example with SMTP",
      "from a ([6.6.6.6] helo=x[127.0.0.1]) by b.example with esmtp (Exim 4.96) id 1",
      "from a (\"EHLO x[127.0.0.1]\" [6.6.6.6]) by b.example with ESMTP id 1",
      "from [192.0.2.1] (helo=[127.0.0.1]) by b.example with esmtp (Exim 4.96) id 1",
      "from [127.0.0.1] by b.example with ESMTP id 1",
      "from a ([192.0.2.1] helo=[127.0.0.1]) by b.example with esmtp (Exim 4.96) id 1",
    ])
  func senderCannotClaimLoopback(_ field: String) throws {
    let verdict = try verdict(field + "; " + Self.date)
    if case .inside = verdict { Issue.record("\(verdict)") }
    // And so the field below, which the sender brought along, isn't believed.
    let trace = try trace([field + "; " + Self.date, "from x by b.example with ESMTPS id 0; \(Self.date)"])
    #expect(trace.hops.map(\.word) == [.claimed, .known])
  }

  @Test("a field is believed as long as those above it say that the message was inside")
  func boundary() throws {
    let fields = [
      "from mx.example.org by store.example.org with LMTP id 3; \(Self.date)",
      "from mx.example.org (localhost [127.0.0.1]) by mx.example.org (Postfix) with ESMTP id 2; \(Self.date)",
      "from out.example.net (out.example.net [192.0.2.9]) by mx.example.org (Postfix) with ESMTPS id 1; \(Self.date)",
      "from forged (localhost [127.0.0.1]) by mx.example.org (Postfix) with ESMTPS id 0; \(Self.date)",
    ]
    #expect(try trace(fields).hops.map(\.word) == [.claimed, .known, .known, .known])
    // An address block or a proven name of the reader's own moves the boundary; a greeting doesn't.
    let address = try #require(IPAddress("192.0.2.9"))
    #expect(try trace(fields, trust: TrustBoundary { $0 == address }).hops.allSatisfy { $0.word == .known })
    let own = try trace(fields, trust: TrustBoundary(domains: [try DomainName("example.org")]))
    #expect(own.hops.map(\.word) == [.claimed, .known, .known, .known])
    let both = [try DomainName("example.org"), try DomainName("example.net")]
    #expect(try trace(fields, trust: TrustBoundary(domains: both)).hops.allSatisfy { $0.word == .known })
    // Where the reader's servers are named and the newest field isn't theirs, nothing is believed.
    let foreign = try trace(fields, trust: TrustBoundary(domains: [try DomainName("example.com")]))
    #expect(foreign.hops.allSatisfy { $0.word == .claimed })
    #expect(foreign.caution == "None of it is told by a server of yours: all of it may be forged.")
  }

  @Test("what a program handed in on the machine it brought along with its older fields")
  func localSubmission() throws {
    for top in [
      "by mx.example.org (Postfix, from userid 1000) id 1", "from anna by mx.example.org with local (Exim 4.96) id 1",
      "(qmail 17 invoked by uid 89)",
    ] {
      let trace = try trace(["\(top); \(Self.date)", "from x by mx.example.org with ESMTPS id 0; \(Self.date)"])
      #expect(trace.hops.map(\.word) == [.claimed, .known], "\(top)")
    }
  }

  @Test("broken and anonymous TLS is named, and TLS without encryption too")
  func weaknesses() throws {
    for (suite, count) in [
      ("TLSv1.0:AES256-SHA:256:NO", 1), ("TLSv1.2:RC4-SHA:128:NO", 1), ("TLSv1.2:NULL-SHA:0:NO", 1),
      ("TLSv1.2:ADH-AES256-SHA:256:NO", 1), ("TLSv1.1:DES-CBC3-SHA:168:NO", 2),
      ("TLSv1.3:TLS_AES_128_GCM_SHA256:128:NO", 0),
    ] {
      guard
        case .encrypted(let tls?) = try verdict("from a ([192.0.2.1]) by b (OpenSMTPD) with ESMTPS id 1 (\(suite)); x")
      else {
        Issue.record("\(suite)")
        continue
      }
      #expect(tls.weaknesses.count == count, "\(suite): \(tls.weaknesses)")
    }
  }

  @Test("the summary counts what crossed a network, and names what went in clear")
  func summary() throws {
    let clear = "from a.example ([192.0.2.1]) by b.example (OpenSMTPD) with ESMTP id 1; \(Self.date)"
    let safe = "from b.example ([192.0.2.2]) by c.example (OpenSMTPD) with ESMTPS id 1; \(Self.date)"
    let inner = "from b.example ([127.0.0.1]) by b.example (OpenSMTPD) with ESMTP id 1; \(Self.date)"
    #expect(
      try trace([safe, inner, clear]).summary
        == "1 of 2 hops between machines was encrypted; the hop from a.example to b.example was not.")
    #expect(try trace([safe]).summary == "The one hop between machines was encrypted.")
    #expect(try trace([inner]).summary == "The message never went from one machine to another.")
    #expect(try trace([]).summary == "The message has no Received field: no server has told of it.")
    #expect(
      try trace(Array(repeating: clear, count: 5)).summary
        == "0 of 5 hops between machines were encrypted; 5 hops were not.")
  }

  @Test("times are told between hops, and clocks that differ")
  func elapsed() throws {
    let trace = try trace([
      "from b by c with ESMTPS id 1; Sun, 22 Nov 2026 11:42:00 +0000", "from a by b with ESMTPS id 1; whenever",
      "from a by b with ESMTPS id 1; Sun, 22 Nov 2026 12:42:07 +0100",
      "from a by b with ESMTPS id 1; Sun, 22 Nov 2026 11:42:09 +0000",
    ])
    #expect(trace.hops.map(\.elapsed) == [nil, .seconds(-2), nil, nil])
  }
}
