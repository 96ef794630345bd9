import Certificates
import Foundation
import MailSyntax
import Testing

@testable import Diagnosis

@Suite("The attacker in the middle, on real sockets", .timeLimit(.minutes(5)))
struct AttackProxyTests {
  private static let anywhere = SocketEndpoint(address: .v4(0x7f00_0001), port: 0)
  private static let now = UTCInstant(seconds: Int64(Date().timeIntervalSince1970))

  private let authority: DevelopmentAuthority
  private let identity: AttackIdentity

  init() throws {
    authority = try DevelopmentAuthority(now: AttackProxyTests.now)
    identity = try AttackProxyTests.identity("mx.example", by: authority)
  }

  private static func identity(
    _ name: String, by authority: DevelopmentAuthority, from start: UTCInstant = now,
    lasting lifetime: Duration = .seconds(86_400)
  ) throws -> AttackIdentity {
    let issued = try authority.issue(for: .init(dnsNames: [name], addresses: []), now: start, lasting: lifetime)
    return try AttackIdentity(chainPEM: issued.certificatePEM, keyPEM: issued.keyPEM)
  }

  /// What the client believes, what the attacker saw and what the server got; nil for a client that gave up.
  private func play(
    _ attack: Attack, _ client: CarelessClient = CarelessClient(), hasTLS: Bool = true, takesMail: Bool = true
  ) async throws -> (isSent: Bool?, record: AttackRecord, letters: [TrueServer.Letter]) {
    let server = try await TrueServer.start(hasTLS ? identity : nil, takesMail: takesMail)
    let attacker = try await AttackProxy.open(
      listening: AttackProxyTests.anywhere, before: server.endpoint, attack: attack)
    let isSent = try? await client.send(to: attacker.endpoint)
    await attacker.close()
    await server.stop()
    return (isSent, attacker.record, server.letters)
  }

  @Test("who only listens reads mail in clear, and none inside TLS with the true server")
  func listening() async throws {
    let client = CarelessClient(password: "AGEAYg==")
    let safe = try await play(.none, client)
    #expect(safe.isSent == true && safe.letters == [.init(isInTLS: true, greeting: "EHLO")])
    #expect(!safe.record.hasSeenMail && safe.record.strikes == 0)
    let clear = try await play(.none, client, hasTLS: false)
    #expect(clear.isSent == true && clear.letters == [.init(isInTLS: false, greeting: "EHLO")])
    #expect(clear.record.hasSeenEnvelope && clear.record.hasSeenCredential)
    #expect(clear.record.bodyOctets == "Subject: secret\r\n\r\nmeet me at noon\r\n".utf8.count)
  }

  @Test(
    "a client that falls back to clear loses its mail to each attack on STARTTLS; one that needs TLS loses nothing",
    arguments: [
      ("EHLO", Attack.stripSTARTTLS(.whole)), ("EHLO", .stripSTARTTLS(.split)), ("EHLO", .refuseSTARTTLS),
      ("HELO", .refuseEHLO),
    ])
  func downgrade(greeting: String, attack: Attack) async throws {
    let careless = try await play(attack, CarelessClient(password: "AGEAYg=="))
    #expect(careless.isSent == true && careless.letters == [.init(isInTLS: false, greeting: greeting)])
    #expect(careless.record.strikes == 1)
    #expect(careless.record.hasSeenEnvelope && careless.record.hasSeenCredential && careless.record.hasSeenBody)
    let careful = try await play(attack, CarelessClient(needsTLS: true, password: "AGEAYg=="))
    #expect(careful.isSent == nil && careful.letters.isEmpty)
    #expect(careful.record.strikes == 1 && !careful.record.hasSeenMail)
  }

