public import Accounts
internal import CArgon2
public import MailSyntax
public import NIOPosix

/// Password hashes by argon2id (RFC 9106) on libargon2, computed on a thread pool and never on an event loop.
///
/// Hashes are in the PHC string form, `$argon2id$v=19$m=…,t=…,p=…$salt$hash`; each carries its own cost, so a changed
/// `cost` holds for new hashes while the old ones still verify.
public struct Argon2idHasher: PasswordVerifier {
  /// How much work one hash is.
  public struct Cost: Hashable, Sendable {
    public let memoryKibibytes: UInt32
    public let passes: UInt32
    public let lanes: UInt32

    /// 19 MiB, two passes, one lane: about 33 ms on one core.
    public static let recommended = Cost(19 * 1024, 2, 1)

    /// `nil` outside of what libargon2 computes and `Argon2idHasher` allows: 8 KiB a lane up to
    /// `maximumMemoryKibibytes`, 1 to `maximumPasses`, 1 to `maximumLanes`.
    public init?(memoryKibibytes: Int, passes: Int, lanes: Int) {
      guard (1...Argon2idHasher.maximumLanes).contains(lanes), (1...Argon2idHasher.maximumPasses).contains(passes),
        (8 * lanes...Argon2idHasher.maximumMemoryKibibytes).contains(memoryKibibytes)
      else { return nil }
      self.init(UInt32(memoryKibibytes), UInt32(passes), UInt32(lanes))
    }

    private init(_ memoryKibibytes: UInt32, _ passes: UInt32, _ lanes: UInt32) {
      self.memoryKibibytes = memoryKibibytes
      self.passes = passes
      self.lanes = lanes
    }
  }

  /// A hash in the file of users that asks for more than this is never computed.
  public static let maximumMemoryKibibytes = 1 << 20
  public static let maximumPasses = 64
  public static let maximumLanes = 16
  static let saltOctets = 16
  static let hashOctets = 32

  private let pool: NIOThreadPool
  private let cost: Cost

  /// The pool belongs to the caller, who starts it before and stops it after. Its threads bound how many hashes are
  /// computed at once; each takes the cost's memory while it runs.
  public init(pool: NIOThreadPool, cost: Cost = .recommended) {
    self.pool = pool
    self.cost = cost
  }

  public func verify(_ password: Secret, against hash: PasswordHash) async -> PasswordCheck {
    guard EncodedHash.cost(of: hash.encoded) != nil else { return .unavailable }
    let answer = try? await pool.runIfActive {
      password.withExposedBytes { check(argon2id_verify(hash.encoded, $0, $0.count)) }
    }
    return answer ?? .unavailable
  }

  public func hash(_ password: Secret) async throws(PasswordHashingFault) -> PasswordHash {
    var random = SystemRandomNumberGenerator()
    let salt = (0..<Argon2idHasher.saltOctets).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    let encoded = try? await pool.runIfActive { [cost] in
      password.withExposedBytes { encode($0, salt: salt, cost: cost) }
    }
    guard let encoded, let hash = PasswordHash(encoded: encoded) else { throw .unavailable }
    return hash
  }
}

/// Only a mismatch says that the password is wrong. A hash that can't be computed for want of memory, or can't be read,
/// says nothing of the password.
private func check(_ code: Int32) -> PasswordCheck {
  switch code {
  case ARGON2_OK.rawValue: .matches
  case ARGON2_VERIFY_MISMATCH.rawValue: .differs
  case _: .unavailable
  }
}

/// `nil` where libargon2 couldn't: out of memory.
private func encode(_ password: [UInt8], salt: [UInt8], cost: Argon2idHasher.Cost) -> String? {
  let length = argon2_encodedlen(
    cost.passes, cost.memoryKibibytes, cost.lanes, UInt32(salt.count), UInt32(Argon2idHasher.hashOctets), Argon2_id)
  var text = [CChar](repeating: 0, count: length)
  let code = argon2id_hash_encoded(
    cost.passes, cost.memoryKibibytes, cost.lanes, password, password.count, salt, salt.count,
    Argon2idHasher.hashOctets, &text, text.count)
  guard code == ARGON2_OK.rawValue else { return nil }
  return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
