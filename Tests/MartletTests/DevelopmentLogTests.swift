import MailQueue
import MailSyntax
import SystemWorld
import Testing

@testable import martlet

@Suite("What `dev` tells")
struct DevelopmentLogTests {
  private static let instant = UTCInstant(seconds: 1_795_347_900)
  private static func event(_ kind: MailEvent.Kind, _ fields: KeyValuePairs<String, String>) -> MailEvent {
    MailEvent(kind, fields.map { .init($0, .text($1)) })
  }
  private static let tls: (String, String) = ("tls", "TLSv1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768")

  @Test("a message is told in short lines: what came, from whom, to whom, and how")
  func accepted() {
    let event = Self.event(
      .accepted,
      [
        "id": "1m81qhj5480d6xrd", "session": "4k", "from": "<you@example.com>", "to": "a@example.org,b@example.org",
        "size": "266", "user": "dev", "listener": "submissions", "peer": "127.0.0.1:5", "tls": Self.tls.1,
      ])
    #expect(
      DevelopmentLog.lines(for: event, at: Self.instant) == [
        "11:45:00Z  accepted  1m81qhj5480d6xrd, 266 bytes",
        "                     from <you@example.com>, sent by dev",
        "                     to a@example.org, b@example.org",
        "                     submissions, TLSv1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768",
      ])
    #expect(
      DevelopmentLog.lines(
        for: Self.event(.delivered, ["id": "1m81qhj5480d6xrd", "recipient": "a@example.org"]), at: Self.instant)
        == ["11:45:00Z  delivered 1m81qhj5480d6xrd to a@example.org"])
  }

  @Test("what went wrong is told with what to do; what went well in passing is not told")
  func faults() {
    let wrapper = Self.event(.wrongWrapper, ["what": "smtp-on-tls-port", "listener": "submissions", "tls": "none"])
    #expect(
      DevelopmentLog.lines(for: wrapper, at: Self.instant) == [
        "11:45:00Z  mistake   the client spoke SMTP in clear; this port speaks TLS from",
        "                     the first byte",
        "                     submissions, in clear",
      ])
    let quit = Self.event(.sessionClosed, ["end": "quit", "listener": "submissions", "tls": "none"])
    #expect(DevelopmentLog.lines(for: quit, at: Self.instant).isEmpty)
    let failed = Self.event(.sessionClosed, ["end": "handshake-failed", "listener": "submissions", "tls": "none"])
    #expect(DevelopmentLog.lines(for: failed, at: Self.instant).count == 3)
  }

  @Test("a mistake is told once, not again as the end of its session")
  func once() {
    let format = DevelopmentLog.format
    func said(_ kind: MailEvent.Kind, _ session: String) -> Bool {
      let fields: KeyValuePairs = ["session": session, "what": "http", "end": "handshake-failed", "tls": "none"]
      return format.render(Self.event(kind, fields), Self.instant) != nil
    }
    #expect(said(.wrongWrapper, "1"))
    #expect(!said(.sessionClosed, "1"))
    #expect(said(.sessionClosed, "2"))
  }

  @Test("no line of any event is wider than a terminal, and none carries what could steer it")
  func width() {
    let long = String(repeating: "x\u{1b}[31m word ", count: 40) + String(repeating: "y", count: 300)
    let keys = ["id", "from", "to", "user", "recipient", "result", "reply", "what", "reason", "end", "tls", "listener"]
    for kind in MailEvent.Kind.allCases {
      let event = MailEvent(kind, keys.map { .init($0, .text(long)) })
      for line in DevelopmentLog.lines(for: event, at: Self.instant) {
        #expect(QueueText.displayWidth(line) <= QueueText.width, "\(kind)")
        #expect(!line.unicodeScalars.contains("\u{1b}"), "\(kind)")
      }
    }
  }
}