  @Test(
    "a client that keeps what stands behind the 220 believes its mail delivered that the server never took",
    arguments: Attack.Segments.allCases)
  func injection(segments: Attack.Segments) async throws {
    let attack = Attack.injectBehind220(Attack.forgedAcceptance, segments)
    let careless = try await play(attack, takesMail: false)
    #expect(careless.isSent == true && careless.letters.isEmpty)
    #expect(careless.record.strikes == 1)
    let honest = try await play(.none, takesMail: false)
    #expect(honest.isSent == false && honest.letters.isEmpty)
    let careful = try await play(attack, CarelessClient(looksBehind220: true), takesMail: false)
    #expect(careful.isSent == nil && careful.record.strikes == 1)
  }

  @Test(
    "a client that doesn't look at certificates tells the attacker all; one that does breaks the handshake off",
    arguments: ["forged", "expired", "wrong name"], Attack.Onward.allCases)
  func impersonation(kind: String, onward: Attack.Onward) async throws {
    let attack: Attack
    switch kind {
    case "forged":
      let other = try DevelopmentAuthority(now: AttackProxyTests.now)
      attack = .forgeCertificate(try AttackProxyTests.identity("mx.example", by: other), onward: onward)
    case "expired":
      let past = UTCInstant(seconds: AttackProxyTests.now.seconds - 30 * 86_400)
      attack = .expiredCertificate(
        try AttackProxyTests.identity("mx.example", by: authority, from: past), onward: onward)
    case _:
      attack = .wrongName(try AttackProxyTests.identity("attacker.example", by: authority), onward: onward)
    }
    let careless = try await play(attack, CarelessClient(password: "AGEAYg=="))
    #expect(careless.isSent == true)
    #expect(careless.letters == [.init(isInTLS: onward == .tls, greeting: "EHLO")])
    #expect(careless.record.strikes == 1 && careless.record.handshakesWon == 1)
    #expect(careless.record.hasSeenEnvelope && careless.record.hasSeenCredential && careless.record.hasSeenBody)
    let root = authority.issued.certificatePEM
    let careful = try await play(attack, CarelessClient(authority: root, password: "AGEAYg=="))
    #expect(careful.isSent == nil && careful.letters.isEmpty)
    #expect(!careful.record.hasSeenMail)
    // The name is looked at by this client's library once the handshake is over.
    #expect(careful.record.handshakesWon + careful.record.handshakesLost == 1)
    #expect(careful.record.handshakesWon == 0 || kind == "wrong name")
    // The careful client is careful with nobody but impostors.
    let met = try await play(.none, CarelessClient(authority: root))
    #expect(met.isSent == true && met.letters == [.init(isInTLS: true, greeting: "EHLO")])
  }

  @Test("no more connections, octets and time than its bounds")
  func bounds() async throws {
    let server = try await TrueServer.start(nil)
    var bounds = AttackBounds()
    bounds.connections = 1
    bounds.octets = 100
    let attacker = try await AttackProxy.open(
      listening: AttackProxyTests.anywhere, before: server.endpoint, attack: .none, bounds: bounds)
    let first = try await ScriptEnd.connect(to: attacker.endpoint)
    #expect(try await first.reply() == "220 mx.example\r\n")
    let second = try await ScriptEnd.connect(to: attacker.endpoint)
    await #expect(throws: ScriptEnd.Gone.self) { try await second.reply() }
    try await first.say(String(repeating: "x", count: 100))
    await #expect(throws: ScriptEnd.Gone.self) { try await first.reply() }
    await attacker.close()

    bounds.time = .milliseconds(50)
    let hasty = try await AttackProxy.open(
      listening: AttackProxyTests.anywhere, before: server.endpoint, attack: .none, bounds: bounds)
    let third = try await ScriptEnd.connect(to: hasty.endpoint)
    await #expect(throws: ScriptEnd.Gone.self) { while true { _ = try await third.reply() } }
    await hasty.close()
    await server.stop()
    await #expect(throws: AttackFault.self) {
      try await AttackProxy.open(
        listening: SocketEndpoint(address: .v4(0xc000_0201), port: 1), before: server.endpoint, attack: .none)
    }
    #expect(throws: AttackFault.self) { try AttackIdentity(chainPEM: "", keyPEM: Secret("")) }
  }
}
