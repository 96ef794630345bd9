import MailSyntax
import Testing

@testable import DNSRecords
@testable import DNSTransport

/// Nothing here leaves the machine: libunbound itself answers for `localhost` and refuses `invalid` (RFC 6761), and for
/// the rest there is a name server on loopback.
@Suite("The resolver on libunbound")
struct UnboundResolverTests {
  private struct Plain: IDNAConverter {
    func asciiForm(of name: DomainName) -> DomainName? {
      if name.isASCII { return name }
      return name.description == "ö.localhost" ? try? DomainName("localhost") : nil
    }
  }

  private func resolver(_ change: (inout UnboundResolver.Settings) -> Void = { _ in }) throws -> UnboundResolver {
    var settings = UnboundResolver.Settings()
    change(&settings)
    return try UnboundResolver(settings, converter: Plain())
  }

  @Test("answers what libunbound knows by itself")
  func local() async throws {
    let resolver = try resolver()
    guard case .records(let set) = await resolver.addresses(of: try DomainName("localhost"), family: .v4) else {
      Issue.record("localhost has no address")
      return
    }
    #expect(set.records.map(\.description) == ["127.0.0.1"])
    #expect(set.security == .insecure)
    #expect(await resolver.mailExchangers(of: try DomainName("localhost")) == .none(.insecure))
    #expect(await resolver.addresses(of: try DomainName("x.invalid"), family: .v6) == .noSuchName(.insecure))
    #expect(await resolver.alias(of: try DomainName("localhost")) == .none(.insecure))
    #expect(await resolver.tlsaRecords(of: try DomainName("_25._tcp.x.invalid")) == .noSuchName(.insecure))
  }

  @Test("asks for a U-label by its A-label; a name without one is nobody's, and so is one too long for the DNS")
  func international() async throws {
    let resolver = try resolver()
    guard case .records = await resolver.addresses(of: try DomainName("ö.localhost"), family: .v4) else {
      Issue.record("it was not converted")
      return
    }
    #expect(await resolver.addresses(of: try DomainName("ü.localhost"), family: .v4) == .noSuchName(.insecure))
    let long = try DomainName(String(repeating: "a.", count: 122) + "localhost.a")
    #expect(long.description.utf8.count == 255)
    #expect(await resolver.addresses(of: long, family: .v4) == .noSuchName(.insecure))
  }

  @Test("many at once all end, and so do those whose resolver is let go")
  func many() async throws {
    let name = try DomainName("localhost")
    let count = await withTaskGroup(of: Bool.self) { [resolver = try resolver()] group in
      for _ in 0..<500 {
        group.addTask {
          guard case .records = await resolver.addresses(of: name, family: .v4) else { return false }
          return true
        }
      }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(count == 500)
    for _ in 0..<20 { _ = await (try resolver()).addresses(of: name, family: .v4) }
  }

  @Test("past the bound a look-up fails at once")
  func inFlight() async throws {
    let resolver = try resolver { $0.bounds.lookUpsInFlight = 0 }
    guard case .failed(let reason) = await resolver.addresses(of: try DomainName("localhost"), family: .v4) else {
      Issue.record("it was taken")
      return
    }
    #expect(reason.contains("no more are taken"))
  }

  @Test("what libunbound can't use is told when the resolver is made")
  func badSettings() throws {
    #expect(throws: ResolverFault.self) {
      try resolver {
        $0.servers = [SocketEndpoint(address: .v4(0x7f00_0001), port: 53)]
        $0.anchors = [TrustAnchor(zone: nil, keyTag: 1, type: "DX", data: ["nonsense"])]
      }
    }
  }

  private func resolver(
    asking server: LoopbackNameServer, _ change: (inout UnboundResolver.Settings) -> Void = { _ in }
  ) throws -> UnboundResolver {
    try resolver {
      $0.servers = [server.endpoint]
      $0.anchors = []
      change(&$0)
    }
  }

  @Test("a look-up that nobody answers ends by its time, and says so")
  func overdue() async throws {
    let server = try LoopbackNameServer(timeToLive: nil)
    let resolver = try resolver(asking: server) { $0.bounds.lookUpTime = .milliseconds(100) }
    #expect(
      await resolver.addresses(of: try DomainName("example.org"), family: .v4)
        == .failed(reason: "no answer within 100ms"))
  }

  /// Each with a resolver of its own, which has not yet learned that the server is silent.
  @Test("a cancelled look-up ends at once, before its question was put and after, and leaves nothing waiting")
  func cancelled() async throws {
    let server = try LoopbackNameServer(timeToLive: nil)
    let name = try DomainName("example.org")
    for _ in 0..<20 {
      let resolver = try resolver(asking: server) { $0.bounds.lookUpTime = .seconds(3_600) }
      let answer = await withTaskGroup(of: DNSAnswer<IPAddress>.self) { group in
        group.addTask { await resolver.addresses(of: name, family: .v4) }
        group.cancelAll()
        return await group.next()
      }
      #expect(answer == .failed(reason: "the look-up was cancelled"))
    }
  }

  /// DANE-033: what may not be kept is asked for again, and what may be is not.
  @Test("an answer is kept as long as its TTL says", arguments: [0, 604_800] as [UInt32])
  func timeToLive(_ timeToLive: UInt32) async throws {
    let server = try LoopbackNameServer(timeToLive: timeToLive)
    let resolver = try resolver(asking: server)
    let name = try DomainName("example.org")
    for _ in 0..<3 {
      guard case .records(let set) = await resolver.addresses(of: name, family: .v4) else {
        Issue.record("no answer")
        return
      }
      // What is kept grows older, and the machine that runs this may be slow.
      #expect(set.timeToLive <= .seconds(Int(timeToLive)) && (set.timeToLive > .zero) == (timeToLive > 0))
      #expect(set.records.map(\.description) == ["192.0.2.1"])
    }
    #expect(server.asked == (timeToLive == 0 ? 3 : 1))
  }
}
