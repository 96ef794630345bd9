public import MailSyntax

/// Slows down guessing: failures are counted by address and by user within a window, each answer to a failure is
/// delayed longer than the last, and past a limit attempts are refused unseen (454 4.7.0) until the window ends.
///
/// An attempt counts against its user from its start, so that attempts made at once can't outrun the count. Where a
/// user has lately succeeded from an address, that pair has a count of its own: others' guesses don't lock the user out
/// there, nor do neighbours behind the same address. Success wipes no count, else somebody with an account could guess
/// for ever. Bounded: `Limits.maximumEntries` each; what was touched longest ago makes room.
public struct AuthenticationThrottle: Sendable {
  public struct Limits: Hashable, Sendable {
    public var window: Duration = .seconds(900)
    public var initialDelay: Duration = .seconds(1)
    /// Doubling stops here: longer would outlast clients' patience and hold sessions open.
    public var maximumDelay: Duration = .seconds(16)
    /// RFC 4954 §9: at least three attempts are let be.
    public var failuresByUser = 10
    public var failuresByAddress = 20
    /// For how long a success makes a pair known.
    public var trust: Duration = .seconds(7 * 86_400)
    public var maximumEntries = 65_536
    public init() {}
  }

  /// An attempt that was let through; end it by `failed`, `succeeded` or `withdrawn`.
  public struct Attempt: Hashable, Sendable {
    fileprivate let user: [UInt8]
    fileprivate let block: AddressBlock
    fileprivate let isTrusted: Bool
    /// The user's or pair's window that was charged.
    fileprivate let window: Uptime
  }

  public enum Admission: Hashable, Sendable {
    case admitted(Attempt)
    case refused(until: Uptime)
  }

  private let limits: Limits
  private var users: RecencyTable<[UInt8], Tally>
  private var addresses: RecencyTable<AddressBlock, Tally>
  private var pairs: RecencyTable<Pair, TrustedPair>

  public init(limits: Limits = Limits()) {
    invariant(limits.failuresByUser >= 3 && limits.failuresByAddress >= 3, "three failures are let be (RFC 4954 §9)")
    self.limits = limits
    users = RecencyTable(capacity: limits.maximumEntries)
    addresses = RecencyTable(capacity: limits.maximumEntries)
    pairs = RecencyTable(capacity: limits.maximumEntries)
  }

  /// Until when attempts are refused; `nil` where one would be let through. Charges nothing.
  public func refusal(user: String, address: IPAddress, at now: Uptime) -> Uptime? {
    let (user, block) = (UserName.fold(user), AddressBlock(address))
    if let pair = trusted(user, block, at: now) {
      return pair.tally.refusal(over: limits.failuresByUser, limits.window, at: now)
    }
    let byUser = users.value(for: user)?.refusal(over: limits.failuresByUser, limits.window, at: now)
    let byAddress = addresses.value(for: block)?.refusal(over: limits.failuresByAddress, limits.window, at: now)
    return [byUser, byAddress].compactMap { $0 }.max()
  }

  /// Lets an attempt through and charges it to its user, or refuses it.
  public mutating func admit(user: String, address: IPAddress, at now: Uptime) -> Admission {
    if let until = refusal(user: user, address: address, at: now) { return .refused(until: until) }
    let (user, block) = (UserName.fold(user), AddressBlock(address))
    if var pair = trusted(user, block, at: now) {
      pair.tally.charge(limits.window, at: now)
      pairs.set(pair, for: Pair(user: user, block: block))
      return .admitted(Attempt(user: user, block: block, isTrusted: true, window: pair.tally.start))
    }
    var tally = users.value(for: user) ?? Tally(start: now)
    tally.charge(limits.window, at: now)
    users.set(tally, for: user)
    return .admitted(Attempt(user: user, block: block, isTrusted: false, window: tally.start))
  }

