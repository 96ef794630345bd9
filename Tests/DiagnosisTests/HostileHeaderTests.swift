import MailMessage
import Testing

@testable import Diagnosis

/// Law 7: a saved message is anybody's bytes.
@Suite struct HostileHeaderTests {
  @Test("a flood of Received fields is read to a bound, newest first, and called a loop")
  func flood() throws {
    let fields = (0..<900).map { "Received: from a by b\($0).example with ESMTPS id 1; x\r\n" }.joined()
    let trace = MessageTrace(try #require(HeaderReading((fields + "\r\n").utf8)).header)
    #expect(trace.hops.count == MessageTrace.maximumHops)
    #expect(trace.omitted == 900 - MessageTrace.maximumHops)
    #expect(trace.hops.last?.field.receiver == "b0.example")
    #expect(trace.isLoop)
  }

  @Test("more fields than the scanner takes are read up to there, and that is said")
  func tooManyFields() throws {
    let fields = String(repeating: "Received: from a by b with ESMTPS id 1; x\n", count: 3000)
    let reading = try #require(HeaderReading(fields.utf8))
    #expect(reading.shortfall?.contains("too-many-fields") == true)
    #expect(reading.header.fields.count == HeaderScanner.maximumFields)
  }

  @Test("a field of megabytes is cut, and the fields above it are read")
  func giantField() throws {
    let text = "Received: from a by b with ESMTPS id 1; x\nReceived: from " + String(repeating: "a ", count: 2 << 20)
    let reading = try #require(HeaderReading(text.utf8))
    #expect(reading.shortfall != nil)
    let trace = MessageTrace(reading.header)
    #expect(trace.hops.last?.field.receiver == "b")
    for hop in trace.hops { #expect(hop.text.utf8.count <= ReceivedTrace.maximumOctets) }
  }

  @Test(
    "comments that nest, clauses that pile up, controls and broken UTF-8 end in a reading",
    arguments: [
      String(repeating: "(", count: 60_000), String(repeating: "(a", count: 5) + String(repeating: ")", count: 5),
      String(repeating: "with ", count: 10_000), String(repeating: "(x) ", count: 5_000),
      "from \u{1b}[2J\u{7}evil\0 by b", "from a by \"unclosed", "from a by [unclosed", ";;;;;;", "from", "",
      String(repeating: "tls ", count: 1000), "from a (using ) by b (version=) (TLS) (over) (:) with ( encrypted) S",
      "by b (encrypted) (a b c encrypted)", "from a (using TLSv1.3 with cipher) (using TLSv1.3 key-exchange) by b",
      "from a ([) by b (]) ([]) ([[1.2.3.4]])",
    ])
  func oddFields(_ value: String) throws {
    let text = "Received: \(value)\r\nReceived: from a by b with ESMTPS id 1; x\r\n\r\n"
    let trace = MessageTrace(try #require(HeaderReading(text.utf8)).header)
    #expect(trace.hops.count == 2)
    for hop in trace.hops {
      _ = hop.title
      #expect(hop.field.sender?.greeting?.contains("\u{1b}") != true)
    }
    _ = trace.summary
    let octets = Array("Received: from \u{ff}".utf8) + [0xff, 0xfe, 0x80] + Array(" by b\n\n".utf8)
    #expect(try MessageTrace(#require(HeaderReading(octets)).header).hops.count == 1)
  }

  @Test("every truncation of a field is read")
  func truncations() throws {
    let value =
      "from a.example (a.example [192.0.2.1]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) "
      + "key-exchange ECDHE (P-256)) by b.example (Postfix) with ESMTPS id 1 for <x@b.example>; "
      + "Sun, 22 Nov 2026 11:42:01 +0000"
    for length in 0...value.utf8.count {
      _ = HopVerdict(ReceivedHop(Array(value.utf8.prefix(length))))
    }
  }

  @Test("LF lines, an mbox line, empty lines and a byte order mark are no hindrance; what is no header is none")
  func files() throws {
    for prefix in ["", "From anna@example.org Sun Nov 22 11:42:01 2026\n", "\n\r\n", "\u{feff}"] {
      let reading = try #require(
        HeaderReading((prefix + "From: a@b.example\nReceived: by b\n\tid 1\n\nReceived: by c\n").utf8))
      #expect(reading.header.fields.map(\.name) == ["from", "received"], "\(prefix)")
      #expect(reading.shortfall == nil)
    }
    #expect(try #require(HeaderReading("Fro: x\n\n".utf8)).header.fields.map(\.name) == ["fro"])
    for text in ["", "\n\n", "no header here\n", "From x\n", "Fr"] { #expect(HeaderReading(text.utf8) == nil) }
  }
}
