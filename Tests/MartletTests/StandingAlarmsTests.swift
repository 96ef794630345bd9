import ControlPlane
import MailQueue
import MailSyntax
import Synchronization
import Testing

@testable import martlet

@Suite("What is wrong at this moment")
struct StandingAlarmsTests {
  final class Passed: EventSink {
    let count = Mutex(0)
    func record(_ event: MailEvent) { count.withLock { $0 += 1 } }
  }
  struct StillClock: MailClock {
    var now: UTCInstant { Sample.now }
    var uptime: Uptime { Uptime(nanoseconds: 0) }
    func sleep(until deadline: Uptime) async {}
  }

  let passed = Passed()
  let alarms: StandingAlarms

  init() { alarms = StandingAlarms(before: passed, clock: StillClock()) }

  func record(_ kind: MailEvent.Kind, _ fields: [(String, MailEvent.Value)]) {
    alarms.record(MailEvent(kind, fields.map { .init($0.0, $0.1) }))
  }

  @Test("an alarm that says until-cleared stands until an event clears it, and others don't stand")
  func standing() {
    record(.alarm, [("what", .text("momentary")), ("reason", .text("x"))])
    #expect(alarms.alarms.isEmpty)
    let blocked: [(String, MailEvent.Value)] = [
      ("what", .text("port-25-blocked")), ("reason", .text("nobody answers")), ("remedy", .text("ask the provider")),
      ("until-cleared", .flag(true)),
    ]
    record(.alarm, blocked)
    record(.alarm, blocked)
    #expect(alarms.alarms.map(\.text) == ["nobody answers; ask the provider"])
    record(.alarm, [("what", .text("other")), ("clears", .text("something-else"))])
    #expect(alarms.alarms.count == 1)
    record(.alarm, [("what", .text("port-25-reachable")), ("clears", .text("port-25-blocked"))])
    #expect(alarms.alarms.isEmpty)
    #expect(passed.count.withLock { $0 } == 5)
  }

  @Test("alarms of several lists stand beside each other, and end one by one")
  func lists() {
    for list in ["one", "two"] {
      record(
        .alarm,
        [
          ("what", .text("dns-list-fails")), ("list", .text(list)), ("reason", .text(list)),
          ("until-cleared", .flag(true)),
        ])
    }
    #expect(alarms.alarms.map(\.text) == ["one", "two"])
    record(
      .alarm, [("what", .text("dns-list-works")), ("list", .text("one")), ("clears", .text("dns-list-fails"))])
    #expect(alarms.alarms.map(\.text) == ["two"])
  }

  @Test("what could not be read again stands until it was")
  func reloaded() {
    record(
      .alarm, [("what", .text("users-not-reloaded")), ("reason", .text("bad")), ("until-cleared", .flag(true))])
    record(.reloaded, [("what", .text("certificates"))])
    #expect(alarms.alarms.count == 1)
    record(.reloaded, [("what", .text("users"))])
    #expect(alarms.alarms.isEmpty)
  }

  @Test("what waits for a restart stands until a reload takes it back, and so does a lost source address")
  func restart() {
    for what in [StandingAlarms.needsRestart, SourceAlarms.what] {
      record(.alarm, [("what", .text(what)), ("reason", .text("x")), ("until-cleared", .flag(true))])
    }
    record(.reloaded, [("what", .text("users"))])
    #expect(alarms.alarms.count == 2)
    record(.reloaded, [("what", .text("configuration"))])
    #expect(alarms.alarms.isEmpty)
  }

  @Test("a source address that is lost is said once, and so is its return")
  func sources() {
    let watch = SourceAlarms(events: alarms)
    for _ in 0..<3 { watch.lacked(.v4(1), reason: "no such address") }
    watch.lacked(.v4(2), reason: "no such address")
    #expect(passed.count.withLock { $0 } == 2)
    #expect(alarms.alarms.map(\.what) == [SourceAlarms.what])
    watch.had(.v4(1))
    watch.had(.v4(3))
    #expect(alarms.alarms.count == 1)
    watch.had(.v4(2))
    #expect(alarms.alarms.isEmpty && passed.count.withLock { $0 } == 3)
  }

  @Test("mail that nothing safe enough takes is an alarm until some of its route goes or is given up")
  func insecure() {
    let kinds: [MailEvent.Kind] = [.delivered, .failed, .removed]
    for kind in kinds {
      for route in ["mx/a.example", "mx/b.example"] {
        record(
          .alarm,
          [
            ("what", .text("insecure")), ("route", .text(route)), ("reason", .text("no TLS")),
            ("remedy", .text("mend it")), ("until-cleared", .flag(true)),
          ])
      }
      record(.deferred, [("route", .text("mx/a.example"))])
      #expect(alarms.alarms.count == 2)
      record(kind, [("route", .text("mx/a.example"))])
      #expect(alarms.alarms.map(\.route) == ["mx/b.example"], "\(kind)")
    }
  }

