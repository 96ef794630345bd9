internal import DequeModule
public import MailSyntax
public import SASLMechanisms

/// What is to be said to a client that tried to authenticate.
public enum AuthenticationVerdict: Sendable {
  /// 235 2.7.0.
  case accepted(User)
  /// 535 5.7.8: the one answer for an unknown user, a disabled user and a wrong password.
  case rejected
  /// 454 4.7.0: too many failures; attempts are looked at again from then on.
  case throttled(until: Uptime)
  /// 454 4.7.0: the hashes can't be computed now.
  case unavailable
}

/// Decides who is who: directory, password hashes, throttle and a short memory, behind one question.
///
/// An unknown user costs the same work as a known one: a decoy's hash is verified. At most `maximumConcurrentHashes`
/// are computed at once and `maximumWaiting` attempts wait; more are told to come back. Attempts with the same name and
/// password at the same time share one hash. The answer to a failure is held back as the throttle says, by the clock.
public actor Authenticator {
  public struct Limits: Hashable, Sendable {
    public var maximumConcurrentHashes = 2
    public var maximumWaiting = 256
    public init() {}
  }

  /// Random keys of at least 32 octets. That of the memory should be new with each process; that of the decoys must
  /// stay the same, else a restart shows by a changed salt who doesn't exist.
  public struct Keys: Sendable {
    public let recentPasswords: Secret
    public let scramDecoys: Secret
    public init(recentPasswords: Secret, scramDecoys: Secret) {
      self.recentPasswords = recentPasswords
      self.scramDecoys = scramDecoys
    }
  }

  public private(set) var directory: UserDirectory
  private let verifier: any PasswordVerifier
  private let decoyHash: PasswordHash
  private let decoy: SCRAMDecoy
  private let clock: any MailClock
  private let limits: Limits
  private var throttle: AuthenticationThrottle
  private var recent: RecentPasswords
  private var scramModel: SCRAMKeys?

  private var running = 0
  private var waitingForTurn: Deque<CheckedContinuation<Void, Never>> = []
  private var sharing: [[UInt8]: [CheckedContinuation<Outcome, Never>]] = [:]
  private var waitingTogether = 0

  /// `decoyHash` is the hash of a random password by the same verifier with the same cost as the users'.
  public init(
    directory: UserDirectory, verifier: any PasswordVerifier, decoyHash: PasswordHash, clock: any MailClock,
    keys: Keys, throttle: AuthenticationThrottle = AuthenticationThrottle(), limits: Limits = Limits()
  ) {
    invariant(limits.maximumConcurrentHashes > 0, "at least one hash can be computed")
    self.directory = directory
    self.verifier = verifier
    self.decoyHash = decoyHash
    decoy = SCRAMDecoy(secret: keys.scramDecoys)
    self.clock = clock
    self.throttle = throttle
    self.limits = limits
    recent = RecentPasswords(key: keys.recentPasswords)
    scramModel = directory.users.lazy.compactMap(\.scramKeys).first
  }

  /// Takes a new directory; what was remembered of the old one is forgotten.
  public func replace(_ directory: UserDirectory) {
    self.directory = directory
    recent.removeAll()
    scramModel = directory.users.lazy.compactMap(\.scramKeys).first
  }

  /// Attempts that wait for a turn or for another's hash: for the metrics.
  public var waiting: Int { waitingForTurn.count + waitingTogether }

  /// Judges a claim of PLAIN or LOGIN. May take seconds: the delay after a failure is part of it.
  public func verify(_ claim: PasswordClaim, from address: IPAddress) async -> AuthenticationVerdict {
    let name = UserName.fold(claim.user)
    let tag = recent.tag(name, claim.password)
    if let until = throttle.refusal(user: claim.user, address: address, at: clock.uptime) {
      return .throttled(until: until)
    }
    if recent.contains(name, tag: tag, at: clock.uptime), let user = usableUser(name) {
      throttle.trust(user: claim.user, address: address, at: clock.uptime)
      return .accepted(user)
    }
    let key = name + [0] + tag
    guard sharing[key] == nil else { return await share(key, claim.user, address) }
    switch throttle.admit(user: claim.user, address: address, at: clock.uptime) {
    case .refused(let until): return .throttled(until: until)
    case .admitted(let attempt):
      sharing[key] = []
      let outcome = await lead(name, tag, claim.password)
      for waiter in sharing.removeValue(forKey: key) ?? [] {
        waitingTogether -= 1
        waiter.resume(returning: outcome)
      }
      switch outcome {
      case .right(let user):
        throttle.succeeded(attempt, at: clock.uptime)
        return .accepted(user)
      case .wrong:
        await holdBack(throttle.failed(attempt, at: clock.uptime))
        return .rejected
      case .unavailable:
        throttle.withdrawn(attempt)
        return .unavailable
      }
    }
  }

  /// The keys SCRAM is to go on with. Where the attempt is throttled, or the user isn't there, disabled or without
  /// keys, they look like keys and fit no password; the verdict comes with `finishedSCRAM`.
  public func scramKeys(for user: String, from address: IPAddress) -> SCRAMKeys {
    let name = UserName.fold(user)
    guard let keys = usableUser(name)?.scramKeys else { return decoy.keys(for: name, like: scramModel) }
    guard throttle.refusal(user: user, address: address, at: clock.uptime) == nil else {
      return decoy.lock(name, salt: keys.salt, iterations: keys.iterations)
    }
    return keys
  }

  /// Judges a finished SCRAM exchange. May take seconds, as `verify`.
  ///
  /// `provenSalt` is of the keys that were proven, nil where none were. A password that was changed meanwhile has other
  /// keys: the old one ends at once.
  public func finishedSCRAM(
    user: String, provenSalt: [UInt8]?, from address: IPAddress
  ) async -> AuthenticationVerdict {
    switch throttle.admit(user: user, address: address, at: clock.uptime) {
    case .refused(let until): return .throttled(until: until)
    case .admitted(let attempt):
      guard let provenSalt, let found = usableUser(UserName.fold(user)), found.scramKeys?.salt == provenSalt else {
        await holdBack(throttle.failed(attempt, at: clock.uptime))
        return .rejected
      }
      throttle.succeeded(attempt, at: clock.uptime)
      return .accepted(found)
    }
  }
}

