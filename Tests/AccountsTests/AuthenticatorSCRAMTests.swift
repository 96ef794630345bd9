import MailSyntax
import SASLMechanisms
import Testing

@testable import Accounts

@Suite("who is who, by SCRAM")
struct AuthenticatorSCRAMTests {
  private let bench = AuthenticatorTests()
  private let keys = SCRAMKeys.derive(password: Secret("pencil"), salt: Array(1...12), iterations: 5000)

  private func authenticator() throws -> Authenticator {
    try bench.authenticator([
      try makeUser("app", keys: keys), try makeUser("bare"), try makeUser("gone", keys: keys, isDisabled: true),
    ])
  }

  @Test("SCRAM-011: a user's own keys come back, in any case of the name")
  func known() async throws {
    let authenticator = try authenticator()
    #expect(await authenticator.scramKeys(for: "APP", from: bench.home).encoded == keys.encoded)
  }

  @Test(
    "SCRAM-011: who isn't there, is disabled or has no keys is answered in the same shape, the same each time",
    arguments: ["nobody", "bare", "gone", ""])
  func decoys(user: String) async throws {
    let (one, other) = (try authenticator(), try authenticator())
    let decoy = await one.scramKeys(for: user, from: bench.home)
    #expect(decoy.salt.count == 12 && decoy.iterations == 5000)
    #expect(decoy.storedKey.withExposedBytes { $0.count } == 32 && decoy.salt != keys.salt)
    #expect(await one.scramKeys(for: user.uppercased(), from: bench.home).encoded == decoy.encoded)
    #expect(await other.scramKeys(for: user, from: bench.home).encoded == decoy.encoded)
    #expect(await one.scramKeys(for: user + "x", from: bench.home).salt != decoy.salt)
  }

  @Test("a proven exchange is accepted; an unproven one, or one of a user who may not, is rejected after a delay")
  func verdicts() async throws {
    let authenticator = try authenticator()
    #expect(
      shown(await authenticator.finishedSCRAM(user: "App", provenSalt: keys.salt, from: bench.home)) == "accepted app")
    #expect(bench.clock.slept.isEmpty)
    // The password was changed while the exchange ran: the old one's keys prove nothing any more.
    #expect(
      shown(await authenticator.finishedSCRAM(user: "app", provenSalt: [1, 2, 3], from: bench.home)) == "rejected")
    #expect(
      shown(await authenticator.finishedSCRAM(user: "gone", provenSalt: keys.salt, from: bench.home)) == "rejected")
    #expect(shown(await authenticator.finishedSCRAM(user: "bare", provenSalt: nil, from: bench.home)) == "rejected")
    #expect(bench.clock.slept == [.seconds(1), .seconds(2), .seconds(4)])
    #expect(bench.verifier.hashes.isEmpty)
  }

  @Test("a throttled attempt sees the user's salt over keys that no password fits")
  func throttled() async throws {
    let authenticator = try authenticator()
    for _ in 0..<10 {
      #expect(shown(await authenticator.finishedSCRAM(user: "app", provenSalt: nil, from: bench.home)) == "rejected")
    }
    let locked = await authenticator.scramKeys(for: "app", from: bench.home)
    #expect(locked.salt == keys.salt && locked.iterations == keys.iterations)
    #expect(!locked.storedKey.isEqual(inConstantTimeTo: keys.storedKey))
    #expect(!locked.serverKey.isEqual(inConstantTimeTo: keys.serverKey))
    #expect(
      shown(await authenticator.finishedSCRAM(user: "app", provenSalt: keys.salt, from: bench.home))
        == "throttled until 900")
  }

  @Test("without any user's keys the decoys have the shape of those we make")
  func noModel() async throws {
    let authenticator = try bench.authenticator([])
    let decoy = await authenticator.scramKeys(for: "nobody", from: bench.home)
    #expect(decoy.salt.count == SCRAMKeys.saltOctets && decoy.iterations == SCRAMKeys.recommendedIterations)
  }

  @Test(
    "RFC 5802's exchange runs through from the client to the verdict, and not for a decoy",
    arguments: ["app", "nobody"])
  func wholeExchange(user: String) async throws {
    let authenticator = try authenticator()
    var random = Seeded(state: 5)
    var server = ServerExchange(mechanism: .scramSHA256, nonce: SCRAMNonce(using: &random))
    var client = ClientExchange(
      mechanism: .scramSHA256, credential: .password(user: user, Secret("pencil")), nonce: SCRAMNonce(using: &random))
    guard case .send(let first) = client.start(),
      case .lookUpSCRAMKeys(let name) = server.start(initialResponse: first),
      case .challenge(let challenge) = server.receive(keys: await authenticator.scramKeys(for: name, from: bench.home)),
      case .derive(let derivation) = client.receive(challenge),
      case .send(let proof) = client.receive(salted: derivation.run())
    else {
      Issue.record("the exchange stopped")
      return
    }
    var step = server.receive(proof)
    if case .challenge(let signature) = step {
      #expect(user == "app")
      guard case .send(let empty) = client.receive(signature) else {
        Issue.record("no trust")
        return
      }
      step = server.receive(empty)
    }
    guard case .finishedSCRAM(let finished, let salt) = step else {
      Issue.record("not finished")
      return
    }
    let verdict = shown(await authenticator.finishedSCRAM(user: finished, provenSalt: salt, from: bench.home))
    #expect(verdict == (user == "app" ? "accepted app" : "rejected"))
    #expect(client.outcome == (user == "app" ? .authenticated : .failed(.endedEarly)))
  }
}
