import MailSyntax
import Testing
import TransportSecurity

@testable import SMTPSessions

@Suite("An egress")
struct EgressTests {
  private static func egress() throws -> Egress {
    Egress(
      name: .name(try DomainName("martlet.example")),
      sources: [
        .init(.v6(high: 0x2001_0db8_0000_0000, low: 1)),
        .init(.v4(0xc000_0201), name: .name(try DomainName("out4.example"))),
        .init(.v4(0xc000_0202), name: .name(try DomainName("never.example"))),
      ])
  }

  @Test("the first source of the peer's family is taken, and of a family without one none")
  func sources() throws {
    let egress = try EgressTests.egress()
    #expect(egress.source(toward: .v4(1))?.address == .v4(0xc000_0201))
    #expect(egress.source(toward: .v6(high: 1, low: 1))?.address == .v6(high: 0x2001_0db8_0000_0000, low: 1))
    let v6Alone = Egress(name: egress.name, sources: [.init(.v6(high: 1, low: 1))])
    #expect(v6Alone.source(toward: .v4(1)) == nil)
    #expect(v6Alone.v4 == nil && v6Alone.v6 != nil)
  }

  @Test("EHLO says the name of the source that connected, else the egress's own")
  func names() async throws {
    let plan = ClientPlan(
      egress: try EgressTests.egress(), security: .startTLS(hostName: "mx.example", demand: .recorded))
    let peers: [(IPAddress?, String)] = [
      (.v4(0xc633_6401), "out4.example"), (.v6(high: 1, low: 1), "martlet.example"), (nil, "martlet.example"),
    ]
    for (address, name) in peers {
      let wire = HandWire()
      let peer = DialledPeer(endpoint: address.map { SocketEndpoint(address: $0, port: 25) })
      async let opened = try? ClientConversation.open(
        plan, to: .addresses([]), by: HandDialer(wire: wire, peer: peer))
      await wire.connected()
      wire.say("220 mx.example\r\n")
      #expect(wire.sent() == "EHLO \(name)\r\n")
      wire.say("500 what?\r\n")
      #expect(wire.sent() == "HELO \(name)\r\n")
      wire.say("250-mx.example\r\n")
      wire.end()
      #expect(await opened == nil)
    }
  }
}
