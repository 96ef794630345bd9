import Certificates
import DNSRecords
import MailSyntax
import NIOCore
import PolicyTransport
import SMTPTransport
import Testing
import TransportSecurity

@Suite("Fetching a policy over HTTPS", .timeLimit(.minutes(5)))
struct HTTPSPolicyFetcherTests {
  @Test("STS-006, STS-013: a 200 of text/plain with a policy in it is a policy", arguments: PolicyAnswers.good)
  func policies(_ row: PolicyAnswers.Row) async throws {
    let host = try await PolicyHost.start(row.moves)
    #expect(try await Ground.shared.fetch(from: host) == .success(PolicyAnswers.policy))
    await host.stop()
  }

  @Test("STS-005, STS-012, STS-014: GET of the one address, by SNI of the policy host, and the same again each time")
  func request() async throws {
    let host = try await PolicyHost.start(plain)
    let fetcher = try Ground.shared.fetcher(to: host.port)
    for _ in 0..<2 { #expect(await fetcher.outcome(of: Ground.domain) == .success(PolicyAnswers.policy)) }
    let expected =
      "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.far.example\r\nUser-Agent: Martlet\r\n"
      + "Accept: text/plain\r\nConnection: close\r\n\r\n"
    #expect(host.seen.requests == [expected, expected])
    #expect(host.seen.serverNames == ["mta-sts.far.example", "mta-sts.far.example"])
    await host.stop()
  }

  private let plain = [PolicyHost.Move.say(PolicyAnswers.answer())]

  @Test(
    "STS-006, STS-013, STS-016: anything else is no policy, and nothing of it is waited for",
    arguments: PolicyAnswers.bad)
  func refusals(_ row: PolicyAnswers.Row, words: String) async throws {
    let host = try await PolicyHost.start(row.moves)
    switch try await Ground.shared.fetch(from: host) {
    case .success(let policy): Issue.record("\(policy)")
    case .failure(let trouble):
      #expect(trouble.result == (words == "invalid" ? .stsPolicyInvalid : .stsPolicyFetchError))
      #expect(trouble.description.contains(words), "\(trouble)")
      #expect(trouble.description.utf8.count < 400)
    }
    #expect(host.seen.requests.count == 1, "no other address is asked, and no other page")
    await host.stop()
  }

  @Test("STS-008: what is no policy file is told apart from what can't be had, with the line and what to write")
  func invalid() async throws {
    let host = try await PolicyHost.start([.say(PolicyAnswers.answer(body: "version: STSv1\nmode: on\n"))])
    guard case .failure(let trouble) = try await Ground.shared.fetch(from: host) else {
      Issue.record("a policy")
      return
    }
    #expect(trouble.result == .stsPolicyInvalid)
    #expect(trouble.description.contains("line 2: mode is \"on\"; write enforce, testing or none"))
    await host.stop()
  }

  @Test("STS-016: a host that says nothing, or too slowly, is waited for so long and no longer")
  func slow() async throws {
    var bounds = HTTPSPolicyFetcher.Bounds()
    bounds.time = .milliseconds(700)
    let scripts: [[PolicyHost.Move]] = [
      [], [.say(Array("HTTP/1.1 200 OK\r\n".utf8))],
      [.drip(PolicyAnswers.answer(), every: .milliseconds(50))],
    ]
    for moves in scripts {
      let host = try await PolicyHost.start(moves)
      guard case .failure(let trouble) = try await Ground.shared.fetch(from: host, bounds: bounds) else {
        Issue.record("a policy")
        return
      }
      #expect(trouble.result == .stsPolicyFetchError && trouble.description.contains("in time"), "\(trouble)")
      await host.stop()
    }
  }

  // MARK: Who answers

  @Test("STS-011: a certificate proves the policy host by its own DNS-ID, or a wildcard for its whole first label")
  func names() async throws {
    let rows: [(names: [String], isProven: Bool)] = [
      (["mta-sts.far.example"], true), (["other.example", "MTA-STS.far.example"], true), (["*.far.example"], true),
      (["provider.example"], false), (["far.example"], false), (["mta-*.far.example"], false),
      (["*.mta-sts.far.example"], false), ([], false),
    ]
    for row in rows {
      let host = try await PolicyHost.start(plain, Ground.shared.certificate(row.names))
      switch try await Ground.shared.fetch(from: host) {
      case .success: #expect(row.isProven, "\(row.names)")
      case .failure(let trouble):
        #expect(!row.isProven && trouble.result == .stsWebPKIInvalid, "\(row.names): \(trouble)")
        #expect(trouble.description.contains("is not for mta-sts.far.example"))
        #expect(host.seen.requests.isEmpty, "nothing is said to somebody else")
      }
      await host.stop()
    }
  }

  @Test("STS-011: neither an unknown authority nor a certificate out of date proves a policy host")
  func trust() async throws {
    let host = try await PolicyHost.start(plain)
    let stranger = try DevelopmentAuthority(now: Ground.today)
    let roots = try TrustRoots.pem(Array(stranger.issued.certificatePEM.utf8))
    let late = Ground.today + DevelopmentAuthority.leafLifetime + .seconds(86_400)
    for outcome in [
      try await Ground.shared.fetch(from: host, roots: roots), try await Ground.shared.fetch(from: host, now: late),
    ] {
      guard case .failure(let trouble) = outcome else {
        Issue.record("a policy")
        continue
      }
      #expect(trouble.result == .stsWebPKIInvalid, "\(trouble)")
    }
    #expect(host.seen.requests.isEmpty)
    await host.stop()
  }

  // MARK: Where it is

  @Test("each address of both families is tried until one answers")
  func addresses() async throws {
    let host = try await PolicyHost.start(plain)
    for addresses in [
      ["127.0.0.9", "127.0.0.1"], ["::1", "127.0.0.1"], ["::1", "127.0.0.8", "127.0.0.9", "127.0.0.1"],
    ] {
      #expect(
        try await Ground.shared.fetch(from: host, addresses: addresses) == .success(PolicyAnswers.policy))
    }
    for (addresses, words) in [([], "has no address"), (["127.0.0.9"], "nobody answers")] {
      guard case .failure(let trouble) = try await Ground.shared.fetch(from: host, addresses: addresses) else {
        Issue.record("a policy")
        continue
      }
      #expect(trouble.result == .stsPolicyFetchError && trouble.description.contains(words), "\(trouble)")
    }
    await host.stop()
  }

