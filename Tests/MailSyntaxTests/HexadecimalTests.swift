import MailSyntax
import Testing

@Suite("Hexadecimal")
struct HexadecimalTests {
  @Test("two digits for every octet, as the standard library writes them")
  func digits() {
    for octet in UInt8.min...UInt8.max {
      let plain = String(octet, radix: 16)
      #expect([octet].hexadecimal == (plain.count == 1 ? "0" + plain : plain))
    }
    #expect([UInt8]().hexadecimal.isEmpty)
    #expect([0x00, 0x1f, 0xff][...].hexadecimal == "001fff")
  }
}
