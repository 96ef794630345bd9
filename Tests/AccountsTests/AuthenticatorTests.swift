import MailSyntax
import SASLMechanisms
import Synchronization
import Testing

@testable import Accounts

/// A clock that stands still but for the sleeps, which it ends at once and remembers.
final class StandingClock: MailClock {
  private let state = Mutex((uptime: seconds(0), slept: [Duration]()))
  var now: UTCInstant { UTCInstant(nanoseconds: uptime.nanoseconds) }
  var uptime: Uptime { state.withLock { $0.uptime } }
  var slept: [Duration] { state.withLock { $0.slept } }
  func sleep(until deadline: Uptime) async { state.withLock { $0.slept.append(deadline - $0.uptime) } }
  func set(_ moment: Uptime) { state.withLock { $0.uptime = moment } }
}

/// A verifier whose hash is the password behind "plain:", that counts, and can be held.
final class ScriptedVerifier: PasswordVerifier {
  struct State {
    var hashes: [String] = []
    var running = 0
    var mostRunning = 0
    var isHeld = false
    var isBroken = false
    var held: [CheckedContinuation<Void, Never>] = []
  }
  let state = Mutex(State())

  func verify(_ password: Secret, against hash: PasswordHash) async -> PasswordCheck {
    let isBroken = state.withLock { state in
      state.hashes.append(hash.encoded)
      state.running += 1
      state.mostRunning = max(state.mostRunning, state.running)
      return state.isBroken
    }
    await withCheckedContinuation { continuation in
      let goesOn = state.withLock { state in
        if state.isHeld { state.held.append(continuation) }
        return !state.isHeld
      }
      if goesOn { continuation.resume() }
    }
    state.withLock { $0.running -= 1 }
    guard !isBroken else { return .unavailable }
    let text = password.withExposedBytes { "plain:" + String(decoding: $0, as: UTF8.self) }
    return text == hash.encoded ? .matches : .differs
  }

  func hash(_ password: Secret) async throws(PasswordHashingFault) -> PasswordHash {
    let text = password.withExposedBytes { "plain:" + String(decoding: $0, as: UTF8.self) }
    guard let hash = PasswordHash(encoded: text) else { throw .unavailable }
    return hash
  }

  func hold() { state.withLock { $0.isHeld = true } }
  /// Lets one held verification go on; false where none is held.
  func releaseOne() -> Bool {
    guard let next = state.withLock({ $0.held.isEmpty ? nil : $0.held.removeFirst() }) else { return false }
    next.resume()
    return true
  }
  func releaseAll() {
    let all = state.withLock { state in
      state.isHeld = false
      defer { state.held = [] }
      return state.held
    }
    for one in all { one.resume() }
  }
  var hashes: [String] { state.withLock { $0.hashes } }
}

func shown(_ verdict: AuthenticationVerdict) -> String {
  switch verdict {
  case .accepted(let user): "accepted \(user.name)"
  case .rejected: "rejected"
  case .throttled(let until): "throttled until \(until.nanoseconds / 1_000_000_000)"
  case .unavailable: "unavailable"
  }
}

@Suite("who is who")
struct AuthenticatorTests {
  let clock = StandingClock()
  let verifier = ScriptedVerifier()
  let home = IPAddress.v4(0xc000_0201)

  func authenticator(
    _ users: [User]? = nil, limits: Authenticator.Limits = .init(), throttle: AuthenticationThrottle.Limits = .init()
  ) throws -> Authenticator {
    Authenticator(
      directory: try UserDirectory(
        users ?? [
          try makeUser("app", hash: "plain:right"), try makeUser("gone", hash: "plain:right", isDisabled: true),
        ]),
      verifier: verifier, decoyHash: try #require(PasswordHash(encoded: "plain:decoy")), clock: clock,
      keys: .init(
        recentPasswords: Secret([UInt8](repeating: 1, count: 32)), scramDecoys: Secret([UInt8](repeating: 2, count: 32))
      ),
      throttle: AuthenticationThrottle(limits: throttle), limits: limits)
  }

  func claim(_ user: String, _ password: String) -> PasswordClaim {
    PasswordClaim(user: user, password: Secret(password))
  }

  @Test("AUTH-009: the right password is accepted, in any case of the name")
  func accepted() async throws {
    let authenticator = try authenticator()
    #expect(shown(await authenticator.verify(claim("APP", "right"), from: home)) == "accepted app")
    #expect(clock.slept.isEmpty)
  }

  @Test(
    "AUTH-009: unknown user, disabled user and wrong password get one answer, after one hash and one delay",
    arguments: [("app", "wrong"), ("nobody", "right"), ("nobody", "decoy"), ("gone", "right"), ("gone", "wrong")])
  func oneAnswer(user: String, password: String) async throws {
    let authenticator = try authenticator()
    #expect(shown(await authenticator.verify(claim(user, password), from: home)) == "rejected")
    #expect(verifier.hashes.count == 1)
    #expect(clock.slept == [.seconds(1)])
  }

