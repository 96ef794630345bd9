import MailQueue
import MailSyntax
import NIOCore
import Testing

@testable import ControlPlane

@Suite("The control protocol")
struct ControlProtocolTests {
  static let lines: [(ControlRequest, String)] = {
    var filter = QueueFilter()
    filter.sender = "a@example.org"
    filter.state = .held
    return [
      (.status, #"{"request":"status","version":1}"#),
      (.metrics, #"{"request":"metrics","version":1}"#),
      (.reload(.everything), #"{"request":"reload","version":1}"#),
      (.reload(.users), #"{"request":"reload.users","version":1}"#),
      (.reload(.signingKeys), #"{"request":"reload.signing-keys","version":1}"#),
      (.backup(to: "/var/b"), #"{"folder":"/var/b","request":"backup","version":1}"#),
      (
        .queue(.list(filter, after: QueueFixture.id(1), limit: 50)),
        #"{"after":"\#(QueueFixture.id(1))","filter":{"sender":"a@example.org","state":"held"},"limit":50,"#
          + #""request":"queue.list","version":1}"#
      ),
      (.queue(.show(QueueFixture.id(2))), #"{"id":"\#(QueueFixture.id(2))","request":"queue.show","version":1}"#),
      (.queue(.change(.bounce, QueueFilter())), #"{"filter":{},"request":"queue.bounce","version":1}"#),
    ]
  }()

  @Test("a request is one line of JSON, and is read back as it was", arguments: ControlProtocolTests.lines)
  func requests(_ request: ControlRequest, _ line: String) throws {
    var buffer = ByteBuffer()
    try ControlProtocol.append(request.record, to: &buffer)
    #expect(String(buffer: buffer) == line + "\n")
    let read = try ControlProtocol.read(RequestRecord.self, from: ByteBuffer(string: line))
    #expect(try ControlRequest(read) == request)
  }

  @Test("every change has its request", arguments: QueueChange.allCases)
  func changes(_ change: QueueChange) throws {
    let request = ControlRequest.queue(.change(change, QueueFilter()))
    #expect(try ControlRequest(request.record) == request)
  }

  @Test("every kind of answer is read back as it was written")
  func answers() throws {
    let event = StampedEvent(
      sequence: 4, instant: StillClock.start,
      event: MailEvent(
        .deferred, [.init("attempt", .number(2)), .init("ok", .flag(false)), .init("result", .text("4\n5"))]))
    let answers: [AnswerLine] = [
      .answer(.event(EventFacts(event))), .answer(.eventsOmitted(3)), .answer(.changed(4)),
      .answer(.reloaded(["users"])), .answer(.metrics("a{b=\"c\"} 1\n")),
      .answer(.backup(BackupFacts(folder: "/b", madeAt: Timestamp(StillClock.start), messages: 2))),
      .answer(
        .standing(
          QueueStanding(
            QueueCounts(messages: 1, recipientsQueued: 2, recipientsHeld: 3), store: .stopped(reason: "EIO"),
            deliveriesInFlight: 4))),
      .end, .fault(ControlFault(.busy, "later")),
    ]
    for answer in answers {
      var buffer = ByteBuffer()
      try ControlProtocol.append(answer, to: &buffer)
      #expect(try ControlProtocol.read(AnswerLine.self, from: buffer) == answer)
    }
  }

  @Test(
    "an answer of two things or of none is no answer", arguments: ["{}", #"{"changed":1,"end":true}"#, #"{"x":1}"#])
  func oddAnswers(_ line: String) {
    #expect(throws: ControlFault.self) { try ControlProtocol.read(AnswerLine.self, from: ByteBuffer(string: line)) }
  }

  @Test("lines are cut at LF however the bytes come")
  func lineReader() throws {
    let text = "one\n\ntwo\nrest"
    for size in 1...text.utf8.count {
      var reader = LineReader(maximumOctets: 10)
      var lines: [String] = []
      var bytes = ByteBuffer(string: text)
      while let piece = bytes.readSlice(length: min(size, bytes.readableBytes)), piece.readableBytes > 0 {
        reader.add(piece)
        while let line = try reader.next() { lines.append(String(buffer: line)) }
      }
      #expect(lines == ["one", "", "two"])
    }
  }

  @Test("a line of the bound is read; one octet more is not, with or without its end", arguments: ["", "\n"])
  func lineBound(_ end: String) throws {
    var good = LineReader(maximumOctets: 8)
    good.add(ByteBuffer(string: "12345678\n"))
    #expect(try good.next() == ByteBuffer(string: "12345678"))
    var bad = LineReader(maximumOctets: 8)
    bad.add(ByteBuffer(string: "123456789" + end))
    #expect(throws: ControlFault.self) { try bad.next() }
  }

  @Test("a peer's endless reply is cut to the bound, between characters")
  func longTexts() throws {
    let reply = String(repeating: "é", count: ControlProtocol.maximumTextOctets)
    let event = EventFacts(
      StampedEvent(sequence: 1, instant: StillClock.start, event: MailEvent(.deferred, [.init("result", .text(reply))]))
    )
    guard case .text(let text)? = event.event["result"] else { return }
    #expect(text.utf8.count == ControlProtocol.maximumTextOctets + "…".utf8.count)
    #expect(text.dropLast().allSatisfy { $0 == "é" })
  }
}

@Suite("Who may command")
struct ControlPeerTests {
  @Test(
    "the server's own user and root, nobody else",
    arguments: [(1000, 1000, true), (0, 1000, true), (1001, 1000, false), (1000, 0, false), (0, 0, true)])
  func mayCommand(_ peer: UInt32, _ owner: UInt32, _ may: Bool) {
    #expect(ControlPeer(userID: peer, processID: 1).mayCommand(serverOf: owner) == may)
  }

  @Test("root has its name, and a user without one its number")
  func names() async {
    #expect(await ControlPeer(userID: 0, processID: 1).name() == "root")
    #expect(await ControlPeer(userID: 3_999_999_999, processID: 1).name() == "uid 3999999999")
  }
}

@Suite("Moments in answers")
struct TimestampTests {
  @Test(
    "are read back as they were written",
    arguments: [0, 1, 951_782_400_000, 951_868_799_999, 1_795_347_900_123, 4_102_444_800_000, -1, -86_400_000])
  func roundTrip(_ milliseconds: Int64) {
    let moment = Timestamp(UTCInstant(nanoseconds: milliseconds * 1_000_000))
    #expect(Timestamp(moment.description) == moment)
  }

  @Test(
    "in any other form are no moments",
    arguments: [
      "", "2026-11-22T11:45:00Z", "2026-11-22 11:45:00.123Z", "2026-02-30T00:00:00.000Z", "2026-13-01T00:00:00.000Z",
      "2026-11-22T24:00:00.000Z", "2026-11-22T11:45:00.123+", "9999-11-22T11:45:00.123Z", "2026-11-22T11:45:-0.123Z",
    ])
  func refused(_ text: String) { #expect(Timestamp(text) == nil) }
}
