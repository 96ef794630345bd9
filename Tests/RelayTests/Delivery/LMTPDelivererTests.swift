import MailQueue
import MailSyntax
import Relay
import SMTPSessions
import Testing

@Suite("An LMTP server", .timeLimit(.minutes(5)))
struct LMTPDelivererTests {
  private func deliverer(_ target: DialTarget, _ server: ScriptedServer) throws -> LMTPDeliverer {
    try LMTPDeliverer(
      LMTPDeliverer.Settings(target: target, identity: .name(try DomainName("client.example"))), dialer: server)
  }

  @Test(
    "on this machine it is spoken to in clear, and answers for each recipient",
    arguments: [
      DialTarget.unixSocket(path: "/run/lmtp"), .address(SocketEndpoint(address: .v4(0x7f00_0001), port: 24)),
      .address(SocketEndpoint(address: .v6(high: 0, low: 1), port: 24)),
    ])
  func local(target: DialTarget) async throws {
    let server = ScriptedServer { _, line in
      line == "." ? .say("250 stored\r\n452 4.2.2 full\r\n") : ScriptedServer.agreeable(line)
    }
    let result = try await deliverer(target, server).deliver(
      try DeliveryFixture(recipients: ["bob@far.example", "carol@far.example"]).job())
    #expect(describe(result) == ["3 delivered", "4 final-reply reply 452"])
    #expect(result.place.tls == nil)
    #expect(server.connections[0].tls == nil)
    #expect(server.connections[0].lines.first == "LHLO client.example")
  }

  @Test("RTLS-003: what was asked of the way here is fulfilled at its end, where REQUIRETLS isn't said any more")
  func requireTLS() async throws {
    for extensions in [[], ["REQUIRETLS"]] {
      let server = ScriptedServer { _, line in ScriptedServer.agreeable(line, ehlo: extensions) }
      let result = try await deliverer(.unixSocket(path: "/run/lmtp"), server).deliver(
        try DeliveryFixture(tlsWish: .required).job())
      #expect(describe(result) == ["3 delivered"])
      #expect(server.connections[0].lines.contains("MAIL FROM:<alice@client.example>"))
    }
  }

  @Test("elsewhere it must prove its name, even under the name localhost")
  func elsewhere() async throws {
    let server = ScriptedServer { _, line in ScriptedServer.agreeable(line, ehlo: ["PIPELINING"]) }
    for name in ["smart.example", "localhost"] {
      let result = try await deliverer(.host(try DomainName(name), port: 24), server).deliver(
        try DeliveryFixture().job())
      #expect(describe(result) == ["3 starttls security"])
    }
    #expect(server.connections.allSatisfy { $0.lines.allSatisfy { $0.hasPrefix("LHLO") || $0 == "QUIT" } })
    let proven = ScriptedServer { _, line in ScriptedServer.agreeable(line, ehlo: ["STARTTLS"]) }
    let result = try await deliverer(.host(try DomainName("smart.example"), port: 24), proven).deliver(
      try DeliveryFixture().job())
    #expect(describe(result) == ["3 delivered"])
    #expect(result.place.tls != nil)
  }

  @Test(
    "an address elsewhere can't be proven, so there is no such route",
    arguments: [IPAddress.v4(0xc000_0201), .v6(high: 0x2001_0db8_0000_0000, low: 1), .v4(0x8000_0001)])
  func unprovable(address: IPAddress) throws {
    let server = ScriptedServer { _, line in ScriptedServer.agreeable(line) }
    #expect(throws: LMTPDeliverer.UnprovableHost.self) {
      try deliverer(.address(SocketEndpoint(address: address, port: 24)), server)
    }
  }

  @Test("what is discarded is delivered, recipient by recipient")
  func discard() async throws {
    let result = await DiscardDeliverer().deliver(try DeliveryFixture(recipients: ["a@b.c", "d@e.f"]).job())
    #expect(describe(result) == ["3 delivered", "4 delivered"])
  }
}
