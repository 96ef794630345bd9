import MailSyntax
import Testing

@testable import SMTPTransport

/// A header as HAProxy sends it.
func proxyHeader(command: UInt8 = 0x21, family: UInt8 = 0x11, _ block: [UInt8]) -> [UInt8] {
  ProxyHeader.signature + [command, family, UInt8(block.count >> 8), UInt8(block.count & 255)] + block
}

let proxiedV4 = proxyHeader([192, 0, 2, 7, 198, 51, 100, 1, 0xd4, 0x31, 0x01, 0xd1])

@Suite("The PROXY protocol's header")
struct ProxyHeaderTests {
  @Test("addresses of IPv4, with TLVs behind them, read whole and split at every octet")
  func v4() throws {
    let withTLV = proxyHeader([192, 0, 2, 7, 198, 51, 100, 1, 0xd4, 0x31, 0x01, 0xd1] + [4, 0, 3, 1, 2, 3])
    for bytes in [proxiedV4, withTLV] {
      let expected = ProxyHeader(
        endpoints: .init(
          source: SocketEndpoint(address: try #require(IPAddress("192.0.2.7")), port: 54_321),
          destination: SocketEndpoint(address: try #require(IPAddress("198.51.100.1")), port: 465)),
        octetCount: bytes.count)
      #expect(ProxyHeader.parse(bytes + Array("EHLO".utf8)) == .done(expected))
      for cut in 0..<bytes.count { #expect(ProxyHeader.parse(bytes[..<cut]) == .needsBytes, "cut at \(cut)") }
    }
  }

  @Test("addresses of IPv6; one mapped from IPv4 comes out as IPv4")
  func v6() throws {
    let documentation: [UInt8] = [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [9]
    let mapped: [UInt8] = [UInt8](repeating: 0, count: 10) + [0xff, 0xff, 192, 0, 2, 1]
    guard case .done(let header) = ProxyHeader.parse(proxyHeader(family: 0x21, documentation + mapped + [0, 1, 0, 2]))
    else {
      Issue.record("not read")
      return
    }
    #expect(header.endpoints?.source.description == "[2001:db8::9]:1")
    #expect(header.endpoints?.destination.description == "192.0.2.1:2")
  }

  @Test("LOCAL, unspecified and UNIX connections keep the socket's own addresses")
  func own() {
    for bytes in [
      proxyHeader(command: 0x20, family: 0, []), proxyHeader(family: 0, [1, 2]), proxyHeader(family: 0x31, []),
    ] {
      #expect(ProxyHeader.parse(bytes) == .done(ProxyHeader(endpoints: nil, octetCount: bytes.count)))
    }
  }

  @Test("version 1, other versions, commands, UDP, short blocks, overlong headers and anything else are refused")
  func refused() {
    let rows: [[UInt8]] = [
      Array("PROXY TCP4 192.0.2.7 198.51.100.1 54321 465\r\n".utf8), Array("EHLO x\r\n".utf8), [22, 3, 1],
      proxyHeader(command: 0x11, []), proxyHeader(command: 0x22, []), proxyHeader(family: 0x12, [0, 0]),
      proxyHeader([192, 0, 2, 7]), ProxyHeader.signature + [0x21, 0x11, 0xff, 0xff],
    ]
    for row in rows {
      guard case .malformed = ProxyHeader.parse(row) else {
        Issue.record("taken: \(row)")
        continue
      }
    }
  }
}

@Suite("Inherited sockets")
struct InheritedSocketsTests {
  @Test("names and numbers of LISTEN_FDS")
  func parsed() throws {
    let sockets = try InheritedSockets.parse(
      environment: ["LISTEN_FDS": "2", "LISTEN_PID": "77", "LISTEN_FDNAMES": "submissions:relay"], process: 77)
    #expect(
      sockets == [.init(descriptor: 3, name: "submissions"), .init(descriptor: 4, name: "relay")])
    #expect(
      try InheritedSockets.parse(environment: ["LISTEN_FDS": "1"], process: 77)
        == [.init(descriptor: 3, name: "unknown")])
  }

  @Test("what is absent, or meant for another process, hands over nothing")
  func absent() throws {
    #expect(try InheritedSockets.parse(environment: [:], process: 77).isEmpty)
    #expect(try InheritedSockets.parse(environment: ["LISTEN_FDS": "2", "LISTEN_PID": "78"], process: 77).isEmpty)
    #expect(try InheritedSockets.parse(environment: ["LISTEN_FDS": "0", "LISTEN_FDNAMES": ""], process: 77).isEmpty)
  }

  @Test("what makes no sense is named")
  func faults() {
    #expect(throws: InheritedSockets.Fault.badCount("-1")) {
      try InheritedSockets.parse(environment: ["LISTEN_FDS": "-1"], process: 77)
    }
    #expect(throws: InheritedSockets.Fault.badCount("65")) {
      try InheritedSockets.parse(environment: ["LISTEN_FDS": "65"], process: 77)
    }
    #expect(throws: InheritedSockets.Fault.badProcess("x")) {
      try InheritedSockets.parse(environment: ["LISTEN_FDS": "1", "LISTEN_PID": "x"], process: 77)
    }
    #expect(throws: InheritedSockets.Fault.namesDoNotMatch(names: 1, sockets: 2)) {
      try InheritedSockets.parse(environment: ["LISTEN_FDS": "2", "LISTEN_FDNAMES": "a"], process: 77)
    }
  }
}

@Suite("The ledger of connections")
struct ConnectionLedgerTests {
  private func limits(_ total: Int, _ perAddress: Int, _ handshakes: Int) -> ConnectionLimits {
    var limits = ConnectionLimits()
    limits.total = total
    limits.perAddress = perAddress
    limits.handshakesPerAddressPerMinute = handshakes
    return limits
  }

  @Test("connections in all and by address are let in up to the limit, and again after a release")
  func connections() throws {
    let ledger = ConnectionLedger(limits: limits(2, 1, 1))
    #expect(ledger.admit() && ledger.admit() && !ledger.admit())
    ledger.release()
    #expect(ledger.admit())
    let first = try #require(IPAddress("2001:db8:0:1::1"))
    let sameNetwork = try #require(IPAddress("2001:db8:0:1:ffff::9"))
    let other = try #require(IPAddress("2001:db8:0:2::1"))
    #expect(ledger.admit(first) && !ledger.admit(sameNetwork) && ledger.admit(other))
    ledger.release(first)
    #expect(ledger.admit(sameNetwork))
  }

  @Test("handshakes are counted by address and minute")
  func handshakes() {
    let ledger = ConnectionLedger(limits: limits(9, 9, 2))
    let minute = Uptime(nanoseconds: 600_000_000_000)
    #expect(ledger.admitHandshake(of: .v4(1), at: minute))
    #expect(ledger.admitHandshake(of: .v4(1), at: minute + .seconds(59)))
    #expect(!ledger.admitHandshake(of: .v4(1), at: minute + .seconds(59)))
    #expect(ledger.admitHandshake(of: .v4(2), at: minute + .seconds(59)))
    #expect(ledger.admitHandshake(of: .v4(1), at: minute + .seconds(60)))
  }
}
