import ArgumentParser
import ControlPlane
import DNSRecords
import Foundation
import MailQueue
import MailSyntax
import PolicyStorage
import QueueStorage
import Relay
import SystemWorld
import Testing
import TransportSecurity

@testable import martlet

@Suite("martlet policy")
struct PolicyCommandTests {
  @Test(
    "reads ends as people write them",
    arguments: [
      ("2026-12-01", "2026-12-02T00:00Z"), ("2026-12-01T12:00Z", "2026-12-01T12:00Z"),
      ("2026-12-01T12:00:30Z", "2026-12-01T12:00:30Z"), ("90m", "2026-11-22T13:15Z"), ("12h", "2026-11-22T23:45Z"),
      ("7d", "2026-11-29T11:45Z"), ("2w", "2026-12-06T11:45Z"),
    ])
  func ends(_ text: String, _ moment: String) throws {
    #expect(try #require(OverrideEnd(text)).moment(from: Sample.now).shortText == moment)
  }

  @Test(
    "and no others",
    arguments: [
      "", "d", "0d", "-7d", "+7d", "7", "7y", "7 d", "2026-13-01", "2026-02-30", "2026-12-01T12:00", "tomorrow",
      "2026-12-01T25:00Z", "99999999999d",
    ])
  func noEnds(_ text: String) { #expect(OverrideEnd(text) == nil) }

  static let add = [
    "override", "add", "--data", "/d", "a.example", "--floor", "encrypt", "--until", "7d", "--why", "x",
  ]

  @Test(
    "refuses what is unclear or out of bounds before anybody is asked",
    arguments: [
      ("encrypt", "encript", "Did you mean encrypt?"), ("encrypt", "dqne", "Did you mean dane?"),
      ("7d", "2001-01-01", "which is past"), ("7d", "367d", "366 days at most"), ("7d", "soon", "is no end"),
      ("x", " ", "--why is empty"), ("x", String(repeating: "x", count: 501), "500 octets"),
      ("a.example", "example", "a.example"),
    ])
  func refused(_ word: String, _ other: String, _ words: String) throws {
    let arguments = PolicyCommandTests.add.map { $0 == word ? other : $0 }
    let error = #expect(throws: (any Error).self) { try PolicyCommand.parseAsRoot(arguments) }
    guard let error, words != "a.example" else { return }
    #expect(PolicyCommand.fullMessage(for: error).contains(words))
  }

  @Test("asks for a reason where something is weakened or ended")
  func reasons() throws {
    for arguments in [
      ["forget", "--data", "/d", "a.example"], ["override", "end", "--data", "/d", "3"],
      Array(PolicyCommandTests.add.dropLast(2)),
    ] {
      let error = #expect(throws: (any Error).self) { try PolicyCommand.parseAsRoot(arguments) }
      if let error { #expect(PolicyCommand.fullMessage(for: error).contains("--why")) }
    }
    _ = try PolicyCommand.parseAsRoot(PolicyCommandTests.add)
  }

  @Test("shows all within 80 columns, and nothing that steers the terminal")
  func text() throws {
    let long = String(repeating: "long-label.", count: 12) + "example"
    let policy = StoredSTSPolicy(
      domain: try DomainName(long),
      known: KnownSTSPolicy(
        policy: STSPolicy(
          mode: .enforce, maxAge: .seconds(604_800), patterns: (1...9).map { STSPattern("mx\($0).\(long)") }),
        recordID: "20261122", fetchedAt: Sample.now), usedAt: Sample.now)
    let override = NumberedOverride(
      number: 12,
      override: FloorOverride(
        domain: try DomainName(long), includesSubdomains: true, floor: .opportunistic, from: Sample.now,
        until: Sample.now + .seconds(86_400), reason: String(repeating: "reason ", count: 40) + "\u{1b}[31m",
        author: "anna"))
    let steady = SteadyRecord(
      key: SteadyRecord.Key(
        domain: try DomainName(long), host: try DomainName("mx.\(long)"), address: .v6(high: 1 << 63, low: 7)),
      level: .verified, successes: 5, firstAt: Sample.now, lastAt: Sample.now)
    let listing = PolicyListing([
      .policy(PolicyFacts(PolicyStanding(policy, trouble: STSTrouble(.stsPolicyFetchError, "404\u{7}")))),
      .policy(PolicyFacts(PolicyStanding(.unreadable(policy.domain, fetchedAt: Sample.now, usedAt: Sample.now)))),
      .override(
        OverrideFacts(
          override, configured: OperatorFloor(.verified, origin: "x"),
          weakened: [OperatorFloor(.verified, origin: "outbound.tls.floor")])),
      .steady(SteadyFacts(steady)),
    ])
    for lines in [listing.lines(of: policy.domain, at: Sample.now), listing.lines(of: nil, at: Sample.now)] {
      expectFits(lines)
      #expect(!lines.joined().contains("\u{1b}") && !lines.joined().contains("\u{7}"))
      #expect(lines.contains { $0.contains("weaker than verified") })
    }
    #expect(!(try QueueText.json(listing)).contains("\u{1b}"))
    let asked = AskedFacts(
      policy.domain, floor: NumberedOverride(number: 12, override: override.override).floor,
      configured: OperatorFloor(.verified, origin: "outbound.tls.floor"),
      floorBelow: OperatorFloor(.dane, origin: "outbound.tls.domains .\(long)"), policy: PolicyStanding(policy),
      steady: SteadyTLS(.verified, since: Sample.now, conduct: .hold))
    let facts = OverrideFacts(
      override, configured: OperatorFloor(.verified, origin: "outbound.tls.floor"),
      weakened: (1...23).map { OperatorFloor(.verified, origin: "outbound.tls.domains mx\($0).\(long)") })
    for isServed in [true, false] {
      let report = try #require(
        OverrideReport([.override(facts), .asked(asked)] + (isServed ? [.changed(3)] : []), isServed: isServed))
      expectFits(report.linesOfAddition + report.linesOfEnd + asked.lines)
      let text = report.linesOfAddition.joined(separator: " ")
      #expect(!text.contains("\u{1b}"))
      for words in ["WEAKER", "and 3 more", "MTA-STS, mode enforce", "steadily been verified", "DANE"] {
        #expect(text.contains(words), "\(words)")
      }
      #expect(text.contains(isServed ? "3 waiting recipients due now" : "queue retry --recipient"))
    }
    #expect(PolicyListing([]).lines(of: nil, at: Sample.now) == ["No policy is kept, and no override is in force."])
  }

  private func makeFolder(_ folder: TestFolder) async throws {
    let store = try await SegmentedQueueStore.open(folder: folder.path, clock: SystemClock(), events: NoLog())
    await store.close()
  }

  @Test("goes to the store itself where no server runs, and what it wrote is there for the next")
  func stopped() async throws {
    let folder = try TestFolder()
    try await makeFolder(folder)
    let place = OperatingPlace(dataFolder: folder.path)
    let add = try #require(try PolicyCommand.parseAsRoot(PolicyCommandTests.add) as? OverrideAdd)
    _ = try await PolicyPlace.serving(place) { place in
      #expect(!place.isServed)
      return try await place.ask(.addOverride(try add.request(at: SystemClock().now)))
    }
    let listing = PolicyListing(try await PolicyPlace.serving(place) { try await $0.ask(.overrides) })
    #expect(listing.overrides.map(\.domain) == ["a.example"])
    #expect(listing.overrides.map(\.author) == [ControlPeer.userName(getuid()) ?? "uid \(getuid())"])
  }

  @Test("explain goes by the overrides, policies and steady records that a server keeps, and by no others")
  func snapshot() async throws {
    let domain = try DomainName("a.example")
    let override = NumberedOverride(
      number: 7,
      override: FloorOverride(
        domain: try DomainName("example"), includesSubdomains: true, floor: .encrypt, from: Sample.now,
        until: Sample.now + .seconds(3_600), reason: "ticket 7", author: "anna"))
    let known = StoredSTSPolicy(
      domain: domain,
      known: KnownSTSPolicy(
        policy: STSPolicy(mode: .enforce, maxAge: .seconds(604_800), patterns: [STSPattern("*.a.example")]),
        recordID: "1", fetchedAt: Sample.now), usedAt: Sample.now)
    func record(_ address: UInt32, _ successes: Int) throws -> SteadyRecord {
      SteadyRecord(
        key: SteadyRecord.Key(domain: domain, host: try DomainName("mx.a.example"), address: .v4(address)),
        level: .verified, successes: successes, firstAt: Sample.now + .seconds(-90_000), lastAt: Sample.now)
    }
    let asked = AskedFacts(
      domain, floor: nil, configured: nil, floorBelow: nil, policy: nil,
      steady: SteadyTLS(.verified, since: Sample.now, conduct: .hold))
    let answers: [ControlAnswer] = [
      .asked(asked), .policy(PolicyFacts(PolicyStanding(known))),
      .override(OverrideFacts(override, configured: nil, weakened: [])),
      .steady(SteadyFacts(try record(1, 9))), .steady(SteadyFacts(try record(2, 1))),
    ]
    let kept = KeptSnapshot(.server, answers)
    #expect(kept.store.knownPolicies == [known] && kept.store.knownOverrides == [override])
    // The second address is on trial: it disarms nothing.
    #expect(kept.store.knownSteady == [try record(1, 9)] && kept.conduct == .hold)
    let zone = ZoneResolver()
    struct Nobody: PolicyFetcher {
      func fetch(_ domain: DomainName, for need: PolicyNeed) async throws(STSTrouble) -> STSPolicy {
        throw STSTrouble(.stsPolicyFetchError, "nobody fetches here")
      }
    }
    let memory = try await kept.memory(resolver: zone, fetcher: Nobody(), clock: ExplainCase.StillClock())
    let floor = memory.overrides?.floor(
      for: .name(domain), configured: OperatorFloor(.dane, origin: "x"), at: Sample.now)
    #expect(floor == override.floor)
    #expect(memory.ratchet?.expectation(for: domain, from: .anySender, at: Sample.now)?.conduct == .hold)
    // Nothing announces it any more, and what is kept holds.
    guard case .inForce(let found, _)? = await memory.policies?.evidence(for: domain) else {
      Issue.record("the kept policy is not gone by")
      return
    }
    #expect(found == known.known)
    #expect(await KeptSnapshot.take(of: .name(domain), nil).source.code == "unknown")
  }

  @Test(
    "says of a domain that can't be meant what to write",
    arguments: [
      (".d.test", "without the dot"), ("a@b.example", "behind the @"), ("test", "single label"), ("a..b", "no domain"),
    ])
  func domains(_ text: String, _ words: String) {
    let error = #expect(throws: (any Error).self) { try DomainArgument.read(text) }
    #expect(error.map { "\($0)".contains(words) } == true)
    let whole = #expect(throws: (any Error).self) {
      try PolicyCommand.parseAsRoot(PolicyCommandTests.add.map { $0 == "a.example" ? text : $0 })
    }
    if let whole { #expect(PolicyCommand.fullMessage(for: whole).contains(words)) }
  }

  @Test("prints the audit within 80 columns, and marks what was weaker")
  func audit() throws {
    let override = NumberedOverride(
      number: 7,
      override: FloorOverride(
        domain: try DomainName("a.example"), floor: .encrypt, from: Sample.now, until: Sample.now + .seconds(3_600),
        reason: "ticket 7", author: "anna"))
    let records = [
      PolicyAuditRecord.added(override, weakerThan: "verified (outbound.tls.floor)", at: Sample.now),
      .ended(override, at: Sample.now, author: "bert", reason: String(repeating: "mended ", count: 40)),
    ].map { AuditFacts($0) }
    let lines = PolicyAuditCommand.lines(records)
    expectFits(lines)
    #expect(
      lines.prefix(3) == [
        "2026-11-22T11:45Z override-added WEAKER a.example",
        "  override 7, encrypt until 2026-11-22T12:45Z, by anna: ticket 7",
        "  weaker than verified (outbound.tls.floor)",
      ])
    #expect(lines[3] == "2026-11-22T11:45Z override-ended a.example")
    #expect(PolicyAuditCommand.lines([]) == ["Nothing is on record."])
  }

