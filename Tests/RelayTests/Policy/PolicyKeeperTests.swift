import DNSRecords
import MailSyntax
import QueueModel
import Relay
import Simulation
import Testing
import TransportSecurity

@Suite("What is known of a domain's MTA-STS policy at a delivery", .timeLimit(.minutes(5)))
struct PolicyKeeperTests {
  private let domain = PolicyStage.domain

  @Test(
    "STS-001, STS-003, STS-023: without exactly one record at its own name a domain has no policy, and nothing is fetched"
  )
  func absent() {
    PolicyStage.play { [domain] stage in
      let keeper = try await stage.keeper()
      #expect(await keeper.evidence(for: domain) == .absent)
      for texts in [[], ["v=spf1 -all"], ["v=STSv1; id=1", "v=STSv1; id=2"], ["v=STSv1; id=*"]] {
        stage.texts.publish(texts)
        #expect(await keeper.evidence(for: domain) == .absent)
      }
      // That nobody could say is no absence: REQUIRETLS waits for an answer.
      stage.texts.answer(.failed(reason: "SERVFAIL"))
      #expect(await keeper.evidence(for: domain).isUnavailable)
      stage.texts.announce("1")
      #expect(await keeper.evidence(for: constantName("sub.far.example")) == .absent)
      #expect(Set(stage.texts.asked) == ["_mta-sts.far.example", "_mta-sts.sub.far.example"])
      let long = constantName(Array(repeating: String(repeating: "a", count: 49), count: 5).joined(separator: "."))
      #expect(await keeper.evidence(for: long) == .absent, "its record's name would be too long")
      #expect(stage.fetcher.count == 0)
    }
  }

  @Test(
    "STS-002, STS-019: a policy that is announced is fetched once, is durable when it counts, and a new id brings a new one"
  )
  func fetched() {
    for seed in 1...20 as ClosedRange<UInt64> {
      PolicyStage.play(seed: seed) { [domain] stage in
        var keeper = try await stage.keeper()
        stage.texts.announce("20260102")
        stage.fetcher.publish(.sample())
        let first = await keeper.evidence(for: domain)
        keeper = try await stage.restart(seed: seed)
        #expect(first.policy == .sample() && first.trouble == nil)
        #expect(try await stage.stored()?.known.policy == .sample(), "a restart finds what a delivery went by")
        #expect(await keeper.evidence(for: domain) == first)
        #expect(stage.fetcher.count == 1 && stage.fetcher.fetched == ["far.example"])

        stage.texts.announce("20260101")
        stage.fetcher.publish(.sample(.testing))
        #expect(await keeper.evidence(for: domain).policy == .sample(.testing), "ids have no order")
        keeper = try await stage.restart(seed: seed)
        #expect(await keeper.evidence(for: domain).policy == .sample(.testing))
        #expect(stage.fetcher.count == 2)
      }
    }
  }