  @Test("no more addresses are tried than the bound says")
  func addressBound() async throws {
    let host = try await PolicyHost.start(plain)
    var bounds = HTTPSPolicyFetcher.Bounds()
    bounds.addresses = 2
    guard
      case .failure = try await Ground.shared.fetch(
        from: host, addresses: ["127.0.0.8", "127.0.0.9", "127.0.0.1"], bounds: bounds)
    else {
      Issue.record("a policy")
      return
    }
    await host.stop()
  }

  // MARK: Many at once

  @Test("so many are fetched at a time, and the others wait their turn")
  func turns() async throws {
    let host = try await PolicyHost.start([.drip(PolicyAnswers.answer(), every: .microseconds(200))])
    var bounds = HTTPSPolicyFetcher.Bounds()
    bounds.fetches = 2
    let fetcher = try Ground.shared.fetcher(to: host.port, bounds: bounds)
    let outcomes = await withTaskGroup(of: Result<STSPolicy, STSTrouble>.self) { group in
      for _ in 0..<8 { group.addTask { await fetcher.outcome(of: Ground.domain) } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(outcomes == Array(repeating: .success(PolicyAnswers.policy), count: 8))
    #expect(host.seen.requests.count == 8)
    await host.stop()
  }

  @Test("whose turn comes late has the whole time for its host all the same")
  func lateTurn() async throws {
    let host = try await PolicyHost.start(plain)
    var bounds = HTTPSPolicyFetcher.Bounds()
    (bounds.fetches, bounds.waiting, bounds.time) = (1, .seconds(60), .seconds(3))
    // The first waits for a look-up that never ends, for all of its time.
    let resolver = OnceSilent()
    let fetcher = try Ground.shared.fetcher(to: host.port, bounds: bounds, resolver: resolver)
    async let first = fetcher.outcome(of: Ground.domain)
    while !resolver.wasAsked { await Task.yield() }
    let second = await fetcher.outcome(of: Ground.domain)
    guard case .failure(let trouble) = await first else {
      Issue.record("a policy")
      return
    }
    #expect(!trouble.isOurs && trouble.description.contains("no answer in time"), "\(trouble)")
    #expect(second == .success(PolicyAnswers.policy))
    await host.stop()
  }

  @Test("who gives its place up before its host could be asked has learned nothing of the host")
  func lookUpBesideOthers() async throws {
    let host = try await PolicyHost.start(plain)
    var bounds = HTTPSPolicyFetcher.Bounds()
    (bounds.fetches, bounds.waiting, bounds.timeBesideOthers) = (1, .seconds(60), .zero)
    let resolver = OnceSilent()
    let fetcher = try Ground.shared.fetcher(to: host.port, bounds: bounds, resolver: resolver)
    async let first = fetcher.outcome(of: Ground.domain)
    while !resolver.wasAsked { await Task.yield() }
    #expect(await fetcher.outcome(of: Ground.domain) == .success(PolicyAnswers.policy))
    guard case .failure(let trouble) = await first else {
      Issue.record("a policy")
      return
    }
    #expect(trouble.isOurs && trouble.description.contains("took its time"), "\(trouble)")
    await host.stop()
  }

  @Test("who waits for a turn waits no longer than it may, and connects nowhere meanwhile")
  func noTurn() async throws {
    let host = try await PolicyHost.start([])
    var bounds = HTTPSPolicyFetcher.Bounds()
    (bounds.fetches, bounds.waiting, bounds.time) = (1, .milliseconds(200), .seconds(240))
    bounds.timeBesideOthers = bounds.time
    let fetcher = try Ground.shared.fetcher(to: host.port, bounds: bounds)
    await withTaskGroup(of: Void.self) { holder in
      holder.addTask { _ = await fetcher.outcome(of: Ground.domain) }
      #expect(await host.nextEvent() == "asked", "the one place is taken, for longer than this test may last")
      await withTaskGroup(of: Result<STSPolicy, STSTrouble>.self) { waiting in
        for _ in 0..<6 { waiting.addTask { await fetcher.outcome(of: Ground.domain) } }
        for await outcome in waiting {
          guard case .failure(let trouble) = outcome else {
            Issue.record("a policy")
            continue
          }
          #expect(trouble.isOurs, "\(trouble)")
        }
      }
      #expect(host.seen.requests.count == 1)
      holder.cancelAll()
    }
    await host.stop()
  }

  @Test("a fetch that is cancelled closes its connection at once and gives its place back")
  func cancelled() async throws {
    let host = try await PolicyHost.start([])
    var bounds = HTTPSPolicyFetcher.Bounds()
    bounds.fetches = 1
    let fetcher = try Ground.shared.fetcher(to: host.port, bounds: bounds)
    for _ in 0..<2 {
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<2 { group.addTask { _ = await fetcher.outcome(of: Ground.domain) } }
        #expect(await host.nextEvent() == "asked")
        group.cancelAll()
      }
      #expect(await host.nextEvent() == "closed")
    }
    #expect(host.seen.open == 0)
    await host.stop()
  }
}
