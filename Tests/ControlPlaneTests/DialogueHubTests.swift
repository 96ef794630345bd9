import MailSyntax
import SMTPSessions
import Testing

@testable import ControlPlane

@Suite("Live dialogues")
struct DialogueHubTests {
  let hub = DialogueHub(clock: StillClock())

  func session(_ name: String, _ side: DialogueSession.Side = .incoming(.relay)) -> DialogueSession {
    DialogueSession(name: name, side: side, peer: side == .outgoing ? "mx.there.example" : "192.0.2.1")
  }

  func say(_ text: String, _ kind: DialogueLine.Kind = .received, in session: DialogueSession) {
    hub.saw(DialogueLine(kind, isEncrypted: false, text), in: session)
  }

  func texts(_ watcher: Int) -> [String] { hub.take(watcher).lines.map(\.text) }

  @Test("nobody watching is one load and leaves nothing behind")
  func unwatched() throws {
    #expect(!hub.isWatched)
    #expect(hub.observer(of: "mx.there.example") == nil)
    say("EHLO a.example", in: session("a"))
    #expect(hub.rememberedSessions == 0)
    let watcher = try #require(hub.begin(DialogueFilter()))
    #expect(hub.isWatched)
    #expect(texts(watcher).isEmpty)
    hub.end(watcher)
    #expect(!hub.isWatched)
  }

  @Test(
    "a session is shown from its beginning once something in it meets the filter",
    arguments: [
      (DialogueFilter(domain: "b.example"), true), (DialogueFilter(domain: "B.Example"), true),
      (DialogueFilter(domain: "example"), true), (DialogueFilter(domain: "there.example"), false),
      (DialogueFilter(domain: "nob.example"), false), (DialogueFilter(domain: "client.example"), true),
      (DialogueFilter(address: "bob@b.example"), true), (DialogueFilter(address: "bob"), false),
      (DialogueFilter(address: "192.0.2.1"), true), (DialogueFilter(id: "s"), true),
      (DialogueFilter(id: "1m81q"), true),
      (DialogueFilter(id: "2m81q"), false), (DialogueFilter(listener: "relay"), true),
      (DialogueFilter(listener: "submission"), false), (DialogueFilter(domain: "b.example", listener: "relay"), true),
      (DialogueFilter(domain: "b.example", listener: "submission"), false), (DialogueFilter(), true),
    ])
  func filters(_ filter: DialogueFilter, _ isShown: Bool) throws {
    let watcher = try #require(hub.begin(filter))
    let said = [
      "220 hello", "EHLO client.example", "MAIL FROM:<anna@a.example> SIZE=7", "RCPT TO:<@relay.example:bob@b.example>",
      "250 queued as 1m81q",
    ]
    for text in said { say(text, in: session("s")) }
    #expect(texts(watcher) == (isShown ? said : []))
  }

  @Test("an outgoing session is met by its host, and told of by the closure alone")
  func outgoing() throws {
    let watcher = try #require(hub.begin(DialogueFilter(domain: "there.example")))
    var observe = hub.observer(of: "mx.there.example")
    observe?(DialogueLine(.received, isEncrypted: true, "220 hi"))
    #expect(texts(watcher) == ["220 hi"])
    #expect(hub.rememberedSessions == 1)
    observe = nil
    #expect(hub.rememberedSessions == 0)
  }

  @Test("early lines, waiting lines, sessions and watchers are bounded, and what was dropped is counted")
  func bounds() throws {
    let watcher = try #require(hub.begin(DialogueFilter(domain: "b.example")))
    for number in 0..<1_000 { say("NOOP \(number)", in: session("s")) }
    say("RCPT TO:<bob@b.example>", in: session("s"))
    let early = hub.take(watcher)
    #expect(early.lines.count == DialogueHub.maximumEarlyLines + 1)
    #expect(early.lost == 1_000 - DialogueHub.maximumEarlyLines)
    // A watcher that doesn't read.
    for number in 0..<DialogueHub.maximumWaitingLines + 12 { say("NOOP \(number)", in: session("s")) }
    let late = hub.take(watcher)
    #expect(late.lines.count == DialogueHub.maximumWaitingLines && late.lost == 12)
    #expect(late.lines.last?.text == "NOOP \(DialogueHub.maximumWaitingLines + 11)")
    for number in 0..<DialogueHub.maximumSessions + 10 { say("x", in: session("s\(number)")) }
    #expect(hub.rememberedSessions == DialogueHub.maximumSessions)
    say(String(repeating: "x", count: 100_000) + " b.example", in: session("long"))
    for _ in 1..<DialogueHub.maximumWatchers { _ = try #require(hub.begin(DialogueFilter())) }
    #expect(hub.begin(DialogueFilter()) == nil)
    hub.end(watcher)
    #expect(hub.begin(DialogueFilter()) != nil)
    say(String(repeating: "y", count: 100_000), in: session("long"))
    #expect(
      hub.take(DialogueHub.maximumWatchers).lines.allSatisfy {
        $0.text.utf8.count <= DialogueHub.maximumLineOctets + "…".utf8.count
      })
  }