  @Test(
    "failures are delayed longer and longer, then refused without a hash, for known and unknown users alike",
    arguments: ["app", "nobody"])
  func throttled(user: String) async throws {
    let authenticator = try authenticator()
    for _ in 0..<10 { #expect(shown(await authenticator.verify(claim(user, "wrong"), from: home)) == "rejected") }
    #expect(clock.slept == [1, 2, 4, 8, 16, 16, 16, 16, 16, 16].map { .seconds($0) })
    #expect(shown(await authenticator.verify(claim(user, "right"), from: home)) == "throttled until 900")
    #expect(verifier.hashes.count == 10)
    clock.set(seconds(900))
    #expect(shown(await authenticator.verify(claim("app", "right"), from: home)) == "accepted app")
  }

  @Test("a password seen lately costs no hash for five minutes, and a hit doesn't renew it")
  func recentPasswords() async throws {
    let authenticator = try authenticator()
    for moment in [0, 100, 299] as [Int64] {
      clock.set(seconds(moment))
      #expect(shown(await authenticator.verify(claim("app", "right"), from: home)) == "accepted app")
    }
    #expect(verifier.hashes.count == 1)
    clock.set(seconds(300))
    #expect(shown(await authenticator.verify(claim("App", "right"), from: home)) == "accepted app")
    #expect(verifier.hashes.count == 2)
    #expect(shown(await authenticator.verify(claim("app", "wrong"), from: home)) == "rejected")
    #expect(shown(await authenticator.verify(claim("nobody", "right"), from: home)) == "rejected")
    #expect(verifier.hashes.count == 4)
  }

  @Test("a failure is never remembered as anything but a failure")
  func failuresAreHashed() async throws {
    let authenticator = try authenticator()
    for _ in 0..<3 { #expect(shown(await authenticator.verify(claim("app", "wrong"), from: home)) == "rejected") }
    #expect(verifier.hashes.count == 3)
  }

  @Test("a new directory forgets what was seen of the old one: a changed password and a removed user are out at once")
  func replaced() async throws {
    let authenticator = try authenticator()
    #expect(shown(await authenticator.verify(claim("app", "right"), from: home)) == "accepted app")
    await authenticator.replace(try UserDirectory([try makeUser("app", hash: "plain:new")]))
    #expect(shown(await authenticator.verify(claim("app", "right"), from: home)) == "rejected")
    #expect(shown(await authenticator.verify(claim("app", "new"), from: home)) == "accepted app")
    await authenticator.replace(.empty)
    #expect(shown(await authenticator.verify(claim("app", "new"), from: home)) == "rejected")
  }

  @Test("a directory replaced while the hash is computed decides")
  func replacedMeanwhile() async throws {
    let authenticator = try authenticator()
    verifier.hold()
    async let verdict = authenticator.verify(claim("app", "right"), from: home)
    while verifier.hashes.isEmpty { await Task.yield() }
    await authenticator.replace(try UserDirectory([try makeUser("app", hash: "plain:new")]))
    verifier.releaseAll()
    #expect(shown(await verdict) == "rejected")
  }

  @Test("a burst with one name and password pays for one hash, wherever it comes from", .timeLimit(.minutes(5)))
  func burst() async throws {
    let authenticator = try authenticator()
    verifier.hold()
    await withTaskGroup(of: String.self) { group in
      for number in 0..<50 {
        let address = IPAddress.v4(UInt32(number))
        group.addTask {
          shown(await authenticator.verify(PasswordClaim(user: "app", password: Secret("right")), from: address))
        }
      }
      while await authenticator.waiting < 49 { await Task.yield() }
      verifier.releaseAll()
      for await verdict in group { #expect(verdict == "accepted app") }
    }
    #expect(verifier.hashes.count == 1)
  }

  @Test("a burst with one wrong password pays for one hash, and each attempt of it is counted", .timeLimit(.minutes(5)))
  func wrongBurst() async throws {
    let authenticator = try authenticator()
    verifier.hold()
    var verdicts: [String: Int] = [:]
    await withTaskGroup(of: String.self) { group in
      for _ in 0..<50 {
        group.addTask { [home] in
          shown(await authenticator.verify(PasswordClaim(user: "app", password: Secret("x")), from: home))
        }
      }
      while await authenticator.waiting < 49 { await Task.yield() }
      verifier.releaseAll()
      for await verdict in group { verdicts[verdict, default: 0] += 1 }
    }
    #expect(verdicts == ["rejected": 10, "throttled until 900": 40])
    #expect(verifier.hashes.count == 1)
  }

  @Test("hashes at once and attempts that wait are bounded; more are told to come back", .timeLimit(.minutes(5)))
  func bounded() async throws {
    var limits = Authenticator.Limits()
    (limits.maximumConcurrentHashes, limits.maximumWaiting) = (2, 3)
    let authenticator = try authenticator(
      try (0..<10).map { try makeUser("u\($0)", hash: "plain:right") }, limits: limits)
    verifier.hold()
    var verdicts: [String] = []
    await withTaskGroup(of: String.self) { group in
      for number in 0..<5 {
        group.addTask { [home] in
          shown(await authenticator.verify(PasswordClaim(user: "u\(number)", password: Secret("right")), from: home))
        }
      }
      while await authenticator.waiting < 3 { await Task.yield() }
      for number in 5..<10 {
        #expect(shown(await authenticator.verify(claim("u\(number)", "right"), from: home)) == "unavailable")
      }
      var released = 0
      while released < 5 { if verifier.releaseOne() { released += 1 } else { await Task.yield() } }
      for await verdict in group { verdicts.append(verdict) }
    }
    #expect(verdicts.sorted() == (0..<5).map { "accepted u\($0)" })
    #expect(verifier.state.withLock { $0.mostRunning } == 2)
    #expect(await authenticator.waiting == 0)
    verifier.releaseAll()
    #expect(shown(await authenticator.verify(claim("u9", "right"), from: home)) == "accepted u9", "the turns came back")
  }

  @Test("AUTH-009: a verifier that can't tell is a temporary failure, and counts against nobody")
  func unavailable() async throws {
    let authenticator = try authenticator()
    verifier.state.withLock { $0.isBroken = true }
    for _ in 0..<30 { #expect(shown(await authenticator.verify(claim("app", "right"), from: home)) == "unavailable") }
    verifier.state.withLock { $0.isBroken = false }
    #expect(shown(await authenticator.verify(claim("app", "right"), from: home)) == "accepted app")
    #expect(clock.slept.isEmpty)
  }
}
