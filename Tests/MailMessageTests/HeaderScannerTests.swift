import MailMessage
import NIOCore
import Testing

@Suite struct HeaderScannerTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let input: String
    let names: [String]
    let rest: String
    let fault: IntakeFinding?
    init(_ input: String, _ names: [String], rest: String = "", fault: IntakeDefect? = nil, at place: String = "") {
      self.input = input
      self.names = names
      self.rest = rest
      self.fault = fault.map { IntakeFinding($0, place: place) }
    }
    var testDescription: String { input.debugDescription }
  }

  static let rows = [
    Row("From: a@b.example\r\nSubject: x\r\n\r\nbody\r\n", ["from", "subject"], rest: "body\r\n"),
    Row("From: a\r\n\r\n", ["from"]),
    Row("From: a\r\n\r\n\r\n", ["from"], rest: "\r\n"),
    Row("From: a\r\n", ["from"]),
    Row("From: a", ["from"]),
    Row("Subject:\r\n folded\r\n\tagain\r\nTo: b\r\n\r\nx", ["subject", "to"], rest: "x"),
    Row("X:\r\n\r\n", ["x"]),
    Row("FROM : a\r\n\r\n", ["from"]),
    Row("", [], fault: .emptyMessage),
    Row("\r\nbody\r\n", [], rest: "body\r\n", fault: .emptyMessage, at: "line 1"),
    Row("hello\r\n", [], rest: "hello\r\n", fault: .firstLineNotAField, at: "line 1"),
    Row(" folded\r\nFrom: a\r\n", [], rest: " folded\r\nFrom: a\r\n", fault: .firstLineNotAField, at: "line 1"),
    Row("From: a\r\nhello\r\nmore\r\n", ["from"], rest: "hello\r\nmore\r\n", fault: .lineWithoutColon, at: "line 2"),
    Row("From: a\r\nhello", ["from"], rest: "hello", fault: .lineWithoutColon, at: "line 2"),
    Row("From a@b Thu 10:20\r\n", [], rest: "From a@b Thu 10:20\r\n", fault: .badFieldLine, at: "line 1"),
    Row(": x\r\n", [], rest: ": x\r\n", fault: .badFieldLine, at: "line 1"),
    Row("S\u{fc}bject: x\r\n", [], rest: "S\u{fc}bject: x\r\n", fault: .badFieldLine, at: "line 1"),
    Row("A\u{1}: x\r\n", [], rest: "A\u{1}: x\r\n", fault: .badFieldLine, at: "line 1"),
    // A bare LF or CR is no line end: what follows is still the field's value.
    Row("A: b\nFrom: c\r\n\r\n", ["a"]),
    Row("A: b\rFrom: c\r\n\r\n", ["a"]),
    Row("A: b\n\n\r\n\r\n", ["a"]),
  ]

  /// Feeds the pieces; what came of it, and the octets of body seen.
  func scan(_ pieces: [ByteBuffer]) -> (HeaderSection?, HeaderFault?, rest: String) {
    var scanner = HeaderScanner()
    var pieces = pieces[...]
    var progress = HeaderScanner.Progress.incomplete
    while progress == .incomplete, let piece = pieces.popFirst() { progress = scanner.append(piece) }
    if progress == .incomplete { progress = scanner.finish() }
    let unread = pieces.map(text).joined()
    switch progress {
    case .incomplete: return (nil, nil, unread)
    case .complete(let header, let rest): return (header, nil, text(rest) + unread)
    case .fault(let fault): return (nil, fault, text(fault.rest) + unread)
    }
  }

  @Test("a header section is found whole, split at every octet, and octet by octet", arguments: rows)
  func scans(_ row: Row) {
    let bytes = buffer(row.input)
    let count = bytes.readableBytes
    var feedings = (0...count).map { split in [(0, split), (split, count - split)] }
    feedings.append((0..<count).map { ($0, 1) })
    for feeding in feedings {
      let (header, fault, rest) = scan(feeding.map { bytes.getSlice(at: $0.0, length: $0.1) ?? ByteBuffer() })
      #expect(fault?.finding == row.fault)
      #expect((header ?? fault?.header)?.fields.map(\.name) == row.names)
      #expect(rest == row.rest)
      // Nothing is lost: header and rest are the message.
      #expect(text((header ?? fault?.header)?.bytes ?? ByteBuffer()) + rest == row.input)
    }
  }

  @Test("a truncated header section never shows a field that isn't there", arguments: rows)
  func truncated(_ row: Row) {
    let bytes = buffer(row.input)
    for length in 0..<bytes.readableBytes {
      let (header, fault, _) = scan([bytes.getSlice(at: 0, length: length) ?? ByteBuffer()])
      let names = (header ?? fault?.header)?.fields.map(\.name) ?? []
      #expect(names.count <= row.names.count)
    }
  }

  @Test("a field's ranges give its name, value and octets back")
  func ranges() throws {
    let header = try section("Subject : one\r\n  two\r\nTo: \tx \r\n\r\n")
    let subject = try #require(header.first("subject"))
    #expect(String(decoding: header.octets(in: subject.nameRange), as: UTF8.self) == "Subject")
    #expect(String(decoding: header.octets(in: subject.valueRange), as: UTF8.self) == " one\r\n  two")
    #expect(String(decoding: header.octets(in: subject.rawRange), as: UTF8.self) == "Subject : one\r\n  two\r\n")
    #expect(header.value(of: "subject") == "one  two")
    #expect(header.value(of: "to") == "x")
    #expect(subject.hasSpaceBeforeColon)
    #expect(header.value(of: "from") == nil)
  }

  @Test("removed fields leave every other octet as it came")
  func removes() throws {
    let header = try section("A: 1\r\nbcc: x\r\n y\r\nB:  2 \r\nBCC: z\r\nC: 3\r\n 4\r\n\r\n")
    #expect(text(header.removing(["bcc"])) == "A: 1\r\nB:  2 \r\nC: 3\r\n 4\r\n\r\n")
    #expect(header.removing(["x"]) == header.bytes)
    #expect(text(try section("Bcc: x").removing(["bcc"])) == "")
  }

  @Test("a header section of the limit is read, one octet more is refused by name, however it comes")
  func boundsOctets() {
    let limit = 1000
    let whole = "A: " + String(repeating: "x", count: limit - 3 - 4) + "\r\n\r\n"
    for step in [1, 7, 5000] {
      #expect(fault(of: whole + "body", limit: limit, step: step) == nil)
      #expect(fault(of: "B" + whole, limit: limit, step: step)?.finding.defect == .headerTooLarge)
      #expect(fault(of: "A: " + String(repeating: "x", count: 2000), limit: limit, step: step) != nil)
    }
  }

  private func fault(of text: String, limit: Int, step: Int) -> HeaderFault? {
    var scanner = HeaderScanner(maximumHeaderOctets: limit)
    var bytes = buffer(text)
    while let piece = bytes.readSlice(length: min(step, bytes.readableBytes)), piece.readableBytes > 0 {
      switch scanner.append(piece) {
      case .incomplete: continue
      case .complete: return nil
      case .fault(let fault): return fault
      }
    }
    return nil
  }

  @Test("octet by octet takes time linear to the header's size", .timeLimit(.minutes(5)))
  func linearTime() {
    // Looking at all that is held for each octet would take hours.
    let whole = "A: " + String(repeating: "x\r\n ", count: HeaderScanner.maximumHeaderOctets / 4 - 3) + "\r\n\r\n"
    #expect(fault(of: whole, limit: HeaderScanner.maximumHeaderOctets, step: 1) == nil)
  }

  @Test("the last field allowed is read, one more is refused by name")
  func boundsFields() throws {
    var scanner = HeaderScanner(maximumFields: 3)
    guard case .complete = scanner.append(buffer("A: 1\r\nB: 2\r\nC: 3\r\n\r\n")) else {
      Issue.record("three fields are allowed")
      return
    }
    scanner = HeaderScanner(maximumFields: 3)
    guard case .fault(let fault) = scanner.append(buffer("A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n")) else {
      Issue.record("four fields are too many")
      return
    }
    #expect(fault.finding.defect == .tooManyFields)
  }

  @Test("a body of megabytes behind the header is not copied")
  func bodyIsNotCopied() {
    var scanner = HeaderScanner()
    let body = String(repeating: "x", count: 2 << 20)
    guard case .complete(let header, let rest) = scanner.append(buffer("A: 1\r\n\r\n" + body)) else {
      Issue.record("the header is complete")
      return
    }
    #expect(header.fields.count == 1)
    #expect(rest.readableBytes == body.utf8.count)
  }
}