  @Test("the early lines of all sessions together are bounded: the oldest sessions forget theirs, and say so")
  func earlyOctets() throws {
    let watcher = try #require(hub.begin(DialogueFilter(domain: "b.example")))
    let line = String(repeating: "x", count: DialogueHub.maximumLineOctets)
    let sessions = 2 * DialogueHub.maximumEarlyOctets / (DialogueHub.maximumEarlyLines * DialogueHub.maximumLineOctets)
    #expect(sessions < DialogueHub.maximumSessions)
    for number in 0..<sessions {
      for _ in 0..<DialogueHub.maximumEarlyLines { say(line, in: session("s\(number)")) }
      #expect(hub.earlyOctets <= DialogueHub.maximumEarlyOctets)
    }
    #expect(hub.earlyOctets > DialogueHub.maximumEarlyOctets / 4)
    #expect(hub.rememberedSessions == sessions)
    say("RCPT TO:<bob@b.example>", in: session("s0"))
    let oldest = hub.take(watcher)
    #expect(oldest.lines.map(\.text) == ["RCPT TO:<bob@b.example>"])
    #expect(oldest.lost == DialogueHub.maximumEarlyLines)
    say("RCPT TO:<bob@b.example>", in: session("s\(sessions - 1)"))
    #expect(hub.take(watcher).lost == 0)
    for number in 0..<sessions { hub.ended(session("s\(number)")) }
    #expect(hub.earlyOctets == 0)
    hub.end(watcher)
  }

  @Test("a line is cut by octets, however long its Characters are")
  func longCharacters() throws {
    let watcher = try #require(hub.begin(DialogueFilter()))
    say("a" + String(repeating: "\u{301}", count: 5_000), in: session("s"))
    #expect(hub.take(watcher).lines.map { $0.text.utf8.count / 10 } == [DialogueHub.maximumLineOctets / 10])
    hub.end(watcher)
  }

  struct WatchedHandler: ControlHandler {
    let queue: QueueControl
    let dialogues: DialogueHub?
    func status() async throws(ControlFault) -> ServerStatus { throw ControlFault(.failed, "not asked") }
    func reload(_ scope: ReloadScope) async throws(ControlFault) -> [String] { [] }
    func backup(to folder: String) async throws(ControlFault) -> BackupFacts {
      throw ControlFault(.failed, "not asked")
    }
  }

  struct Seen: Error {}

  @Test("lines come over the socket as they happen, and a command that goes away is let go")
  func socket() async throws {
    let folder = try TestFolder()
    let handler = WatchedHandler(queue: try QueueFixture().control, dialogues: hub)
    try await withServer(handler, folder: folder) { path in
      await withTaskGroup(of: Void.self) { group in
        group.addTask {
          while !self.hub.isWatched { await Task.yield() }
          for number in 0..<3 { self.say("NOOP \(number)", in: self.session("s")) }
        }
        let fault = await #expect(throws: ControlFault.self) {
          try await ControlClient.call(.watch(DialogueFilter(listener: "relay")), socketPath: path) {
            answer throws(ControlFault) in
            guard case .dialogue(let line) = answer, line.text == "NOOP 2" else { return }
            throw ControlFault(.failed, "enough")
          }
        }
        #expect(fault?.text == "enough")
      }
      while self.hub.isWatched { await Task.yield() }
    }
  }

  @Test("a server without sessions refuses, and so does one that is watched by as many as may")
  func refusals() async throws {
    let folder = try TestFolder()
    try await withServer(FixtureHandler(queue: try QueueFixture().control), folder: folder) { path in
      await #expect(throws: ControlFault.self) {
        try await ControlClient.call(.watch(DialogueFilter()), socketPath: path)
      }
    }
    for _ in 0..<DialogueHub.maximumWatchers { _ = try #require(hub.begin(DialogueFilter())) }
    let handler = WatchedHandler(queue: try QueueFixture().control, dialogues: hub)
    try await withServer(handler, folder: folder) { path in
      let fault = await #expect(throws: ControlFault.self) {
        try await ControlClient.call(.watch(DialogueFilter()), socketPath: path)
      }
      #expect(fault?.kind == .busy)
    }
  }
}
