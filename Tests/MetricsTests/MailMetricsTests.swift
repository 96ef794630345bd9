import MailQueue
import MailSyntax
import Synchronization
import Testing

@testable import Metrics

@Suite("Events as numbers")
struct MailMetricsTests {
  final class HandClock: MailClock {
    private let seconds = Mutex<Int64>(1_795_347_900)
    var now: UTCInstant { UTCInstant(seconds: seconds.withLock { $0 }) }
    var uptime: Uptime { Uptime(nanoseconds: 0) }
    func sleep(until deadline: Uptime) async {}
    func pass(_ count: Int64) { seconds.withLock { $0 += count } }
  }
  final class Passed: EventSink {
    private let events = Mutex<[MailEvent]>([])
    var kinds: [MailEvent.Kind] { events.withLock { $0.map(\.kind) } }
    func record(_ event: MailEvent) { events.withLock { $0.append(event) } }
  }

  let clock = HandClock()
  let passed = Passed()
  let metrics: MailMetrics

  init() { metrics = MailMetrics(before: passed, clock: clock) }

  func record(_ kind: MailEvent.Kind, _ fields: [(String, String)] = []) {
    metrics.record(MailEvent(kind, fields.map { .init($0.0, .text($0.1)) }))
  }

  func deferred(_ domain: String, _ reason: String = "insecure", asked: String = "authenticate pkix") {
    record(.deferred, [("route", "mx/\(domain)"), ("policy", asked), ("reason", reason)])
  }

  var text: String {
    metrics.text(
      ServerFigures(
        version: "1.2.3", startedAt: UTCInstant(seconds: 1_795_000_000), messages: 3, recipientsQueued: 4,
        recipientsHeld: 1, deliveriesInFlight: 2, isAccepting: true, standingAlarms: ["insecure", "insecure"]))
  }

  /// The samples that begin so.
  func samples(_ beginning: String) -> [String] {
    text.split(separator: "\n").filter { $0.hasPrefix(beginning) }.map(String.init)
  }

  @Test("each event is counted under its kind and handed on, and every kind is there from the beginning")
  func events() {
    #expect(samples("martlet_events_total").count == MailEvent.Kind.allCases.count)
    #expect(samples("martlet_events_total").allSatisfy { $0.hasSuffix(" 0") })
    for _ in 1...3 { record(.sessionOpened) }
    record(.accepted)
    #expect(samples("martlet_events_total{event=\"session.opened\"} 3").count == 1)
    #expect(samples("martlet_events_total{event=\"message.accepted\"} 1").count == 1)
    #expect(passed.kinds == [.sessionOpened, .sessionOpened, .sessionOpened, .accepted])
  }

