import MailQueue
import MailSyntax
import NIOCore
import QueueModel
import Relay
import Testing
import TransportSecurity

@testable import ControlPlane

@Suite("The transport policy over the control socket")
struct PolicyControlTests {
  static let until = Timestamp(StillClock.start + .seconds(3_600))
  static let requests: [(PolicyRequest, String)] = {
    guard let domain = try? DomainName("a.example") else { return [] }
    return [
      (.show(nil), #"{"policy":{},"request":"policy.show","version":1}"#),
      (.show(domain), #"{"policy":{"domain":"a.example"},"request":"policy.show","version":1}"#),
      (.audit(nil), #"{"policy":{},"request":"policy.audit","version":1}"#),
      (.audit(domain), #"{"policy":{"domain":"a.example"},"request":"policy.audit","version":1}"#),
      (
        .authentication(UTCDay(number: 20_780), domain),
        #"{"policy":{"day":"2026-11-23","domain":"a.example"},"request":"policy.authentication","version":1}"#
      ),
      (
        .authentication(UTCDay(number: 20_780), nil),
        #"{"policy":{"day":"2026-11-23"},"request":"policy.authentication","version":1}"#
      ),
      (.overrides, #"{"policy":{},"request":"policy.overrides","version":1}"#),
      (
        .addOverride(
          NewOverride(
            domain: domain, includesSubdomains: true, floor: .encrypt, until: until, reason: "why", author: "anna")),
        #"{"policy":{"author":"anna","domain":"a.example","floor":"encrypt","reason":"why","subdomains":true,"#
          + #""until":"\#(until)"},"request":"policy.override-add","version":1}"#
      ),
      (
        .endOverride(7, reason: "mended"),
        #"{"policy":{"number":7,"reason":"mended"},"request":"policy.override-end","version":1}"#
      ),
      (.refresh(domain), #"{"policy":{"domain":"a.example"},"request":"policy.refresh","version":1}"#),
      (
        .forget(domain, reason: "why"),
        #"{"policy":{"domain":"a.example","reason":"why"},"request":"policy.forget","version":1}"#
      ),
    ]
  }()

  @Test("each request is one line of JSON, and is read back as it was", arguments: requests)
  func roundTrip(_ request: PolicyRequest, _ line: String) throws {
    var buffer = ByteBuffer()
    try ControlProtocol.append(ControlRequest.policy(request).record, to: &buffer)
    #expect(String(buffer: buffer) == line + "\n")
    let read = try ControlProtocol.read(RequestRecord.self, from: ByteBuffer(string: line))
    #expect(try ControlRequest(read) == .policy(request))
  }

  @Test(
    "a request that lacks something, or asks for what isn't known, is refused and not guessed at",
    arguments: [
      (#"{"request":"policy.override-add","version":1}"#, "\"floor\""),
      (#"{"request":"policy.forget","version":1,"policy":{"domain":"a.example"}}"#, "\"reason\""),
      (#"{"request":"policy.override-add","version":1,"policy":{"floor":"strict"}}"#, "no floor"),
      (#"{"request":"policy.refresh","version":1,"policy":{"domain":"a b"}}"#, "no domain"),
      (#"{"request":"policy.show","version":1,"policy":{"host":"a"}}"#, "no key"),
      (#"{"request":"policy.clear","version":1}"#, "no request"),
      (#"{"request":"policy.authentication","version":1}"#, "\"day\""),
      (#"{"request":"policy.authentication","version":1,"policy":{"day":"2026-02-29"}}"#, "no line"),
    ])
  func refused(_ line: String, _ words: String) {
    let fault = #expect(throws: ControlFault.self) {
      try ControlRequest(ControlProtocol.read(RequestRecord.self, from: ByteBuffer(string: line)))
    }
    #expect(fault?.kind == .badRequest && fault?.text.contains(words) == true, "\(String(describing: fault))")
  }

  private struct Stage {
    let clock = StillClock()
    let store: ModelPolicyStore
    let control: PolicyControl
    let domain: DomainName

    init(records: [CountedRecord] = []) throws {
      store = ModelPolicyStore(clock: clock)
      domain = try DomainName("a.example")
      let events = Silent()
      control = PolicyControl(
        overrides: FloorOverrides(store: store, converter: UnchangedNames(), clock: clock, events: events),
        desk: StoredPolicyDesk(store, clock: clock),
        ratchet: TLSRatchet(store: store, conduct: .alert, clock: clock, events: events), audit: store,
        authentication: CountedDays(records: records), converter: UnchangedNames(), clock: clock, events: events,
        rules: { DestinationRules(floor: .verified) })
    }

    func add(_ floor: TLSFloor, author: String? = nil) async throws -> OverrideFacts? {
      let new = NewOverride(
        domain: domain, includesSubdomains: false, floor: floor, until: until, reason: "why", author: author)
      for case .override(let facts) in try await control.answers(to: .addOverride(new), by: "root") { return facts }
      return nil
    }
  }

  private struct CountedDays: AuthenticationRecordSource {
    let records: [CountedRecord]
    func authenticationRecords(of day: Int, limit: Int) async throws(StoreFault) -> [CountedRecord] {
      Array(records.filter { $0.record.day == day }.prefix(limit))
    }
  }

  @Test("what came of a day is told of all, or of one as author or by whose policy it was judged")
  func authentication() async throws {
    func counted(_ policyDomain: String, _ author: String, day: Int, _ count: Int) throws -> CountedRecord {
      CountedRecord(
        record: AuthenticationRecord(
          day: day, policyDomain: try DomainName(policyDomain), policy: "v=DMARC1; p=reject",
          authorDomain: try DomainName(author), client: .v4(0xc000_0201), reversePathDomain: "x.example",
          spf: "fail x.example", dkim: "pass y.example/s\nfail z.example", isSPFAligned: false, isDKIMAligned: true,
          disposition: .quarantine, override: "mailing_list: a list"), count: count)
    }
    let stage = try Stage(records: [
      try counted("a.example", "a.example", day: 5, 1), try counted("a.example", "news.a.example", day: 5, 2),
      try counted("b.example", "b.example", day: 5, 3), try counted("a.example", "a.example", day: 6, 4),
    ])
    func counts(_ domain: String?) async throws -> [Int] {
      let name = try domain.map { try DomainName($0) }
      let answers = try await stage.control.answers(to: .authentication(UTCDay(number: 5), name), by: "root")
      return answers.map { if case .authentication(let facts) = $0 { facts.count } else { -1 } }
    }
    #expect(try await counts(nil) == [1, 2, 3])
    #expect(try await counts("A.Example") == [1, 2])
    #expect(try await counts("news.a.example") == [2])
    #expect(try await counts("c.example") == [])
    let answers = try await stage.control.answers(to: .authentication(UTCDay(number: 6), nil), by: "root")
    var line = ByteBuffer()
    try ControlProtocol.append(AnswerLine.answer(try #require(answers.first)), to: &line)
    #expect(
      String(buffer: line) == #"{"authentication":{"author_domain":"a.example","client":"192.0.2.1","count":4,"#
        + #""day":"1970-01-07","disposition":"quarantine","dkim":["pass y.example/s","fail z.example"],"#
        + #""dkim_aligned":true,"domain":"a.example","override":"mailing_list: a list","policy":"v=DMARC1; p=reject","#
        + #""reverse_path_domain":"x.example","spf":"fail x.example","spf_aligned":false}}"# + "\n")
    #expect(try ControlProtocol.read(AnswerLine.self, from: line) == .answer(try #require(answers.first)))
  }

  private struct Silent: EventSink { func record(_ event: MailEvent) {} }

  @Test("an override is added in the name of who speaks, or of another with whose hand it was, and ended")
  func overrides() async throws {
    let stage = try Stage()
    let first = try #require(try await stage.add(.opportunistic))
    #expect(first.author == "root" && first.isWeaker == true && first.configured == "verified")
    let second = try #require(try await stage.add(.dane, author: "anna"))
    #expect(second.author == "anna (by root)" && second.isWeaker == false && second.replaces == [1])
    let listed = try await stage.control.answers(to: .overrides, by: "root")
    guard case .override(let alone)? = listed.first, listed.count == 1 else {
      Issue.record("\(listed)")
      return
    }
    #expect(alone.number == 2)
    let ended = try await stage.control.answers(to: .endOverride(2, reason: "mended"), by: "bert")
    #expect(ended.first == .override(alone))
    #expect(
      try await stage.store.auditRecords(limit: 9).map(\.author) == [
        "root", "anna (by root)", "anna (by root)", "bert",
      ])
    let fault = await #expect(throws: ControlFault.self) {
      try await stage.control.answers(to: .endOverride(2, reason: "again"), by: "bert")
    }
    #expect(fault?.kind == .notFound && fault?.text.contains("no override number 2") == true)
  }

  private func asked(_ answers: [ControlAnswer]) -> AskedFacts? {
    for case .asked(let facts) in answers { return facts }
    return nil
  }

  @Test("what holds is said behind an addition and an end: another override, else the configured floor")
  func holding() async throws {
    let stage = try Stage()
    func wide(_ floor: TLSFloor) -> PolicyRequest {
      .addOverride(
        NewOverride(
          domain: stage.domain, includesSubdomains: true, floor: floor, until: PolicyControlTests.until, reason: "wide",
          author: nil))
    }
    _ = try await stage.control.answers(to: wide(.encrypt), by: "root")
    let facts = try #require(try await stage.add(.opportunistic))
    #expect(facts.weakerThan.count == 2, "the configured floor, and the wider override")
    var now = asked(try await stage.control.answers(to: .show(stage.domain), by: "root"))
    #expect(now?.floor?.floor == "opportunistic" && now?.floor?.override == 2 && now?.floorBelow?.override == 1)
    now = asked(try await stage.control.answers(to: .endOverride(2, reason: "mended"), by: "root"))
    #expect(now?.floor?.floor == "encrypt" && now?.floor?.override == 1)
    now = asked(try await stage.control.answers(to: .endOverride(1, reason: "mended"), by: "root"))
    #expect(
      now?.floor?.floor == "verified" && now?.floor?.origin == "outbound.tls.floor" && now?.floor?.override == nil)
  }

  @Test("who else asks is said with an override: the kept policy while it holds")
  func others() async throws {
    let stage = try Stage()
    let policy = STSPolicy(mode: .enforce, maxAge: .seconds(99), patterns: [STSPattern("mx.a.example")])
    func put(_ fetchedAt: UTCInstant) async throws {
      try await stage.store.put(
        StoredSTSPolicy(
          domain: stage.domain, known: KnownSTSPolicy(policy: policy, recordID: "1", fetchedAt: fetchedAt),
          usedAt: StillClock.start))
    }
    let new = NewOverride(
      domain: stage.domain, includesSubdomains: false, floor: .opportunistic, until: PolicyControlTests.until,
      reason: "why", author: nil)
    try await put(StillClock.start)
    #expect(asked(try await stage.control.answers(to: .addOverride(new), by: "root"))?.policy?.mode == "enforce")
    try await put(StillClock.start + .seconds(-99))
    #expect(asked(try await stage.control.answers(to: .addOverride(new), by: "root"))?.policy == nil)
  }

  @Test("the audit is given whole, or of one domain")
  func audit() async throws {
    let stage = try Stage()
    _ = try await stage.add(.opportunistic)
    try await stage.store.record(
      PolicyAuditRecord(
        .policyForgotten, at: StillClock.start, domain: try DomainName("b.example"), author: "bert", reason: "gone"))
    func records(_ domain: DomainName?) async throws -> [AuditFacts] {
      try await stage.control.answers(to: .audit(domain), by: "root").compactMap { answer in
        if case .audit(let facts) = answer { facts } else { nil }
      }
    }
    #expect(try await records(nil).map(\.deed) == ["override-added", "policy-forgotten"])
    let own = try await records(stage.domain)
    #expect(own.map(\.number) == [1] && own.first?.weakerThan == "verified (outbound.tls.floor)")
  }

  @Test("forgetting a policy is written into the audit, with the reason; without one it isn't done")
  func forgetting() async throws {
    let stage = try Stage()
    let policy = STSPolicy(mode: .enforce, maxAge: .seconds(99), patterns: [STSPattern("mx.a.example")])
    try await stage.store.put(
      StoredSTSPolicy(
        domain: stage.domain,
        known: KnownSTSPolicy(policy: policy, recordID: "1", fetchedAt: StillClock.start), usedAt: StillClock.start))
    let shown = try await stage.control.answers(to: .show(stage.domain), by: "root")
    guard case .policy(let facts)? = shown.dropFirst().first else {
      Issue.record("\(shown)")
      return
    }
    #expect(facts.mode == "enforce" && facts.mx == ["mx.a.example"] && !facts.isUnreadable)
    await #expect(throws: ControlFault.self) {
      try await stage.control.answers(to: .forget(stage.domain, reason: ""), by: "anna")
    }
    #expect(try await stage.store.policies().count == 1)
    #expect(
      try await stage.control.answers(to: .forget(stage.domain, reason: "gone"), by: "anna") == [.changed(1)])
    #expect(try await stage.store.policies().isEmpty)
    let record = try await stage.store.auditRecords(limit: 1).first
    #expect(record?.deed == .policyForgotten && record?.author == "anna" && record?.reason == "gone")
    let again = await #expect(throws: ControlFault.self) {
      try await stage.control.answers(to: .forget(stage.domain, reason: "gone"), by: "anna")
    }
    #expect(again?.kind == .notFound)
    #expect(try await stage.store.auditRecords(limit: 9).count == 1)
  }

  @Test("where nobody fetches policies, none is refreshed")
  func noFetcher() async throws {
    let stage = try Stage()
    let fault = await #expect(throws: ControlFault.self) {
      try await stage.control.answers(to: .refresh(stage.domain), by: "root")
    }
    #expect(fault?.kind == .nobodyListens)
  }
}
