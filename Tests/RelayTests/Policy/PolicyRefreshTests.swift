import MailQueue
import MailSyntax
import QueueModel
import Relay
import Simulation
import Testing
import TransportSecurity

@Suite("Looking after MTA-STS policies", .timeLimit(.minutes(5)))
struct PolicyRefreshTests {
  private let domain = PolicyStage.domain

  /// A keeper that has fetched the policy.
  private static func keeper(_ stage: PolicyStage, _ policy: STSPolicy) async throws -> PolicyKeeper {
    let keeper = try await stage.keeper()
    stage.texts.announce("1")
    stage.fetcher.publish(policy)
    #expect(await keeper.evidence(for: PolicyStage.domain).policy == policy)
    return keeper
  }

  @Test("STS-020: a policy is fetched about daily without any mail and whatever its record says, and lives on")
  func refreshed() {
    PolicyStage.play { [domain] stage in
      let keeper = try await PolicyRefreshTests.keeper(stage, .sample(days: 7))
      stage.texts.publish([])
      try await stage.running(keeper) {
        await stage.clock.sleep(for: .days(30))
        #expect((24...40).contains(stage.fetcher.count), "\(stage.fetcher.count) fetches in 30 days")
        let evidence = await keeper.evidence(for: domain)
        #expect(evidence.policy == .sample(days: 7))
        let stored = try await stage.stored()
        #expect(stored.map { $0.known.fetchedAt > stage.clock.now + .days(-2) } == true)
      }
    }
  }

  @Test(
    "STS-020: a policy that lives shorter than a day is fetched before it expires, a fault among the fetches survived")
  func shortLived() {
    PolicyStage.play { [domain] stage in
      let policy = STSPolicy(mode: .enforce, maxAge: .seconds(7_200), patterns: [STSPattern("mx.far.example")])
      let keeper = try await PolicyRefreshTests.keeper(stage, policy)
      stage.texts.publish([])
      try await stage.running(keeper) {
        for round in 0..<20 {
          if round % 2 == 0 { stage.fetcher.fail() } else { stage.fetcher.publish(policy) }
          await stage.clock.sleep(for: .seconds(3_000))
          #expect(await keeper.evidence(for: domain).policy == policy, "round \(round)")
        }
      }
    }
  }

  @Test("what fell due while the process was down is caught up with after its start, before anything expires")
  func afterRestart() {
    PolicyStage.play { [domain] stage in
      _ = try await PolicyRefreshTests.keeper(stage, .sample(days: 7))
      await stage.clock.sleep(for: .days(6))
      let keeper = try await stage.restart()
      try await stage.running(keeper) {
        await stage.clock.sleep(for: .seconds(2 * 3_600))
        #expect(stage.fetcher.count == 2)
        stage.texts.publish([])
        await stage.clock.sleep(for: .days(6))
        #expect(await keeper.evidence(for: domain).policy != nil)
      }
    }
  }

  @Test("STS-020: a policy that no mail has asked for in ninety days is left to expire, and is then forgotten")
  func lapsed() {
    PolicyStage.play { [domain] stage in
      let keeper = try await PolicyRefreshTests.keeper(stage, .sample(days: 7))
      try await stage.running(keeper) {
        await stage.clock.sleep(for: .days(89))
        #expect(await keeper.policy(of: domain)?.isInForce == true)
        await stage.clock.sleep(for: .days(2))
        let count = stage.fetcher.count
        #expect(await keeper.policy(of: domain)?.refreshAt == nil)
        await stage.clock.sleep(for: .days(24))
        #expect(stage.fetcher.count == count && Set(stage.fetcher.needs.dropFirst()) == [.upkeep])
        #expect(await keeper.policies().isEmpty)
        let stored = try await stage.store.policies()
        #expect(stored.isEmpty)
      }
    }
  }

  @Test("mail that goes to a domain keeps its policy looked after, also across restarts")
  func used() {
    PolicyStage.play { [domain] stage in
      var keeper = try await PolicyRefreshTests.keeper(stage, .sample(days: 7))
      for _ in 0..<3 {
        try await stage.running(keeper) { [keeper] in
          await stage.clock.sleep(for: .days(60))
          #expect(await keeper.evidence(for: domain).policy != nil)
          await stage.clock.sleep(for: .days(2))
        }
        keeper = try await stage.restart()
        #expect(await keeper.policy(of: domain)?.isInForce == true)
      }
    }
  }