  @Test("attempts are counted by what came of them and the rule; an operator's word is none")
  func attempts() {
    record(.delivered, [("route", "mx/a.example"), ("tls", "TLSv1.3")])
    record(.delivered, [("route", "mx/a.example"), ("tls", "none (STARTTLS is not offered)")])
    record(.delivered, [("route", "domain/here.example"), ("tls", "none")])
    deferred("a.example", "host-closing")
    record(.failed, [("route", "mx/a.example"), ("reason", "refused")])
    record(.failed, [("route", "mx/a.example"), ("reason", "no longer wanted"), ("by", "anna")])
    #expect(
      samples("martlet_attempts_total") == [
        "martlet_attempts_total{outcome=\"delivered\",reason=\"\"} 3",
        "martlet_attempts_total{outcome=\"deferred\",reason=\"host-closing\"} 1",
        "martlet_attempts_total{outcome=\"failed\",reason=\"refused\"} 1",
      ])
    #expect(samples("martlet_delivered_in_clear_total") == ["martlet_delivered_in_clear_total 1"])
  }

  @Test("strangers' messages are counted by what DMARC says of them and what became of them; nobody else's are")
  func judged() {
    record(.accepted, [("from", "<a@example.org>")])
    record(.accepted, [("dmarc", "pass example.org")])
    record(.accepted, [("dmarc", "pass example.net")])
    record(.accepted, [("dmarc", "fail example.org quarantine"), ("quarantine", "DMARC failed")])
    record(.accepted, [("dmarc", "temperror: nothing could be learned in time")])
    record(.unauthenticated, [("dmarc", "fail example.org reject"), ("reply", "550 5.7.1 no")])
    record(.unauthenticated, [("dmarc", "temperror example.org"), ("reply", "451 4.4.3 later")])
    #expect(
      samples("martlet_messages_judged_total") == [
        "martlet_messages_judged_total{dmarc=\"pass\",outcome=\"taken\"} 2",
        "martlet_messages_judged_total{dmarc=\"fail\",outcome=\"marked\"} 1",
        "martlet_messages_judged_total{dmarc=\"temperror\",outcome=\"taken\"} 1",
        "martlet_messages_judged_total{dmarc=\"fail\",outcome=\"refused\"} 1",
        "martlet_messages_judged_total{dmarc=\"temperror\",outcome=\"put-off\"} 1",
      ])
  }

  @Test("destinations whose mail waits for safety are named with their time, until mail goes or waits no more")
  func waiting() {
    #expect(samples("martlet_destinations_waiting") == ["martlet_destinations_waiting{reason=\"insecure\"} 0"])
    deferred("one.example")
    clock.pass(60)
    deferred("two.example", asked: "authenticate dane")
    deferred("three.example", "unreachable")
    deferred("one.example")
    clock.pass(10)
    #expect(
      samples("martlet_destinations_waiting") == [
        "martlet_destinations_waiting{reason=\"insecure\"} 2",
        "martlet_destinations_waiting{reason=\"unreachable\"} 1",
      ])
    #expect(
      samples("martlet_destination_insecure_seconds") == [
        "martlet_destination_insecure_seconds{destination=\"mx/one.example\"} 70",
        "martlet_destination_insecure_seconds{destination=\"mx/two.example\"} 10",
      ])
    #expect(
      samples("martlet_policy_failures_total") == [
        "martlet_policy_failures_total{asked=\"authenticate pkix\"} 2",
        "martlet_policy_failures_total{asked=\"authenticate dane\"} 1",
      ])
    // For another reason now.
    deferred("two.example", "unreachable")
    for kind in [MailEvent.Kind.delivered, .failed, .removed, .held] {
      deferred("end.example")
      #expect(samples("martlet_destination_insecure_seconds").count == 2)
      record(kind, [("route", "mx/end.example")])
      #expect(samples("martlet_destination_insecure_seconds").count == 1, "\(kind)")
    }
  }

  @Test("no peer makes it grow: so many destinations are followed, some of them named, and so many labels told apart")
  func bounded() {
    for number in 0..<WaitingDestinations.maximum + 100 { deferred("d\(number).example") }
    #expect(
      samples("martlet_destinations_waiting")
        == ["martlet_destinations_waiting{reason=\"insecure\"} \(WaitingDestinations.maximum)"])
    #expect(samples("martlet_destination_insecure_seconds").count == MailMetrics.maximumNamedDestinations)
    for number in 0..<1_000 {
      deferred("d0.example", "reason \(number)", asked: "\(number)")
      deferred("d0.example", asked: "\(number)")
      record(.alarm, [("what", "what \(number)")])
    }
    for family in ["martlet_attempts_total", "martlet_policy_failures_total", "martlet_alarms_total"] {
      #expect((2...MailMetrics.maximumLabelValues + 1).contains(samples(family).count), "\(family)")
      #expect(samples(family).contains { $0.contains("\"other\"") }, "\(family)")
    }
    deferred(String(repeating: "x", count: 100_000), asked: String(repeating: "y", count: 100_000))
    #expect(text.utf8.count < 64 << 10)
  }

  @Test("what a peer has said ends neither a label nor a line")
  func escaped() {
    record(.alarm, [("what", "a\"b\\c\nd\u{1}} 5\nmartlet_forged 1")])
    #expect(
      samples("martlet_alarms_total")
        == ["martlet_alarms_total{what=\"a\\\"b\\\\c\\nd?} 5\\nmartlet_forged 1\"} 1"])
    #expect(samples("martlet_forged").isEmpty)
  }

  @Test("each family is introduced by its help and its type, once, and nothing else stands there")
  func format() throws {
    deferred("one.example")
    record(.alarm, [("what", "insecure")])
    let sample = /(martlet_[a-z_]+)(?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? [0-9]+/
    var families: [String] = []
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      if line.hasPrefix("# HELP ") {
        families.append(words[2])
      } else if line.hasPrefix("# TYPE ") {
        #expect(words[2] == families.last && words[3] == (words[2].hasSuffix("_total") ? "counter" : "gauge"))
      } else {
        let match = try #require(try sample.wholeMatch(in: line), "\(line)")
        #expect(String(match.output.1) == families.last)
      }
    }
    #expect(families.count == 15 && Set(families).count == 15 && text.hasSuffix("\n"))
    #expect(samples("martlet_alarms_standing") == ["martlet_alarms_standing{what=\"insecure\"} 2"])
    #expect(samples("martlet_queue_recipients{state=\"held\"}") == ["martlet_queue_recipients{state=\"held\"} 1"])
  }
}
