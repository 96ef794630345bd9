import MailSyntax
import SASLMechanisms
import Testing

@testable import Accounts

func makeUser(
  _ name: String, hash: String = "hash", keys: SCRAMKeys? = nil, senders: [String] = ["*"],
  quota: QuotaLimits = QuotaLimits(), isDisabled: Bool = false
) throws -> User {
  User(
    name: try UserName(name), passwordHash: try #require(PasswordHash(encoded: hash)), scramKeys: keys,
    senders: try SenderRights(senders.map { try SenderPattern($0) }), quota: quota, isDisabled: isDisabled)
}

/// SplitMix64, so that tests replay.
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }
}

func seconds(_ count: Int64) -> Uptime { Uptime(nanoseconds: count * 1_000_000_000) }

@Suite("users and their names")
struct UserTests {
  private let keys = SCRAMKeys(
    salt: [1], iterations: 4096, storedKey: Secret([UInt8](repeating: 1, count: 32)),
    serverKey: Secret([UInt8](repeating: 2, count: 32)))

  @Test("a name is found in any case of A to Z, and in no other disguise")
  func lookUp() throws {
    let directory = try UserDirectory([try makeUser("App@Example.org"), try makeUser("jürgen"), try makeUser("Ärger")])
    #expect(directory.user(named: "app@example.ORG")?.name.description == "App@Example.org")
    #expect(directory.user(named: "JürGEN") != nil)
    #expect(directory.user(named: "ärger") == nil, "only A to Z fold")
    #expect(directory.user(named: "ju\u{308}rgen") == nil, "canonically equivalent, other octets")
    for other in ["", "app", "app@example.org ", "app@example.orgx", String(repeating: "x", count: 5000)] {
      #expect(directory.user(named: other) == nil, "\(other)")
    }
  }

  @Test("two users can't differ by case alone")
  func duplicates() throws {
    #expect(throws: UserFault.duplicateName(try UserName("app"))) {
      try UserDirectory([try makeUser("app"), try makeUser("APP")])
    }
  }

  @Test(
    "a name that SASL would refuse is none", arguments: ["", "a\u{0}b", "a\nb", String(repeating: "n", count: 256)])
  func badNames(name: String) { #expect(throws: UserFault.badName) { try UserName(name) } }

  @Test("users stand in the order of their names, whatever order they came in")
  func order() throws {
    let names = ["b", "C", "a", "á"]
    let directory = try UserDirectory(names.map { try makeUser($0) })
    #expect(directory.users.map(\.name.description) == ["a", "b", "C", "á"])
    #expect(
      try UserDirectory(names.reversed().map { try makeUser($0) }).users.map(\.name) == directory.users.map(\.name))
  }

  @Test("SCRAM may be offered only when there are users and each has keys")
  func everyUserHasKeys() throws {
    #expect(!UserDirectory.empty.everyUserHasSCRAMKeys)
    #expect(try UserDirectory([try makeUser("a", keys: keys)]).everyUserHasSCRAMKeys)
    #expect(try !UserDirectory([try makeUser("a", keys: keys), try makeUser("b")]).everyUserHasSCRAMKeys)
  }

  @Test("setting replaces or adds, removing tells whether there was one")
  func changes() throws {
    let one = try UserDirectory([try makeUser("a", hash: "old")])
    let changed = try one.setting(try makeUser("A", hash: "new")).setting(try makeUser("b"))
    #expect(changed.users.map(\.name.description) == ["A", "b"])
    #expect(changed.user(named: "a")?.passwordHash.encoded == "new")
    #expect(changed.removing(try UserName("B"))?.users.count == 1)
    #expect(changed.removing(try UserName("c")) == nil)
  }

  @Test("no hash and no key shows in a description or a dump")
  func redacted() throws {
    let user = try makeUser("a", hash: "$argon2id$very-secret", keys: keys)
    var dumped = ""
    dump(user, to: &dumped)
    let hash = user.passwordHash
    for text in ["\(user)", String(reflecting: user), dumped, "\(hash)", String(reflecting: hash)] {
      #expect(!text.contains("very-secret"))
    }
  }

  @Test("a random password is 26 letters and digits of 130 bits, and no two are the same")
  func randomPasswords() {
    var random = Seeded(state: 1)
    var seen: Set<String> = []
    for _ in 0..<500 {
      let text = RandomPassword.make(using: &random).withExposedBytes { String(decoding: $0, as: UTF8.self) }
      #expect(text.utf8.count == 26)
      #expect(text.allSatisfy { "0123456789abcdefghjkmnpqrstvwxyz".contains($0) })
      seen.insert(text)
    }
    #expect(seen.count == 500)
    // Every one of the 26 places takes every one of the 32 characters.
    for place in 0..<26 { #expect(Set(seen.map { Array($0)[place] }).count == 32, "\(place)") }
  }
}