  /// The attempt failed: how long its answer is to be held back.
  public mutating func failed(_ attempt: Attempt, at now: Uptime) -> Duration {
    var tally = addresses.value(for: attempt.block) ?? Tally(start: now)
    tally.charge(limits.window, at: now)
    addresses.set(tally, for: attempt.block)
    let own =
      attempt.isTrusted
      ? pairs.value(for: Pair(user: attempt.user, block: attempt.block))?.tally : users.value(for: attempt.user)
    let failures = attempt.isTrusted ? own?.failures ?? 1 : max(own?.failures ?? 1, tally.failures)
    return limits.delay(after: failures)
  }

  /// The attempt succeeded: its charge is taken back, and the user is known at the address.
  public mutating func succeeded(_ attempt: Attempt, at now: Uptime) {
    withdrawn(attempt)
    trust(attempt.user, attempt.block, at: now)
  }

  /// The attempt came to no end, by no fault of the peer.
  public mutating func withdrawn(_ attempt: Attempt) {
    if attempt.isTrusted {
      let key = Pair(user: attempt.user, block: attempt.block)
      guard var pair = pairs.value(for: key) else { return }
      pair.tally.takeBack(from: attempt.window)
      pairs.set(pair, for: key)
    } else {
      guard var tally = users.value(for: attempt.user) else { return }
      tally.takeBack(from: attempt.window)
      // A clean slate needs no place: who always succeeds pushes nobody out.
      if tally.failures == 0 { users.remove(attempt.user) } else { users.set(tally, for: attempt.user) }
    }
  }

  /// The user proved itself without an attempt of its own: a password seen lately, or an attempt shared with another.
  public mutating func trust(user: String, address: IPAddress, at now: Uptime) {
    trust(UserName.fold(user), AddressBlock(address), at: now)
  }

  private mutating func trust(_ user: [UInt8], _ block: AddressBlock, at now: Uptime) {
    let key = Pair(user: user, block: block)
    let tally = pairs.value(for: key)?.tally ?? Tally(start: now)
    pairs.set(TrustedPair(until: now + limits.trust, tally: tally), for: key)
  }

  private func trusted(_ user: [UInt8], _ block: AddressBlock, at now: Uptime) -> TrustedPair? {
    guard let pair = pairs.value(for: Pair(user: user, block: block)), now < pair.until else { return nil }
    return pair
  }
}

extension AuthenticationThrottle.Limits {
  /// 1 s, 2 s, 4 s … up to `maximumDelay`.
  func delay(after failures: Int) -> Duration {
    min(maximumDelay, initialDelay * (1 << min(max(failures - 1, 0), 20)))
  }
}

/// What failures are counted by: one IPv4 address, or the IPv6 /64 that one subscriber has at the least.
enum AddressBlock: Hashable, Sendable {
  case v4(UInt32)
  case v6(UInt64)

  init(_ address: IPAddress) {
    switch address {
    case .v4(let value): self = .v4(value)
    // RFC 4291 §2.5.5.2: an IPv4 peer of a dual-stack socket is the same peer.
    case .v6(high: 0, let low) where low >> 32 == 0xffff: self = .v4(UInt32(truncatingIfNeeded: low))
    case .v6(let high, _): self = .v6(high)
    }
  }
}

private struct Pair: Hashable, Sendable {
  let user: [UInt8]
  let block: AddressBlock
}

private struct TrustedPair: Sendable {
  let until: Uptime
  var tally: Tally
}

/// Failures since `start`; forgotten when the window has passed.
private struct Tally: Sendable {
  var start: Uptime
  var failures = 0

  init(start: Uptime) { self.start = start }

  mutating func charge(_ window: Duration, at now: Uptime) {
    if failures == 0 || now >= start + window { self = Tally(start: now) }
    failures += 1
  }

  mutating func takeBack(from window: Uptime) {
    if start == window, failures > 0 { failures -= 1 }
  }

  func refusal(over limit: Int, _ window: Duration, at now: Uptime) -> Uptime? {
    let end = start + window
    return failures >= limit && now < end ? end : nil
  }
}
