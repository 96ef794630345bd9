import Accounts
import MailSyntax
import NIOPosix
import Testing

@testable import PasswordHashing

@Suite("argon2id on a thread pool")
struct Argon2idHasherTests {
  private static let cheap = Argon2idHasher.Cost(memoryKibibytes: 64, passes: 1, lanes: 1)!

  private func withHasher<Result>(
    _ cost: Argon2idHasher.Cost = cheap, _ body: (Argon2idHasher) async throws -> Result
  ) async throws -> Result {
    let pool = NIOThreadPool(numberOfThreads: 1)
    pool.start()
    do {
      let result = try await body(Argon2idHasher(pool: pool, cost: cost))
      try await pool.shutdownGracefully()
      return result
    } catch {
      try await pool.shutdownGracefully()
      throw error
    }
  }

  @Test("a password verifies against its own hash and no other does")
  func roundTrip() async throws {
    try await withHasher { hasher in
      let hash = try await hasher.hash(Secret("tanstaaftanstaaf"))
      #expect(await hasher.verify(Secret("tanstaaftanstaaf"), against: hash) == .matches)
      for other in ["tanstaaftanstaa", "tanstaaftanstaaf ", "Tanstaaftanstaaf", "", "tanstaaftanstaaf\0"] {
        #expect(await hasher.verify(Secret(other), against: hash) == .differs, "\(other)")
      }
    }
  }

  @Test("the recommended cost stands in the hash, in PHC form, and two hashes of one password differ by their salts")
  func form() async throws {
    try await withHasher(.recommended) { hasher in
      let (one, other) = (try await hasher.hash(Secret("pencil")), try await hasher.hash(Secret("pencil")))
      #expect(one.encoded.hasPrefix("$argon2id$v=19$m=19456,t=2,p=1$") && one.encoded.utf8.count == 97)
      #expect(one != other)
      #expect(await hasher.verify(Secret("pencil"), against: other) == .matches)
    }
  }

  @Test("a hash of the reference implementation verifies")
  func knownAnswer() async throws {
    // From the test suite of the reference implementation: argon2id, "password" with "somesalt", t=2, m=2^16, p=1.
    let hash = try #require(
      PasswordHash(encoded: "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"))
    try await withHasher { hasher in
      #expect(await hasher.verify(Secret("password"), against: hash) == .matches)
      #expect(await hasher.verify(Secret("passwore"), against: hash) == .differs)
    }
  }

  @Test("a password of any octets is hashed whole, past a NUL too")
  func anyOctets() async throws {
    try await withHasher { hasher in
      let hash = try await hasher.hash(Secret([0, 1, 0, 255]))
      #expect(await hasher.verify(Secret([0, 1, 0, 255]), against: hash) == .matches)
      #expect(await hasher.verify(Secret([0, 1, 0, 254]), against: hash) == .differs)
      #expect(await hasher.verify(Secret([0]), against: hash) == .differs)
    }
  }

  @Test(
    "a hash that can't be read, is of another kind, or costs more than is allowed says nothing of the password",
    arguments: [
      "x", "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1a",
      "$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1a",
      "$argon2id$v=19$m=1048577,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1a",
      "$argon2id$v=19$m=64,t=65,p=1$c29tZXNhbHQ$CTFhFdXPJO1a",
      "$argon2id$v=19$m=999,t=1,p=17$c29tZXNhbHQ$CTFhFdXPJO1a", "$argon2id$v=19$m=7,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1a",
      "$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$CTFhFdXPJO1a", "$argon2id$v=19$m=-64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1a",
      "$argon2id$v=19$t=1,m=64,p=1$c29tZXNhbHQ$CTFhFdXPJO1a", "$argon2id$v=19$m=64,t=1,p=1$$",
      "$argon2id$v=19$m=64,t=1,p=1$c29t",
      "$argon2id$v=19$m=64,t=1,p=1$*$*", "$2b$12$abcdefghijklmnopqrstuv",
      "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFh$x",
    ])
  func unusable(text: String) async throws {
    let hash = try #require(PasswordHash(encoded: text))
    try await withHasher { #expect(await $0.verify(Secret("password"), against: hash) == .unavailable) }
  }

  @Test("without a running pool nothing is said")
  func stopped() async throws {
    let pool = NIOThreadPool(numberOfThreads: 1)
    pool.start()
    let hash = try await Argon2idHasher(pool: pool, cost: Self.cheap).hash(Secret("x"))
    try await pool.shutdownGracefully()
    #expect(await Argon2idHasher(pool: pool).verify(Secret("x"), against: hash) == .unavailable)
    await #expect(throws: PasswordHashingFault.unavailable) { try await Argon2idHasher(pool: pool).hash(Secret("x")) }
  }

  @Test("costs that libargon2 or we don't allow can't be made")
  func costs() {
    #expect(Argon2idHasher.Cost(memoryKibibytes: 7, passes: 1, lanes: 1) == nil)
    #expect(Argon2idHasher.Cost(memoryKibibytes: 64, passes: 0, lanes: 1) == nil)
    #expect(Argon2idHasher.Cost(memoryKibibytes: 64, passes: 1, lanes: 0) == nil)
    #expect(Argon2idHasher.Cost(memoryKibibytes: Argon2idHasher.maximumMemoryKibibytes + 1, passes: 1, lanes: 1) == nil)
    #expect(Argon2idHasher.Cost(memoryKibibytes: 19_456, passes: 2, lanes: 1) == .recommended)
  }
}
