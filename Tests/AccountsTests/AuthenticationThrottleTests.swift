import MailSyntax
import Testing

@testable import Accounts

@Suite("throttle of failed authentication")
struct AuthenticationThrottleTests {
  private let home = IPAddress.v4(0xc000_0201)
  private let attackers = (0..<200).map { IPAddress.v4(0xcb00_7100 + UInt32($0)) }

  /// Fails once; the delay, or nil where the attempt was refused.
  private func fail(
    _ throttle: inout AuthenticationThrottle, _ user: String, _ address: IPAddress, _ now: Uptime
  ) -> Duration? {
    guard case .admitted(let attempt) = throttle.admit(user: user, address: address, at: now) else { return nil }
    return throttle.failed(attempt, at: now)
  }

  private func succeed(
    _ throttle: inout AuthenticationThrottle, _ user: String, _ address: IPAddress, _ now: Uptime
  ) -> Bool {
    guard case .admitted(let attempt) = throttle.admit(user: user, address: address, at: now) else { return false }
    throttle.succeeded(attempt, at: now)
    return true
  }

  @Test("each failure is answered later than the last, up to a bound; then attempts are refused until the window ends")
  func delays() {
    var throttle = AuthenticationThrottle()
    var delays: [Duration?] = []
    for second in 0..<11 { delays.append(fail(&throttle, "app", home, seconds(Int64(second)))) }
    #expect(delays == [1, 2, 4, 8, 16, 16, 16, 16, 16, 16].map { .seconds($0) } + [nil])
    #expect(throttle.refusal(user: "APP", address: home, at: seconds(11)) == seconds(900))
    #expect(throttle.admit(user: "app", address: home, at: seconds(899)) == .refused(until: seconds(900)))
    #expect(fail(&throttle, "app", home, seconds(900)) == .seconds(1))
  }

  @Test("AUTH-019: three failures are let be")
  func three() {
    var throttle = AuthenticationThrottle()
    for _ in 0..<3 { #expect(fail(&throttle, "app", home, seconds(0)) != nil) }
    #expect(throttle.refusal(user: "app", address: home, at: seconds(0)) == nil)
  }

  @Test("a user is guarded from guesses out of many addresses")
  func byUser() {
    var throttle = AuthenticationThrottle()
    let admitted = attackers.filter { fail(&throttle, "app", $0, seconds(1)) != nil }
    #expect(admitted.count == 10)
    #expect(throttle.refusal(user: "other", address: attackers[0], at: seconds(2)) == nil)
  }

  @Test("an address is stopped that tries many names")
  func byAddress() {
    var throttle = AuthenticationThrottle()
    let tried = (0..<100).filter { fail(&throttle, "user\($0)", home, seconds(1)) != nil }
    #expect(tried.count == 20)
    #expect(throttle.refusal(user: "app", address: attackers[0], at: seconds(2)) == nil)
  }

  @Test("attempts made at once can't outrun the count")
  func atOnce() {
    var throttle = AuthenticationThrottle()
    var attempts: [AuthenticationThrottle.Attempt] = []
    for address in attackers {
      if case .admitted(let attempt) = throttle.admit(user: "app", address: address, at: seconds(1)) {
        attempts.append(attempt)
      }
    }
    #expect(attempts.count == 10)
    // One that succeeds, and one that came to nothing, give their places back.
    throttle.succeeded(attempts[0], at: seconds(2))
    throttle.withdrawn(attempts[1])
    #expect(fail(&throttle, "app", attackers[50], seconds(2)) != nil)
    #expect(fail(&throttle, "app", attackers[51], seconds(2)) != nil)
    #expect(fail(&throttle, "app", attackers[52], seconds(2)) == nil)
  }

  @Test("others' guesses don't lock a user out where they have lately succeeded")
  func trustedPair() {
    var throttle = AuthenticationThrottle()
    #expect(succeed(&throttle, "app", home, seconds(1)))
    for address in attackers { _ = fail(&throttle, "app", address, seconds(2)) }
    for number in 0..<100 { _ = fail(&throttle, "user\(number)", home, seconds(2)) }
    #expect(throttle.refusal(user: "app", address: attackers[150], at: seconds(3)) != nil)
    #expect(throttle.refusal(user: "other", address: home, at: seconds(3)) != nil)
    #expect(throttle.refusal(user: "app", address: home, at: seconds(3)) == nil)
    #expect(succeed(&throttle, "app", home, seconds(3)))
  }

  @Test("a trusted pair has a count of its own, and success doesn't wipe it")
  func trustedPairCounts() {
    var throttle = AuthenticationThrottle()
    #expect(succeed(&throttle, "app", home, seconds(1)))
    for step in 0..<9 {
      #expect(fail(&throttle, "app", home, seconds(2)) == min(.seconds(16), .seconds(1 << step)))
      #expect(succeed(&throttle, "app", home, seconds(2)))
    }
    #expect(fail(&throttle, "app", home, seconds(3)) != nil)
    #expect(fail(&throttle, "app", home, seconds(3)) == nil)
    #expect(!succeed(&throttle, "app", home, seconds(4)))
    #expect(succeed(&throttle, "app", home, seconds(902)))
  }

  @Test("somebody with an account can't wipe an address's count with it")
  func noReset() {
    var throttle = AuthenticationThrottle()
    var guesses = 0
    for number in 0..<100 {
      _ = succeed(&throttle, "mine", home, seconds(1))
      if fail(&throttle, "victim\(number)", home, seconds(1)) != nil { guesses += 1 }
    }
    #expect(guesses == 20)
  }

  @Test("trust ends")
  func trustEnds() {
    var limits = AuthenticationThrottle.Limits()
    limits.trust = .seconds(60)
    var throttle = AuthenticationThrottle(limits: limits)
    #expect(succeed(&throttle, "app", home, seconds(0)))
    for address in attackers { _ = fail(&throttle, "app", address, seconds(1)) }
    #expect(throttle.refusal(user: "app", address: home, at: seconds(59)) == nil)
    #expect(throttle.refusal(user: "app", address: home, at: seconds(60)) == seconds(901))
  }

  @Test("an IPv6 /64 is one address, and a mapped IPv4 address is that IPv4 address")
  func blocks() {
    #expect(AddressBlock(.v6(high: 1, low: 2)) == AddressBlock(.v6(high: 1, low: 3)))
    #expect(AddressBlock(.v6(high: 1, low: 2)) != AddressBlock(.v6(high: 2, low: 2)))
    #expect(AddressBlock(.v6(high: 0, low: 0xffff_c000_0201)) == AddressBlock(home))
    #expect(AddressBlock(.v6(high: 0, low: 0xfffe_c000_0201)) != AddressBlock(home))
    #expect(AddressBlock(attackers[0]) != AddressBlock(attackers[1]))
  }

  @Test("memory is bounded: strangers push out the oldest, not the latest")
  func bounded() {
    var limits = AuthenticationThrottle.Limits()
    limits.maximumEntries = 100
    var throttle = AuthenticationThrottle(limits: limits)
    for address in attackers { _ = fail(&throttle, "app", address, seconds(1)) }
    for number in 0..<99 { _ = fail(&throttle, "user\(number)", attackers[number], seconds(2)) }
    #expect(throttle.refusal(user: "app", address: home, at: seconds(3)) != nil)
    _ = fail(&throttle, "one-more", attackers[150], seconds(3))
    #expect(throttle.refusal(user: "app", address: home, at: seconds(3)) == nil)
  }
}
