import MailSyntax
import SMTPGrammar
import SMTPSessions
import Synchronization
import Testing

/// The rows of "Slow clients" in Documentation/Operating.md that a session bounds itself.
@Suite("Slow clients")
struct SlowClientTests {
  /// A client that gets as far as `start` and then says `drip` each `interval` seconds.
  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let role: ListenerRole
    let start: String
    let drip: String
    let interval: Int64
    /// The seconds after which it is shown out, and how.
    let bound: Int64
    let end: SessionEnd

    init(
      _ name: String, _ role: ListenerRole = .relay, start: String = "", drip: String = "", each interval: Int64 = 1,
      bound: Int64, _ end: SessionEnd = .timedOut
    ) {
      testDescription = name
      self.role = role
      self.start = start
      self.drip = drip
      self.interval = interval
      self.bound = bound
      self.end = end
    }
  }

  private static let envelope = "EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\n"

  static let rows: [Row] = [
    Row("silence behind the greeting", bound: 300),
    Row("a command one octet at a time", start: "EHLO a\r\n", drip: "N", bound: 300),
    Row("silence in a transaction", start: envelope, bound: 300),
    Row("a line without an end", start: String(repeating: "x", count: 5_000), drip: "x", bound: 300),
    Row(
      "an answer of AUTH one octet at a time", .submissions, start: "EHLO a\r\nAUTH PLAIN\r\n", drip: "A", bound: 300),
    Row("silence in the midst of AUTH", .submissions, start: "EHLO a\r\nAUTH LOGIN\r\nYWxpY2U=\r\n", bound: 300),
    Row("silence behind DATA", start: envelope + "DATA\r\n", bound: 300),
    Row("content one octet at a time", start: envelope + "DATA\r\n", drip: "x", each: 60, bound: 3_600),
    Row("content that rests too long", start: envelope + "DATA\r\nxxx", drip: "x", each: 301, bound: 300),
    Row("a chunk that was announced", start: envelope + "BDAT 1000000\r\n", bound: 300),
    Row("a chunk one octet at a time", start: envelope + "BDAT 1000000\r\n", drip: "x", each: 60, bound: 3_600),
    Row("chunks of one octet", start: envelope + "BDAT 1\r\nx", drip: "BDAT 1\r\nx", each: 60, bound: 3_600),
    Row("a chunk out of place one octet at a time", start: "BDAT 1000000\r\nx", drip: "x", each: 60, bound: 3_600),
    Row("a NOOP just in time", start: "EHLO a\r\n", drip: "NOOP\r\n", each: 299, bound: 7_200, .noMessage),
    Row(
      "a recipient just in time", start: envelope, drip: "RCPT TO:<c@b.example>\r\n", each: 299, bound: 7_200,
      .noMessage),
    Row(
      "an unknown recipient just in time", start: envelope, drip: "RCPT TO:<nobody@b.example>\r\n", each: 299,
      bound: 7_200, .noMessage),
    Row(
      "a failed log-in just in time", .submissions, start: "EHLO a\r\n", drip: "AUTH PLAIN\r\n*\r\n", each: 299,
      bound: 20 * 299, .tooManyErrors),
  ]

  @Test("Law 7: every phase of a session has an end, though octets come", arguments: rows)
  func bounded(_ row: Row) throws {
    let stage = try Stage(role: row.role)
    _ = stage.say(row.start)
    var (second, last) = (Int64(0), stage.wire.takeWritten())
    while !stage.wire.isClosed, second < 100_000 {
      second += 1
      stage.wire.uptime = Uptime(nanoseconds: second * 1_000_000_000)
      stage.connection.tick()
      if !stage.wire.isClosed, second.isMultiple(of: row.interval), !row.drip.isEmpty { last = stage.say(row.drip) }
    }
    last += stage.wire.takeWritten()
    #expect(last.hasSuffix("closing\r\n") && last.split(separator: "\r\n").last?.hasPrefix("421 4.") == true, "\(last)")
    // With each bound there is one drip at most.
    #expect((row.bound...(row.bound + row.interval)).contains(second), "after \(second) s")
    stage.connection.closed(nil)
    #expect(stage.events.last == .closed(row.end))
    #expect(stage.conduct.state.withLock { $0.messages.isEmpty })
  }

  @Test(
    "a client that reads no reply is shown out in the time for a command, whatever it sends",
    arguments: ["", "NOOP\r\n"])
  func readsNothing(_ drip: String) throws {
    let stage = try Stage(role: .relay)
    _ = stage.say("EHLO a\r\n")
    stage.wire.isWritable = false
    for second in 1...301 as ClosedRange<Int64> {
      #expect(!stage.wire.isClosed)
      stage.wire.uptime = Uptime(nanoseconds: second * 1_000_000_000)
      _ = stage.say(drip)
      stage.connection.tick()
    }
    #expect(stage.wire.isClosed)
    stage.connection.closed(nil)
    #expect(stage.events.last == .closed(.timedOut))
  }

  @Test("each message accepted gives a session its time anew, and none is cut off while it comes in")
  func messages() throws {
    var limits = ServerLimits()
    limits.sessionTime = .seconds(600)
    let stage = try Stage(role: .relay, limits: limits)
    for _ in 1...10 {
      #expect(stage.say(Self.envelope + "DATA\r\n").hasSuffix("354 go ahead, end with CRLF.CRLF\r\n"))
      for _ in 1...10 {
        stage.wire.uptime = stage.wire.uptime + .seconds(250)
        stage.connection.tick()
        #expect(!stage.wire.isClosed)
        _ = stage.say("x\r\n")
      }
      #expect(stage.say(".\r\n").hasPrefix("250"))
      stage.wire.uptime = stage.wire.uptime + .seconds(290)
      stage.connection.tick()
      #expect(!stage.wire.isClosed)
    }
    #expect(stage.conduct.state.withLock { $0.messages.count } == 10)
  }

  @Test("messages that are refused don't lengthen a session")
  func refusedMessages() throws {
    var limits = ServerLimits()
    limits.sessionTime = .seconds(600)
    limits.messageSize = 1
    let stage = try Stage(role: .relay, limits: limits)
    for second in stride(from: 200, through: 600, by: 200) as StrideThrough<Int64> {
      stage.wire.uptime = Uptime(nanoseconds: second * 1_000_000_000)
      #expect(stage.say(Self.envelope + "DATA\r\nxyz\r\n.\r\n").hasSuffix("552 5.3.4 message larger than 1 octets\r\n"))
      stage.connection.tick()
      #expect(!stage.wire.isClosed)
    }
    stage.wire.uptime = Uptime(nanoseconds: 601_000_000_000)
    stage.connection.tick()
    #expect(stage.wire.takeWritten() == "421 4.4.2 no message for too long, closing\r\n")
  }
}