  @Test("what kept us from a host's word isn't put into its mouth")
  func hostsWords() {
    let now = Timestamp(Sample.now)
    func line(_ text: String) -> String? {
      let error = ErrorFacts(time: now, route: "mx/down.example", host: "mx.down.example", text: text)
      return ServerStatus(
        version: "0", hostName: "mx", processID: 1, startedAt: now, listeners: [],
        queue: QueueStanding(
          QueueCounts(messages: 0, recipientsQueued: 0, recipientsHeld: 0), store: .accepting, deliveriesInFlight: 0),
        lastError: error
      ).lines(at: Sample.now).last
    }
    #expect(line("450 4.1.1 later") == "  mx/down.example: mx.down.example says 450 4.1.1 later")
    #expect(line("connection: refused") == "  mx/down.example: mx.down.example: connection: refused")
    #expect(
      line("the mail server mx.down.example has no address")
        == "  mx/down.example: the mail server mx.down.example has no address")
  }

  @Test("the last error is known by route, and an operator's word is none; alarms, routes and texts are bounded")
  func bounds() {
    for number in 0..<1_000 {
      record(
        .deferred, [("route", .text("domain/\(number)")), ("result", .text(String(repeating: "x", count: 9_000)))])
      record(.alarm, [("what", .text("a\(number)")), ("until-cleared", .flag(true))])
    }
    record(.failed, [("route", .text("outbound")), ("result", .text("gone")), ("by", .text("eve"))])
    #expect(alarms.lastError?.route == "domain/999")
    #expect(alarms.lastError.map { $0.text.utf8.count <= StandingAlarms.maximumTextOctets + 3 } == true)
    #expect(alarms.lastError(of: RouteKey(rawValue: "domain/743")) == nil)
    #expect(alarms.lastError(of: RouteKey(rawValue: "domain/744")) != nil)
    #expect(alarms.alarms.count == StandingAlarms.maximumAlarms)
    #expect(alarms.alarms.last?.what == "a999")
  }

  @Test("queue status tells alarms, routes at rest and the last error at 80 columns")
  func status() {
    let now = Timestamp(Sample.now)
    let error = ErrorFacts(
      time: Timestamp(Sample.now + .seconds(-60)), route: "outbound", host: "smtp.there.example (192.0.2.1)",
      text: "421 4.3.2 \u{1b}[31mgo away " + String(repeating: "long ", count: 30))
    let status = ServerStatus(
      version: "0.1.0", hostName: "mx.example.com", processID: 7, startedAt: now, listeners: [],
      queue: QueueStanding(
        QueueCounts(messages: 1, recipientsQueued: 1, recipientsHeld: 0), store: .accepting, deliveriesInFlight: 0),
      restingRoutes: [
        RestingRouteFacts(route: "outbound", until: Timestamp(Sample.now + .seconds(240)), failures: 3, error: error)
      ], moreRestingRoutes: 2,
      alarms: [AlarmFacts(what: "port-25-blocked", route: nil, text: "nobody answers; ask", since: now)],
      lastError: error)
    let lines = status.lines(at: Sample.now)
    expectFits(lines)
    #expect(lines.contains("Alarm: port-25-blocked, since 2026-11-22T11:45:00.000Z"))
    #expect(lines.contains("Route outbound rests until 2026-11-22T11:49:00.000Z"))
    #expect(lines.contains { $0.hasPrefix("  for another 4m, after 3 failures: smtp.there.example") })
    #expect(lines.contains("2 more routes at rest."))
    #expect(
      lines.contains("Last error: 2026-11-22T11:44:00.000Z, 60s ago")
        || lines.contains("Last error: 2026-11-22T11:44:00.000Z, 1m ago"))
    #expect(!lines.joined().unicodeScalars.contains("\u{1b}"))
  }

  @Test("sentences are folded at 80 columns on a terminal, paths stay whole, and nothing is folded elsewhere")
  func folding() {
    let path = "/" + String(repeating: "long-folder/", count: 10)
    let text =
      "martlet: \(path) can't be read, and this is why: somebody took it away\n    remedy: "
      + String(repeating: "put it back ", count: 12)
    #expect(Console.folded(text, nil) == text)
    let folded = Console.folded(text, 80)
    #expect(folded.contains(path))
    for line in folded.split(separator: "\n") where !line.contains(path) { #expect(line.count <= 80) }
    #expect(folded.contains("\n      "))
    #expect(
      folded.split(separator: "\n").flatMap { $0.split(separator: " ") }
        == text.split(separator: "\n").flatMap { $0.split(separator: " ") })
  }
}
