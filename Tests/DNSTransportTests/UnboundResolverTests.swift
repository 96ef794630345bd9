import MailSyntax
import Testing

@testable import DNSRecords
@testable import DNSTransport

/// Nothing here leaves the process: libunbound itself answers for `localhost` and refuses `invalid` (RFC 6761).
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
}
