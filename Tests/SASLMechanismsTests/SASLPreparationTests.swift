import MailSyntax
import Testing

@testable import SASLMechanisms

@Suite("preparation of names and passwords")
struct SASLPreparationTests {
  @Test(
    "RFC 4013 §3: the examples that need no NFKC come out as the RFC prints them",
    arguments: [("I\u{AD}X", "IX"), ("user", "user"), ("USER", "USER")])
  func examples(given: String, prepared: String) throws {
    #expect(try SASLPreparation.name(given.utf8) == prepared)
  }

  @Test(
    "non-ASCII spaces become a space and the invisible becomes nothing",
    arguments: [("a\u{A0}b", "a b"), ("a\u{3000}b", "a b"), ("a\u{200B}b", "a b"), ("a\u{FEFF}b\u{FE0F}", "ab")])
  func mapped(given: String, prepared: String) throws {
    #expect(try SASLPreparation.name(given.utf8).utf8.elementsEqual(prepared.utf8))
  }

  @Test("compatibility forms are left as they are: this is where we stop short of RFC 4013 §2.2")
  func noNormalisation() throws {
    #expect(try SASLPreparation.name("\u{AA}".utf8) == "\u{AA}")
    #expect(try SASLPreparation.name("e\u{301}".utf8).utf8.elementsEqual("e\u{301}".utf8))
  }

  @Test(
    "SCRAM-011, AUTH-015: every prohibited table is refused",
    arguments: [
      0x00, 0x0a, 0x1f, 0x7f, 0x80, 0x9f, 0x6dd, 0x70f, 0x180e, 0x2028, 0x2061, 0x1d173, 0xe000, 0xf8ff, 0xf0000,
      0x10fffd, 0xfffe, 0xffff, 0x1fffe, 0x10ffff, 0xfdd0, 0xfff9, 0xfffd, 0x2ff0, 0x340, 0x200e, 0x202e, 0x206f,
      0xe0001, 0xe007f,
    ] as [UInt32])
  func prohibited(scalar: UInt32) throws {
    let text = "a" + String(try #require(Unicode.Scalar(scalar))) + "b"
    #expect(throws: SASLFault.rejected) { try SASLPreparation.name(text.utf8) }
    #expect(throws: SASLFault.rejected) { try SASLPreparation.password(text.utf8) }
  }

  @Test("a secret's preparation is the same as its bytes'")
  func secret() throws {
    let prepared = try SASLPreparation.password(Secret("a\u{A0}b"))
    #expect(prepared.isEqual(inConstantTimeTo: Secret("a b")))
    #expect(throws: SASLFault.rejected) { try SASLPreparation.password(Secret("")) }
  }
}
