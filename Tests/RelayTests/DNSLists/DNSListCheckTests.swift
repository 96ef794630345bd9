import DNSRecords
import MailQueue
import MailSyntax
import SMTPSessions
import Simulation
import Synchronization
import Testing

@testable import Relay

@Suite("The check of clients against lists", .timeLimit(.minutes(5)))
struct DNSListCheckTests {
  private let question = "1.2.0.192.list.example"

  // MARK: In a session

  @Test("a listed client's recipients hear 550 with the list's name and word, the postmaster and abuse are reached")
  func refused() async throws {
    let lists = try ListStage()
    #expect(await lists.check.prove())
    let stage = try IntakeStage(.relay, lists: lists.check)
    await stage.enter()
    let said = await stage.say(
      "MAIL FROM:<x@there.example>\r\nRCPT TO:<bob@example.com>\r\nRCPT TO:<Postmaster+x@example.com>\r\n"
        + "RCPT TO:<abuse@example.com>\r\nRCPT TO:<postmaster>\r\nRCPT TO:<nobody@example.com>\r\n")
    let lines = said.split(separator: "\r\n").map(String.init)
    #expect(
      lines == [
        "250 2.1.0 OK", "550 5.7.1 192.0.2.1 is listed by Example's list: listed, see https://list.example/",
        "250 2.1.5 OK", "250 2.1.5 OK", "250 2.1.5 OK", "550 5.1.1 no such user here",
      ])
    let listed = stage.events.events.filter { $0.kind == .listed }
    #expect(listed.map { $0["recipient"] } == [.text("bob@example.com")])
    #expect(listed.first?["list"] == .text("Example's list") && listed.first?["answer"] == .text("127.0.0.2"))
    #expect(listed.first?["action"] == .text("refuse") && listed.first?["peer"] == .text("192.0.2.1:4711"))
    #expect(lists.resolver.asked.count { $0 == question } == 1, "one question for the whole session")
  }

  @Test("without a word of the list's own a refused client is told whom to write to")
  func withoutReason() async throws {
    let lists = try ListStage(text: nil)
    #expect(await lists.check.prove())
    let stage = try IntakeStage(.relay, lists: lists.check)
    await stage.enter()
    let said = await stage.say("MAIL FROM:<x@there.example>\r\nRCPT TO:<bob@example.com>\r\n")
    #expect(said.hasSuffix("is listed by Example's list: if that is wrong, write to postmaster here\r\n"))
  }

  @Test("a list that is only recorded refuses nobody")
  func recorded() async throws {
    let lists = try ListStage(action: .record)
    #expect(await lists.check.prove())
    let stage = try IntakeStage(.relay, lists: lists.check)
    await stage.enter()
    #expect(await stage.submit(Array("From: x@there.example\r\n\r\nx".utf8)).hasPrefix("250"))
    #expect(stage.events.events.filter { $0.kind == .listed }.map { $0["action"] } == [.text("record")])
  }

  @Test("whoever logs in is asked about by nobody")
  func submission() async throws {
    let lists = try ListStage()
    #expect(await lists.check.prove())
    let before = lists.resolver.asked.count
    let stage = try IntakeStage(.submissions, lists: lists.check)
    await stage.enter()
    #expect(await stage.submit(Array("From: alice@example.com\r\n\r\nx".utf8)).hasPrefix("250"))
    #expect(lists.resolver.asked.count == before)
  }

  @Test("the question goes out at connect, while the client is greeted; RCPT finds the answer there")
  func early() async throws {
    let lists = try ListStage()
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await lists.check.run() }
      var questions = lists.resolver.questions.makeAsyncIterator()
      // The last of the four of the proof.
      for _ in 0..<4 { _ = await questions.next() }
      while lists.check.state.withLock({ $0.standings.first??.proof == nil }) { await Task.yield() }
      do {
        let stage = try IntakeStage(.relay, lists: lists.check)
        #expect(await stage.say("EHLO client.example\r\n").hasPrefix("220 "), "the greeting waits for nothing")
        #expect(await questions.next() == question)
        let address = try #require(IPAddress("192.0.2.1"))
        while lists.check.state.withLock({ $0.known(address, at: lists.clock.uptime) == nil }) { await Task.yield() }
        guard case .now(let verdict) = lists.check.verdict(on: try lists.facts("192.0.2.1")) else {
          Issue.record("RCPT had to wait")
          return group.cancelAll()
        }
        #expect(verdict.listings.count == 1)
      } catch {
        Issue.record(error)
      }
      group.cancelAll()
    }
  }

  // MARK: What lists nobody

  @Test("a list that has not passed its test is not asked")
  func unproven() async throws {
    let lists = try ListStage()
    #expect(try await lists.verdict(on: "192.0.2.1").listings.isEmpty)
    #expect(lists.resolver.asked.isEmpty)
  }

  @Test(
    "loopback, private and link addresses and the operator's own are not asked about",
    arguments: [
      "127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.9.9", "100.64.0.1",
      "fe80::1", "fd12::1", "198.51.100.7", "2001:db8:7::1",
    ])
  func unchecked(_ address: String) async throws {
    let lists = try ListStage(unchecked: ["198.51.100.0/24", "2001:db8:7::/48"])
    #expect(await lists.check.prove())
    let before = lists.resolver.asked.count
    lists.check.begin(try lists.facts(address))
    #expect(try await lists.verdict(on: address).listings.isEmpty)
    #expect(lists.resolver.asked.count == before)
  }

  @Test("a list without addresses of IPv6 is not asked about any")
  func families() async throws {
    let lists = try ListStage()
    #expect(await lists.check.prove())
    let before = lists.resolver.asked.count
    #expect(try await lists.verdict(on: "2001:db8::1").listings.isEmpty)
    #expect(lists.resolver.asked.count == before)
  }

  @Test("a look-up that is late lists nobody, and is said")
  func late() async throws {
    let lists = try ListStage()
    #expect(await lists.check.prove())
    lists.resolver.fallSilent(at: question)
    async let verdict = lists.verdict(on: "192.0.2.1")
    while lists.resolver.asked.last != question { await Task.yield() }
    lists.clock.advance(DNSListCheck.lookUpTime)
    #expect(try await verdict.listings.isEmpty)
    let said = lists.said(.listUnanswered)
    #expect(said.map { $0["reason"] } == [.text("no answer within 5 s")])
    #expect(said.first?["list"] == .text("Example's list"))
  }

  @Test("a look-up that fails lists nobody, is said, and is made again only a while later")
  func failed() async throws {
    let lists = try ListStage()
    #expect(await lists.check.prove())
    let name = try DomainName(question)
    lists.resolver.change { $0.set(.failed(reason: "SERVFAIL"), for: name, family: .v4) }
    for _ in 0..<3 { #expect(try await lists.verdict(on: "192.0.2.1").listings.isEmpty) }
    #expect(lists.said(.listUnanswered).map { $0["reason"] } == [.text("SERVFAIL")])
    lists.resolver.change { $0.add(name, at: [.v4(0x7f00_0003)]) }
    lists.clock.advance(DNSListCheck.failureTime)
    #expect(try await lists.verdict(on: "192.0.2.1").listings.map(\.answer) == [.v4(0x7f00_0003)])
    lists.resolver.change { $0.set(.noSuchName(.insecure), for: name, family: .v4) }
    lists.clock.advance(DNSListCheck.answerTime - .seconds(1))
    #expect(try await lists.verdict(on: "192.0.2.1").listings.count == 1)
    lists.clock.advance(.seconds(1))
    #expect(try await lists.verdict(on: "192.0.2.1").listings.isEmpty)
  }

  @Test("a list that turns us away is gone by no more, with a standing alarm, until it passes its test again")
  func declined() async throws {
    let lists = try ListStage()
    #expect(await lists.check.prove())
    let name = try DomainName(question)
    lists.resolver.change { $0.add(name, at: [.v4(0x7fff_fffe)]) }
    #expect(try await lists.verdict(on: "192.0.2.1").listings.isEmpty)
    #expect(try await lists.verdict(on: "192.0.2.9").listings.isEmpty, "it is not asked any more")
    let alarm = try #require(lists.said(.alarm).last)
    #expect(alarm["what"] == .text("dns-list-fails") && alarm["list"] == .text("Example's list"))
    #expect(alarm["until-cleared"] == .flag(true) && alarm["remedy"] != nil)

    #expect(await lists.check.prove())
    #expect(lists.said(.alarm).count == 1, "not due yet")
    lists.clock.advance(DNSListCheck.proofIsRepeated)
    #expect(await lists.check.prove())
    #expect(lists.said(.alarm).last?["clears"] == .text("dns-list-fails"))
    #expect(try await lists.verdict(on: "192.0.2.9").listings.count == 1)
  }

  @Test("a list that lists the world is not gone by, is said once, and is again when it is mended")
  func wholeWorld() async throws {
    let lists = try ListStage { $0.add(try DomainName("1.0.0.127.list.example"), at: [.v4(0x7f00_0002)]) }
    for _ in 0..<3 {
      #expect(await lists.check.prove())
      lists.clock.advance(DNSListCheck.proofIsRepeated)
    }
    #expect(lists.said(.alarm).map { $0["what"] } == [.text("dns-list-fails")])
    #expect(try await lists.verdict(on: "192.0.2.1").listings.isEmpty)
    let test = try DomainName("1.0.0.127.list.example")
    lists.resolver.change { $0.set(.noSuchName(.insecure), for: test, family: .v4) }
    #expect(await lists.check.prove())
    #expect(lists.said(.alarm).map { $0["what"] } == [.text("dns-list-fails"), .text("dns-list-works")])
    #expect(try await lists.verdict(on: "192.0.2.1").listings.count == 1)
    // A proof holds for an hour.
    let asked = lists.resolver.asked.count
    #expect(await lists.check.prove())
    #expect(lists.resolver.asked.count == asked)
    lists.clock.advance(DNSListCheck.proofHolds)
    #expect(await lists.check.prove())
    #expect(lists.resolver.asked.count == asked + 4)
  }

  @Test("other lists forget the old ones' answers; a list that is gone takes its alarm along")
  func replaced() async throws {
    let lists = try ListStage {
      $0.set(.noSuchName(.insecure), for: try DomainName("2.0.0.127.list.example"), family: .v4)
    }
    #expect(await lists.check.prove())
    #expect(lists.said(.alarm).count == 1)
    lists.check.replace(DNSListSettings(), resolver: nil)
    #expect(lists.said(.alarm).last?["clears"] == .text("dns-list-fails"))
    #expect(!(await lists.check.prove()))

    let good = try ListStage()
    #expect(await good.check.prove())
    #expect(try await good.verdict(on: "192.0.2.1").listings.first?.list.action == .refuse)
    var list = good.list
    list.action = .record
    good.check.replace(DNSListSettings(lists: [list]), resolver: good.resolver)
    #expect(try await good.verdict(on: "192.0.2.1").listings.first?.list.action == .record, "as proven as before")
  }

  // MARK: Bounds

  @Test("only so many addresses are asked about at the same time; who comes beyond is listed by nobody, said once")
  func crowd() async throws {
    let lists = try ListStage()
    #expect(await lists.check.prove())
    let before = lists.resolver.asked.count
    let addresses = (0...DNSListCheck.maximumAsking).map { "198.51.\($0 / 256).\($0 % 256)" }
    for address in addresses {
      lists.resolver.fallSilent(at: address.split(separator: ".").reversed().joined(separator: ".") + ".list.example")
    }
    await withTaskGroup(of: Void.self) { group in
      for address in addresses.dropLast() { group.addTask { _ = try? await lists.verdict(on: address) } }
      while lists.resolver.asked.count < before + DNSListCheck.maximumAsking { await Task.yield() }
      for _ in 0..<2 { _ = try? await lists.verdict(on: addresses[DNSListCheck.maximumAsking]) }
      #expect(lists.said(.listUnanswered).map { $0["reason"] } == [.text("too many addresses are asked about at once")])
      lists.clock.advance(DNSListCheck.lookUpTime)
    }
    #expect(lists.resolver.asked.count == before + DNSListCheck.maximumAsking)
  }

  @Test("sessions of one address that come together are one question")
  func together() async throws {
    let lists = try ListStage()
    #expect(await lists.check.prove())
    lists.resolver.fallSilent(at: question)
    let before = lists.resolver.asked.count
    await withTaskGroup(of: Int.self) { group in
      for _ in 0..<20 {
        group.addTask { (try? await lists.verdict(on: "192.0.2.1").listings.count) ?? -1 }
      }
      while lists.check.state.withLock({ $0.waiting }) < 19 { await Task.yield() }
      lists.clock.advance(DNSListCheck.lookUpTime)
      for await count in group { #expect(count == 0) }
    }
    #expect(lists.resolver.asked.count == before + 1)
    #expect(lists.said(.listUnanswered).count == 1)
  }
}
