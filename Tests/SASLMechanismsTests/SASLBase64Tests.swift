import Testing

@testable import SASLMechanisms

@Suite("base64 of SASL")
struct SASLBase64Tests {
  @Test(
    "every value has one spelling, and it reads back",
    arguments: [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
      ("foobar", "Zm9vYmFy"), ("Username:", "VXNlcm5hbWU6"), ("\u{1}", "AQ=="),
    ])
  func roundTrip(plain: String, text: String) throws {
    #expect(SASLBase64.encode(plain.utf8) == Array(text.utf8))
    #expect(try SASLBase64.decode(text.utf8) == Array(plain.utf8))
  }

  @Test("all octets survive at every length")
  func allOctets() throws {
    for length in 0...256 {
      let octets = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ length) }
      #expect(try SASLBase64.decode(SASLBase64.encode(octets)) == octets)
    }
  }

  @Test(
    "AUTH-007: padding in the middle, missing padding, blanks, line breaks and other alphabets are malformed",
    arguments: [
      "=AAA", "AAA=BBB", "AAA=BBBB", "A", "AA", "AAA", "AAAAA", "AA=", "A===", "====", "=", "AA==AA==", "AA=A",
      "AAA ", " AAA", "AAAA\r\n", "AA\nAA", "AA\tA", "AA-_", "AAA*", "AAAA====", "AAA\u{0}",
    ])
  func malformed(text: String) {
    #expect(throws: SASLBase64.Fault.malformed) { try SASLBase64.decode(text.utf8) }
  }

  @Test("AUTH-007: unused bits behind the last octet must be zero", arguments: ["Zh==", "Zm9=", "AB==", "AAB="])
  func trailingBits(text: String) {
    #expect(throws: SASLBase64.Fault.malformed) { try SASLBase64.decode(text.utf8) }
  }

  @Test("AUTH-008: 12288 octets are read and one more group is too long")
  func bound() throws {
    let most = [UInt8](repeating: UInt8(ascii: "A"), count: SASLBase64.maximumEncodedOctets)
    #expect(try SASLBase64.decode(most).count == 9216)
    #expect(throws: SASLBase64.Fault.tooLong) { try SASLBase64.decode(most + "AAAA".utf8) }
  }

  @Test("AUTH-004: a zero-length initial response is written = and only there does = mean so")
  func initialResponse() throws {
    #expect(SASLBase64.encodeInitialResponse([]) == [UInt8(ascii: "=")])
    #expect(SASLBase64.encodeInitialResponse([1]) == Array("AQ==".utf8))
    #expect(try SASLBase64.decodeInitialResponse("=".utf8).isEmpty)
    #expect(try SASLBase64.decodeInitialResponse("AQ==".utf8) == [1])
    #expect(throws: SASLBase64.Fault.malformed) { try SASLBase64.decodeInitialResponse("==".utf8) }
    #expect(throws: SASLBase64.Fault.malformed) { try SASLBase64.decode("=".utf8) }
  }
}