  @Test("of many deliveries that need a new policy one fetches it, and the others wait for it")
  func singleFlight() {
    PolicyStage.play { [domain] stage in
      let keeper = try await stage.keeper()
      stage.texts.announce("1")
      for policy in [STSPolicy.sample(), .sample(.enforce, days: 0)] {
        let before = stage.fetcher.count
        stage.fetcher.publish(policy)
        stage.texts.announce("\(before + 1)")
        let found = await withTaskGroup(of: STSPolicy?.self) { group in
          for _ in 0..<50 { group.addTask { await keeper.evidence(for: domain).policy } }
          return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(found == Array(repeating: policy, count: 50))
        #expect(stage.fetcher.count == before + 1)
      }
    }
  }

  @Test(
    "STS-015, STS-017: a policy that can't be had counts as none, and is asked for again after five minutes, whatever the id"
  )
  func unavailable() {
    PolicyStage.play { [domain] stage in
      let keeper = try await stage.keeper()
      stage.texts.announce("1")
      stage.fetcher.take(.zero)
      let failedAt = stage.clock.uptime
      #expect(await keeper.evidence(for: domain) == .unavailable(ScriptedFetcher.trouble))
      await stage.clock.sleep(until: failedAt + .seconds(300) + .nanoseconds(-1))
      #expect(await keeper.evidence(for: domain) == .unavailable(ScriptedFetcher.trouble))
      #expect(await keeper.recheck(domain) == .unavailable(ScriptedFetcher.trouble))
      #expect(stage.fetcher.count == 1)
      await stage.clock.sleep(until: failedAt + .seconds(300))
      #expect(await keeper.evidence(for: domain).isUnavailable && stage.fetcher.count == 2)
      for id in 2...20 {
        stage.texts.announce("\(id)")
        #expect(await keeper.evidence(for: domain) == .unavailable(ScriptedFetcher.trouble))
      }
      #expect(stage.fetcher.count == 2, "who changes the id with each answer isn't fetched from for each message")
      #expect(await keeper.recheck(domain).isUnavailable && stage.fetcher.count == 3, "RFC 8461 §5.1: before a bounce")
      #expect(try await stage.stored() == nil)
    }
  }

  @Test("STS-018: a policy that is kept holds, whatever can't be had any more, and it is said why")
  func held() {
    PolicyStage.play { [domain] stage in
      let keeper = try await stage.keeper()
      stage.texts.announce("1")
      stage.fetcher.publish(.sample())
      #expect(await keeper.evidence(for: domain).trouble == nil)
      stage.fetcher.fail()
      let scenes: [(String, () -> Void)] = [
        ("announces it any more", { stage.texts.publish([]) }),
        ("announces it any more", { stage.texts.answer(.noSuchName(.secure)) }),
        ("SERVFAIL", { stage.texts.answer(.failed(reason: "SERVFAIL")) }),
        ("forged", { stage.texts.answer(.bogus(reason: "forged")) }),
        ("only one may", { stage.texts.announce("1", "2") }),
        ("can't be read", { stage.texts.publish(["v=STSv1; id=*"]) }),
        ("the host is down", { stage.texts.announce("2") }),
      ]
      for (reason, scene) in scenes {
        scene()
        let evidence = await keeper.evidence(for: domain)
        #expect(evidence.policy == .sample() && evidence.trouble?.description.contains(reason) == true, "\(reason)")
        #expect(await keeper.recheck(domain).policy == .sample())
      }
    }
  }

  @Test(
    "STS-018, STS-019: a kept policy holds up to the nanosecond in which it expires, also across a restart, and no longer"
  )
  func expiry() {
    for restarts in [false, true] {
      PolicyStage.play { [domain] stage in
        var keeper = try await stage.keeper()
        stage.texts.announce("1")
        stage.fetcher.publish(.sample(days: 7))
        guard case .inForce(let known, _) = await keeper.evidence(for: domain) else {
          Issue.record("not fetched")
          return
        }
        stage.texts.publish([])
        stage.fetcher.fail()
        if restarts {
          await stage.clock.sleep(for: .days(3))
          keeper = try await stage.restart()
        }
        await stage.clock.sleep(for: known.expiresAt - stage.clock.now - .nanoseconds(1))
        #expect(await keeper.evidence(for: domain).policy == .sample(days: 7))
        #expect(await keeper.policy(of: domain)?.isInForce == true)
        await stage.clock.sleep(for: .nanoseconds(1))
        #expect(await keeper.evidence(for: domain) == .absent)
        #expect(await keeper.policy(of: domain)?.isInForce == false)
        stage.texts.announce("1")
        #expect(await keeper.evidence(for: domain).isUnavailable, "the same id, but nothing in force")
      }
    }
  }

  @Test("STS-019: a wall clock that jumps ends no policy early, and stops nothing")
  func clockJumps() {
    for jump in [Duration.days(-20_000), .days(-30), .seconds(-1), .days(30), .days(20_000)] {
      PolicyStage.play { [domain] stage in
        let keeper = try await stage.keeper()
        stage.texts.announce("1")
        stage.fetcher.publish(.sample(days: 7))
        #expect(await keeper.evidence(for: domain).policy != nil)
        stage.fetcher.fail()
        stage.texts.publish([])
        try await stage.running(keeper) {
          stage.clock.jump(by: jump)
          await stage.clock.sleep(for: .days(6))
          #expect(await keeper.evidence(for: domain).policy == .sample(days: 7), "\(jump)")
          #expect(await keeper.recheck(domain).policy != nil)
          await stage.clock.sleep(for: .days(1))
          #expect(await keeper.evidence(for: domain) == .absent, "\(jump)")
          await stage.clock.sleep(for: .days(3))
          _ = await keeper.policies()
        }
      }
    }
    PolicyStage.play { [domain] stage in
      var keeper = try await stage.keeper()
      stage.texts.announce("1")
      stage.fetcher.publish(.sample(days: 7))
      _ = await keeper.evidence(for: domain)
      stage.fetcher.fail()
      stage.texts.publish([])
      stage.clock.jump(by: .days(-300))
      keeper = try await stage.restart()
      await stage.clock.sleep(for: .days(7))
      #expect(await keeper.evidence(for: domain) == .absent, "no longer than its max_age")
      stage.clock.jump(by: .days(600))
      keeper = try await stage.restart()
      try await stage.running(keeper) { await stage.clock.sleep(for: .seconds(3_600)) }
      #expect(try await stage.stored() != nil, "what a clock gone wrong calls expired isn't forgotten at once")
    }
  }

  @Test(
    "STS-018, STS-019: a policy that had lapsed by a clock far ahead at the start holds once the clock is right, and is fetched"
  )
  func clockAheadAtStart() {
    PolicyStage.play { [domain] stage in
      var keeper = try await stage.keeper()
      stage.texts.announce("1")
      stage.fetcher.publish(.sample(days: 7))
      _ = await keeper.evidence(for: domain)
      stage.fetcher.fail()
      stage.texts.publish([])
      stage.clock.jump(by: .days(3_000))
      keeper = try await stage.restart()
      try await stage.running(keeper) { [keeper] in
        #expect(await keeper.evidence(for: domain) == .absent)
        await stage.clock.sleep(for: .days(2))
        #expect(await keeper.evidence(for: domain) == .absent)
        stage.clock.jump(by: .days(-3_000))
        #expect(await keeper.policy(of: domain)?.isInForce == true)
        #expect(await keeper.evidence(for: domain).policy == .sample(days: 7))
        let count = stage.fetcher.count
        await stage.clock.sleep(for: .seconds(600))
        #expect(stage.fetcher.count > count, "it is looked after at once")
        await stage.clock.sleep(for: .days(5))
        #expect(await keeper.evidence(for: domain) == .absent, "and no longer than its max_age")
      }
    }
  }

  @Test("STS-029: before mail is given up, the record and the file are looked at anew, whatever the id")
  func recheck() {
    PolicyStage.play { [domain] stage in
      let keeper = try await stage.keeper()
      #expect(await keeper.recheck(domain) == .absent && stage.fetcher.count == 0)
      stage.texts.announce("1")
      stage.fetcher.publish(.sample())
      #expect(await keeper.recheck(domain).policy == .sample())
      #expect(await keeper.recheck(domain).policy == .sample() && stage.fetcher.count == 1, "that is new enough")
      await stage.clock.sleep(for: .seconds(301))
      stage.fetcher.publish(.sample(.enforce, "mx.new.example"))
      #expect(await keeper.evidence(for: domain).policy == .sample(), "the id is the same")
      #expect(await keeper.recheck(domain).policy == .sample(.enforce, "mx.new.example"))
      stage.texts.keepAtHand()
      stage.texts.announce("2")
      stage.fetcher.publish(.sample(.testing))
      let other = STSPolicy.sample(.enforce, "mx.new.example")
      #expect(await keeper.evidence(for: domain).policy == other, "an answer of a moment ago is enough for a delivery")
      #expect(await keeper.recheck(domain).policy == .sample(.testing), "a new id is looked at at once")
      await stage.clock.sleep(for: .seconds(301))
      stage.texts.publish([])
      stage.fetcher.publish(.sample(.enforce))
      #expect(await keeper.recheck(domain).policy == .sample(.enforce), "also where nothing announces it any more")
    }
  }

  @Test("STS-028: mode none takes the place of what was kept, for good")
  func modeNone() {
    PolicyStage.play { [domain] stage in
      var keeper = try await stage.keeper()
      stage.texts.announce("1")
      stage.fetcher.publish(.sample())
      _ = await keeper.evidence(for: domain)
      stage.texts.announce("2")
      stage.fetcher.publish(STSPolicy(mode: .none, maxAge: .days(1), patterns: []))
      #expect(await keeper.evidence(for: domain).policy?.mode == STSPolicy.Mode.none)
      stage.fetcher.fail()
      keeper = try await stage.restart()
      #expect(await keeper.evidence(for: domain).policy?.mode == STSPolicy.Mode.none)
      await stage.clock.sleep(for: .days(1))
      stage.texts.publish([])
      #expect(await keeper.evidence(for: domain) == .absent)
    }
  }

  @Test("a policy that can't be written down never weakens one that enforces, and holds where there is none")
  func unwritten() {
    PolicyStage.play { [domain] stage in
      let keeper = try await stage.keeper()
      stage.texts.announce("1")
      stage.fetcher.publish(.sample())
      _ = await keeper.evidence(for: domain)
      stage.store.failCommit(after: 1)
      stage.texts.announce("2")
      stage.fetcher.publish(STSPolicy(mode: .none, maxAge: .days(1), patterns: []))
      let evidence = await keeper.evidence(for: domain)
      #expect(evidence.policy == .sample() && evidence.trouble?.description.contains("written") == true)
      #expect(await keeper.evidence(for: domain).policy == .sample() && stage.fetcher.count == 2)
      #expect(stage.alarms("sts-policy-not-saved").count == 1)
    }
    PolicyStage.play { [domain] stage in
      let keeper = try await stage.keeper()
      stage.store.failCommit(after: 1)
      stage.texts.announce("1")
      stage.fetcher.publish(.sample())
      for _ in 0..<3 { #expect(await keeper.evidence(for: domain).policy == .sample()) }
      #expect(stage.fetcher.count == 1 && stage.alarms("sts-policy-not-saved").count == 1)
    }
  }

  @Test("a look-up and a fetch that never end are waited for so long and no longer")
  func bounded() {
    PolicyStage.play { [domain] stage in
      let keeper = try await stage.keeper()
      stage.texts.announce("1")
      stage.texts.delay(.days(1))
      var began = stage.clock.uptime
      #expect(await keeper.evidence(for: domain).isUnavailable)
      #expect(stage.clock.uptime - began == PolicyKeeper.lookUpTime)
      stage.texts.delay(.zero)
      stage.fetcher.take(.days(1))
      began = stage.clock.uptime
      #expect(await keeper.evidence(for: domain).trouble?.description.contains("in time") == true)
      #expect(stage.clock.uptime - began == PolicyKeeper.fetchTime)
    }
  }

  @Test("the wait for others who look at the same domain is bounded, and what is kept holds then")
  func boundedTurn() {
    for isKept in [false, true] {
      PolicyStage.play { [domain] stage in
        let keeper = try await stage.keeper()
        stage.texts.announce("1")
        stage.fetcher.publish(.sample())
        if isKept { #expect(await keeper.evidence(for: domain).policy == .sample()) }
        stage.texts.announce("2")
        stage.fetcher.take(.days(1))
        await withTaskGroup(of: Void.self) { group in
          for _ in 0..<3 { group.addTask { _ = try? await keeper.refresh(domain) } }
          // Behind all three.
          await stage.clock.sleep(for: .seconds(1))
          let began = stage.clock.uptime
          let evidence = await keeper.evidence(for: domain)
          #expect(stage.clock.uptime - began == PolicyKeeper.turnTime)
          #expect(evidence.trouble?.isOurs == true && evidence.policy == (isKept ? .sample() : nil))
          await group.waitForAll()
        }
        stage.fetcher.take(.zero)
        stage.texts.announce("3")
        await stage.clock.sleep(for: .seconds(301))
        #expect(await keeper.evidence(for: domain).trouble == nil, "whoever gave up left no turn taken")
      }
    }
  }

  @Test("a delivery that is cut off while it fetches leaves no failure behind, and the next one fetches")
  func cancelled() {
    PolicyStage.play { [domain] stage in
      let keeper = try await stage.keeper()
      stage.texts.announce("1")
      stage.fetcher.publish(.sample())
      stage.fetcher.take(.seconds(30))
      await withTaskGroup(of: STSEvidence?.self) { group in
        group.addTask { await keeper.evidence(for: domain) }
        group.addTask {
          await stage.clock.sleep(for: .seconds(1))
          return nil
        }
        _ = await group.next()
        group.cancelAll()
      }
      stage.fetcher.take(.zero)
      #expect(await keeper.evidence(for: domain).policy == .sample() && stage.fetcher.count == 2)
    }
  }
}
