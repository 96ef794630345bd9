import MailSyntax
import Testing

@Suite struct SecretTests {
  @Test("Law 8: no description, dump or reflection of a secret shows it")
  func redacted() {
    let secret = Secret("hunter2")
    var dumped = ""
    dump(secret, to: &dumped)
    for shown in ["\(secret)", String(reflecting: secret), dumped, "\([secret])", "\(Optional(secret) as Any)"] {
      #expect(!shown.contains("hunter2") && !shown.contains("104"))
    }
  }

  @Test("secrets compare by content")
  func comparison() {
    #expect(Secret("a").isEqual(inConstantTimeTo: Secret("a")))
    #expect(!Secret("a").isEqual(inConstantTimeTo: Secret("b")))
    #expect(!Secret("a").isEqual(inConstantTimeTo: Secret("ab")))
    #expect(Secret("").isEmpty && !Secret("a").isEmpty)
    #expect(Secret("ab").withExposedBytes { $0 } == [97, 98])
  }
}