  @Test(
    "STS-021: after several failures an operator hears of it, once and days before the policy expires, and of its end")
  func alarmed() {
    PolicyStage.play { [domain] stage in
      let keeper = try await PolicyRefreshTests.keeper(stage, .sample(days: 7))
      stage.fetcher.fail()
      try await stage.running(keeper) {
        await stage.clock.sleep(for: .days(2))
        let alarms = stage.alarms("sts-policy-not-refreshed")
        #expect(alarms.count == 1 && alarms.first?["until-cleared"] == .flag(true))
        #expect(alarms.first?["domain"] == .text("far.example"))
        guard case .text(let reason)? = alarms.first?["reason"] else {
          Issue.record("no reason")
          return
        }
        #expect(reason.contains("the host is down") && reason.contains("(enforce)"))
        #expect(await keeper.policy(of: domain)?.trouble == ScriptedFetcher.trouble)
        stage.fetcher.publish(.sample(days: 7))
        await stage.clock.sleep(for: .days(1))
        let ends = stage.alarms("sts-policy-refreshed")
        #expect(ends.count == 1 && ends.first?["clears"] == .text("sts-policy-not-refreshed"))
        #expect(await keeper.policy(of: domain)?.trouble == nil)
        stage.fetcher.fail()
        await stage.clock.sleep(for: .days(9))
        #expect(stage.alarms("sts-policy-not-refreshed").count == 2)
        #expect(stage.alarms("sts-policy-refreshed").count == 2, "an expired policy's alarm doesn't stand for ever")
      }
    }
  }

  @Test("STS-021, STS-028: nobody hears of a policy of mode none that has gone")
  func noneIsSilent() {
    PolicyStage.play { stage in
      let none = STSPolicy(mode: .none, maxAge: .days(7), patterns: [])
      let keeper = try await PolicyRefreshTests.keeper(stage, none)
      stage.fetcher.fail()
      try await stage.running(keeper) { await stage.clock.sleep(for: .days(6)) }
      #expect(stage.fetcher.count > 3 && stage.alarms("sts-policy-not-refreshed").isEmpty)
    }
  }

  @Test("STS-015: however often the loop and deliveries come, a failed fetch is followed by none within five minutes")
  func spaced() {
    PolicyStage.play { [domain] stage in
      let policy = STSPolicy(mode: .enforce, maxAge: .seconds(1_200), patterns: [STSPattern("mx.far.example")])
      let keeper = try await PolicyRefreshTests.keeper(stage, policy)
      stage.fetcher.fail()
      stage.texts.announce("2")
      try await stage.running(keeper) {
        for _ in 0..<100 {
          _ = await keeper.evidence(for: domain)
          _ = await keeper.recheck(domain)
          await stage.clock.sleep(for: .seconds(30))
        }
      }
      #expect(stage.fetcher.count <= 1 + 3_000 / 300)
    }
  }

  @Test("operators see what is kept, have it fetched at once, and forget it")
  func operators() {
    PolicyStage.play { [domain] stage in
      var keeper = try await PolicyRefreshTests.keeper(stage, .sample(days: 7))
      let shown = await keeper.policies()
      #expect(shown.map(\.stored.domain) == [domain] && shown.first?.isInForce == true)
      #expect(shown.first?.refreshAt.map { $0 > stage.clock.now } == true)
      #expect(await keeper.policy(of: constantName("other.example")) == nil)
      #expect(try await keeper.refresh(constantName("other.example")) == nil)

      stage.fetcher.publish(.sample(.testing))
      #expect(
        try await keeper.refresh(domain)?.stored.known.policy == .sample(.testing), "though it was fetched a moment ago"
      )
      stage.fetcher.fail()
      for _ in 0..<2 {
        await #expect(throws: PolicyDeskFault.trouble(ScriptedFetcher.trouble)) { try await keeper.refresh(domain) }
      }
      #expect(stage.fetcher.count == 4, "an operator needn't wait five minutes")

      #expect(try await keeper.forget(domain))
      #expect(try await !keeper.forget(domain))
      #expect(await keeper.evidence(for: domain).isUnavailable)
      keeper = try await stage.restart()
      #expect(await keeper.policies().isEmpty)
    }
  }

  @Test("where a policy can't be taken out of the store it isn't forgotten")
  func notForgotten() {
    PolicyStage.play { [domain] stage in
      let keeper = try await PolicyRefreshTests.keeper(stage, .sample())
      stage.store.failCommit(after: 1)
      do throws(StoreFault) {
        _ = try await keeper.forget(domain)
        Issue.record("forgotten")
      } catch {
        #expect(await keeper.evidence(for: domain).policy == .sample())
      }
    }
  }

  @Test("a stored policy that can't be read any more is fetched at once, and lets nobody by until then")
  func unreadable() {
    PolicyStage.play { [domain] stage in
      let now = stage.clock.now
      try await stage.store.put(.unreadable(domain, fetchedAt: now, usedAt: now))
      let keeper = try await stage.keeper()
      stage.texts.publish([])
      #expect(await keeper.evidence(for: domain).policy?.patterns == [])
      stage.fetcher.publish(.sample())
      try await stage.running(keeper) {
        await stage.clock.sleep(for: .seconds(10))
        #expect(await keeper.evidence(for: domain).policy == .sample())
      }
    }
  }
}