  @Test("never opens a store that somebody else holds")
  func locked() async throws {
    let folder = try TestFolder()
    try await makeFolder(folder)
    let lock = try FolderLock(folder: folder.path)
    let fault = await #expect(throws: ControlFault.self) {
      _ = try await PolicyPlace.serving(OperatingPlace(dataFolder: folder.path)) { try await $0.ask(.overrides) }
    }
    #expect(fault?.kind == .busy)
    withExtendedLifetime(lock) {}
  }

  // MARK: Backups

  private func policy(_ domain: String) throws -> StoredSTSPolicy {
    StoredSTSPolicy(
      domain: try DomainName(domain),
      known: KnownSTSPolicy(
        policy: STSPolicy(mode: .enforce, maxAge: .seconds(604_800), patterns: [STSPattern("mx.\(domain)")]),
        recordID: "1", fetchedAt: SystemClock().now), usedAt: SystemClock().now)
  }

  private func makeBackup(_ folder: TestFolder) async throws {
    let data = folder.path + "/data"
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    let queue = try await SegmentedQueueStore.open(folder: data, clock: SystemClock(), events: NoLog())
    let store = try await SQLitePolicyStore.open(folder: data, clock: SystemClock(), events: NoLog())
    try await store.put(try policy("a.example"))
    let now = SystemClock().now
    _ = try await store.add(
      FloorOverride(
        domain: try DomainName("b.example"), floor: .dane, from: now, until: now + .seconds(86_400), reason: "x",
        author: "anna"))
    let record = try await BackupFolder.make(
      queue, policy: store, usersFile: data + "/users.json", dataFolder: data, to: folder.path + "/backup", at: now)
    #expect(record.policies == 1 && record.overrides == 1)
    await store.close()
    await queue.close()
  }

  @Test("STS-019: policies and overrides are in a backup, for its owner alone, and in force again after a restore")
  func backup() async throws {
    let folder = try TestFolder()
    try await makeBackup(folder)
    let mode = try FileManager.default.attributesOfItem(atPath: folder.path + "/backup/policy.sqlite")
    #expect(mode[.posixPermissions] as? Int == 0o600)
    let restored = folder.path + "/restored"
    _ = try BackupFolder.restore(folder.path + "/backup", to: restored, usersFile: restored + "/users.json")
    let store = try await SQLitePolicyStore.open(folder: restored, clock: SystemClock(), events: NoLog())
    #expect(try await store.policies().map(\.domain.folded) == ["a.example"])
    #expect(try await store.overrides().map(\.override.floor) == [.dane])
    #expect(try await store.auditRecords(limit: 9).map(\.deed) == [.overrideAdded])
    await store.close()
  }

  @Test(
    "a backup whose policies are lost, damaged or others' is not restored", arguments: ["lost", "damaged", "other"])
  func brokenBackup(_ kind: String) async throws {
    let folder = try TestFolder()
    try await makeBackup(folder)
    let path = folder.path + "/backup/policy.sqlite"
    switch kind {
    case "lost": try FileManager.default.removeItem(atPath: path)
    case "damaged": try Data(repeating: 7, count: 20_000).write(to: URL(filePath: path))
    case _:
      try FileManager.default.removeItem(atPath: path)
      let other = try await SQLitePolicyStore.open(
        folder: folder.path + "/backup", clock: SystemClock(), events: NoLog())
      await other.close()
    }
    let restored = folder.path + "/restored"
    #expect(throws: (any Error).self) {
      _ = try BackupFolder.restore(folder.path + "/backup", to: restored, usersFile: restored + "/users.json")
    }
    #expect(!FileManager.default.fileExists(atPath: restored + "/queue.sqlite3"))
  }
}
