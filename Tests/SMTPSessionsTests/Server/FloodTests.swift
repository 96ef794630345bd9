import MailSyntax
import SMTPSessions
import Synchronization
import Testing

/// The rows of "Floods" in Documentation/Operating.md that a session bounds itself.
@Suite("Floods")
struct FloodTests {
  /// A client that says `start` and then `lines` without end, all at once.
  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let role: ListenerRole
    let start: String
    let flood: String
    /// How often it is heard before the last word, and how it ends.
    let heard: Int
    let end: SessionEnd

    init(_ flood: String, _ role: ListenerRole = .relay, behind start: String = "", heard: Int, _ end: SessionEnd) {
      testDescription = flood.split(separator: "\r\n").joined(separator: ", ")
      self.role = role
      self.start = start
      self.flood = flood
      self.heard = heard
      self.end = end
    }
  }

  private static let mail = "MAIL FROM:<a@b.example>\r\n"
  private static let recipient = "RCPT TO:<c@b.example>\r\n"

  static let rows: [Row] = [
    Row("NOOP\r\n", heard: 100, .tooManyIdleCommands),
    Row("RSET\r\n", heard: 100, .tooManyIdleCommands),
    Row("VRFY a\r\n", heard: 100, .tooManyIdleCommands),
    Row("HELP\r\n", heard: 100, .tooManyIdleCommands),
    Row("EHLO a\r\n", heard: 100, .tooManyIdleCommands),
    Row("NOOP\r\n", .submissions, heard: 100, .tooManyIdleCommands),
    Row("EXPN a\r\n", heard: 20, .tooManyErrors),
    Row("XYZZY\r\n", heard: 20, .tooManyErrors),
    Row("\r\n", heard: 20, .tooManyErrors),
    Row(String(repeating: "x", count: 5_000) + "\r\n", heard: 20, .tooManyErrors),
    Row("MAIL FROM:<\r\n", behind: "EHLO a\r\n", heard: 20, .tooManyErrors),
    Row("DATA\r\n", behind: "EHLO a\r\n" + mail, heard: 20, .tooManyErrors),
    Row("BDAT 1\r\nx", heard: 20, .tooManyErrors),
    Row("BDAT 0\r\n", behind: "HELO a\r\n" + mail + recipient, heard: 99, .tooManyIdleCommands),
    Row(mail + "RSET\r\n", behind: "HELO a\r\n", heard: 99, .tooManyIdleCommands),
    Row("RSET\r\n" + mail + "RSET\r\n", behind: "HELO a\r\n", heard: 49, .tooManyIdleCommands),
    Row("MAIL FROM:<evil@example.com>\r\n", behind: "HELO a\r\n", heard: 100, .tooManyRefusals),
    Row("RCPT TO:<nobody@b.example>\r\n", behind: "HELO a\r\n" + mail, heard: 100, .tooManyRefusals),
    Row("RCPT TO:<later@b.example>\r\n", behind: "HELO a\r\n" + mail, heard: 100, .tooManyRefusals),
    // The thousand of a message, and as many again that one may pay for.
    Row(recipient, behind: "HELO a\r\n" + mail, heard: 2_100, .tooManyRefusals),
    Row("AUTH PLAIN AGFsaWNlAHdyb25n\r\n", .submissions, behind: "EHLO a\r\n", heard: 3, .tooManyErrors),
    Row("AUTH PLAIN\r\n*\r\n", .submissions, behind: "EHLO a\r\n", heard: 20, .tooManyErrors),
    Row("AUTH X\r\n", .submissions, behind: "EHLO a\r\n", heard: 20, .tooManyErrors),
    Row("MAIL FROM:<a@b.example>\r\n", .submissions, behind: "EHLO a\r\n", heard: 20, .tooManyErrors),
  ]

  @Test(
    "Law 7: nothing can be said without end, and the last word is 421 with what there was too much of", arguments: rows)
  func bounded(_ row: Row) throws {
    let stage = try Stage(role: row.role)
    _ = stage.say(row.start)
    var heard = 0
    while heard < 10_000 {
      let said = stage.say(row.flood)
      if stage.wire.isClosed {
        #expect(said.split(separator: "\r\n").last?.hasPrefix("421 4.7.0 too many ") == true, "\(said)")
        break
      }
      heard += 1
    }
    #expect(heard == row.heard)
    stage.connection.closed(nil)
    #expect(stage.events.last == .closed(row.end))

    // The same in one read: what waits is bounded too, and nothing is done behind the end.
    let pipelined = try Stage(role: row.role)
    _ = pipelined.say(row.start)
    let said = pipelined.say(String(repeating: row.flood, count: row.heard + 1_000))
    #expect(pipelined.wire.isClosed && said.split(separator: "\r\n").last?.hasPrefix("421 4.7.0 too many ") == true)
    #expect(pipelined.events.count { $0 == .authenticated } == 0)
    #expect(said.utf8.count < 200_000)
  }
}
