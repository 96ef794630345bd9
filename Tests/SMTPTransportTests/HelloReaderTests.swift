import Testing
import TransportSecurity

@testable import SMTPTransport

@Suite("Hellos read off the wire")
struct HelloReaderTests {
  static let clients: [(name: String, bytes: [UInt8], hello: ClientHello)] = [
    (
      "OpenSSL's default", RecordedHandshakes.clientHello,
      ClientHello(serverName: "mail.example", highestVersion: .v1_3)
    ),
    (
      "OpenSSL with ALPN", RecordedHandshakes.clientHelloWithALPN,
      ClientHello(
        serverName: "mail.example", highestVersion: .v1_3,
        applicationProtocols: [Array("h2".utf8), Array("http/1.1".utf8)])
    ),
    (
      "without extensions", HandmadeHello(legacyVersion: 0x0302).record,
      ClientHello(serverName: nil, highestVersion: .v1_1)
    ),
    (
      "noise among the versions", HandmadeHello(supportedVersions: [0x7a7a, 0x0302, 0x0301]).record,
      ClientHello(serverName: nil, highestVersion: .v1_1)
    ),
    (
      "a name in capitals", HandmadeHello(serverName: "MX.Example").record,
      ClientHello(serverName: "mx.example", highestVersion: .v1_2)
    ),
    (
      "a name that is none", HandmadeHello(serverName: "a b\r\n").record,
      ClientHello(serverName: nil, highestVersion: .v1_2)
    ),
  ]

  static let servers: [(name: String, bytes: [UInt8], hello: ServerHello)] = [
    (
      "TLS 1.3", RecordedHandshakes.tls13Server,
      ServerHello(version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1302), group: NamedGroup(rawValue: 0x1d))
    ),
    (
      "TLS 1.3 behind a HelloRetryRequest", RecordedHandshakes.tls13RetryServer,
      ServerHello(version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1302), group: NamedGroup(rawValue: 0x18))
    ),
    (
      "TLS 1.2", RecordedHandshakes.tls12Server,
      ServerHello(version: .v1_2, cipherSuite: CipherSuite(rawValue: 0xc02c), group: NamedGroup(rawValue: 0x1d))
    ),
    (
      "TLS 1.2 with P-384", RecordedHandshakes.tls12P384Server,
      ServerHello(version: .v1_2, cipherSuite: CipherSuite(rawValue: 0xc02c), group: NamedGroup(rawValue: 0x18))
    ),
    (
      "TLS 1.2 resumed", RecordedHandshakes.tls12ResumedServer,
      ServerHello(version: .v1_2, cipherSuite: CipherSuite(rawValue: 0xc02c), group: nil)
    ),
  ]

  @Test("a client's hello is read whole, and split at every octet", arguments: clients.indices)
  func client(_ index: Int) {
    let row = Self.clients[index]
    var whole = ClientHelloReader()
    #expect(whole.read(row.bytes) == .done(row.hello), "\(row.name)")
    for cut in 1..<row.bytes.count {
      var reader = ClientHelloReader()
      #expect(reader.read(row.bytes[..<cut]) == .needsBytes, "\(row.name) truncated at \(cut)")
      #expect(reader.read(row.bytes[cut...]) == .done(row.hello), "\(row.name) cut at \(cut)")
    }
  }

  @Test("a server's hello is read whole, and split at every octet", arguments: servers.indices)
  func server(_ index: Int) {
    let row = Self.servers[index]
    var whole = ServerHelloReader()
    #expect(whole.read(row.bytes) == .done(row.hello), "\(row.name)")
    for cut in 1..<row.bytes.count {
      var reader = ServerHelloReader()
      var progress = reader.read(row.bytes[..<cut])
      if progress == .needsBytes { progress = reader.read(row.bytes[cut...]) }
      #expect(progress == .done(row.hello), "\(row.name) cut at \(cut)")
    }
  }

  @Test("a HelloRetryRequest settles nothing yet")
  func retryRequest() {
    let bytes = RecordedHandshakes.tls13RetryServer
    var reader = ServerHelloReader()
    #expect(reader.read(bytes[..<(5 + (Int(bytes[3]) << 8 | Int(bytes[4])))]) == .needsBytes)
  }

  @Test("a hello cut into records of one octet is the same hello")
  func tinyRecords() {
    let message = HandmadeHello(serverName: "mail.example").message
    let records = message.flatMap { (octet: UInt8) -> [UInt8] in [22, 3, 1, 0, 1, octet] }
    var reader = ClientHelloReader()
    #expect(reader.read(records) == .done(ClientHello(serverName: "mail.example", highestVersion: .v1_2)))
  }

  @Test("what is no hello is malformed: text, other records, lengths beyond the bounds, lists that don't add up")
  func malformed() {
    var badList = HandmadeHello(serverName: "mail.example").record
    badList[badList.count - 17] = 0xff
    let rows: [[UInt8]] = [
      Array("EHLO client.example\r\n".utf8), [23, 3, 3, 0, 1, 0], [22, 3, 1, 0xff, 0xff],
      [22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff], [22, 2, 0, 0, 4, 1, 0, 0, 0], [22, 3, 1, 0, 4, 1, 0, 0, 0], badList,
    ]
    for row in rows {
      var reader = ClientHelloReader()
      #expect(reader.read(row) == .malformed, "\(row.prefix(10))")
    }
  }

  @Test("a flight beyond its bound ends the reading")
  func bounded() {
    var reader = ServerHelloReader()
    // Certificates of 16 KiB each, for ever.
    let record: [UInt8] = [22, 3, 3, 0x40, 0] + [11, 0, 0x3f, 0xfc] + [UInt8](repeating: 0, count: 16_380)
    var count = 0
    while reader.read(record) == .needsBytes, count < 1_000 { count += 1 }
    #expect(count == HandshakeMessages.maximumFlightOctets / record.count)
  }

  @Test("changed octets never trap", arguments: 0..<8 as Range<UInt64>)
  func fuzzed(_ seed: UInt64) {
    var random = SplitMix(state: seed)
    let originals = Self.clients.map(\.bytes) + Self.servers.map(\.bytes)
    for _ in 0..<400 {
      var bytes = originals[Int.random(in: originals.indices, using: &random)]
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
      }
      var client = ClientHelloReader()
      var server = ServerHelloReader()
      let cut = Int.random(in: bytes.indices, using: &random)
      for part in [bytes[..<cut], bytes[cut...]] {
        _ = client.read(part)
        _ = server.read(part)
      }
    }
  }
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}