extension Authenticator {
  private enum Outcome {
    case right(User)
    case wrong
    case unavailable
  }

  private func usableUser(_ foldedName: [UInt8]) -> User? {
    guard let user = directory.user(folded: foldedName), !user.isDisabled else { return nil }
    return user
  }

  /// Computes one hash for all that ask the same while it runs.
  private func lead(_ name: [UInt8], _ tag: [UInt8], _ password: Secret) async -> Outcome {
    guard await takeTurn() else { return .unavailable }
    // The same work for a user that isn't there.
    let hash = usableUser(name)?.passwordHash ?? decoyHash
    let check = await verifier.verify(password, against: hash)
    passTurn()
    switch check {
    case .matches:
      // The directory may have changed meanwhile: what was verified must still be the user's.
      guard let user = usableUser(name), user.passwordHash == hash else { return .wrong }
      recent.insert(name, tag: tag, at: clock.uptime)
      return .right(user)
    case .differs: return .wrong
    case .unavailable: return .unavailable
    }
  }

  /// Waits for the hash another attempt is having computed for the same name and password.
  private func share(_ key: [UInt8], _ user: String, _ address: IPAddress) async -> AuthenticationVerdict {
    guard waitingTogether < limits.maximumWaiting, sharing[key] != nil else { return .unavailable }
    waitingTogether += 1
    let outcome = await withCheckedContinuation { sharing[key]?.append($0) }
    switch outcome {
    case .right(let user):
      throttle.trust(user: user.name.description, address: address, at: clock.uptime)
      return .accepted(user)
    case .wrong:
      switch throttle.admit(user: user, address: address, at: clock.uptime) {
      case .refused(let until): return .throttled(until: until)
      case .admitted(let attempt):
        await holdBack(throttle.failed(attempt, at: clock.uptime))
        return .rejected
      }
    case .unavailable: return .unavailable
    }
  }

  /// False where too many wait already. A turn that was taken must be passed.
  private func takeTurn() async -> Bool {
    guard running >= limits.maximumConcurrentHashes else {
      running += 1
      return true
    }
    guard waitingForTurn.count < limits.maximumWaiting else { return false }
    await withCheckedContinuation { waitingForTurn.append($0) }
    return true
  }

  private func passTurn() {
    if let next = waitingForTurn.popFirst() {
      next.resume()
    } else {
      running -= 1
    }
  }

  private func holdBack(_ delay: Duration) async {
    await clock.sleep(until: clock.uptime + delay)
  }
}
