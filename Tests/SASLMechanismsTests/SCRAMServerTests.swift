import MailSyntax
import Testing

@testable import SASLMechanisms

/// RFC 7677 §3: user "user", password "pencil".
enum RFC7677 {
  static let clientNonce = "rOprNGfwEbeRWgbNEkqO"
  static let serverNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
  static let clientFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
  static let serverFirst = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
  static let clientFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
  static let serverFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
  /// W22ZaJ0SNY7soEsUEjb6gQ==
  static let salt: [UInt8] = [
    0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81,
  ]
  static let keys = SCRAMKeys.derive(
    password: Secret("pencil"), salt: salt, iterations: 4096)
}

@Suite("SCRAM-SHA-256, server side")
struct SCRAMServerTests {
  /// The steps of a whole exchange, with the vector's nonce and keys.
  private func steps(_ first: String, _ last: String? = nil) throws -> [String] {
    var exchange = try exchange(.scramSHA256, nonce: RFC7677.serverNonce)
    var steps = [shown(exchange.start(initialResponse: Array(first.utf8)))]
    guard let last, steps[0].hasPrefix("keys") else { return steps }
    steps.append(shown(exchange.receive(keys: RFC7677.keys)))
    steps.append(shown(exchange.receive(Array(last.utf8))))
    guard steps[2].hasPrefix("challenge") else { return steps }
    steps.append(shown(exchange.receive([])))
    return steps
  }

  @Test("SCRAM-003: RFC 7677 §3's exchange comes out octet for octet")
  func vector() throws {
    #expect(
      try steps(RFC7677.clientFirst, RFC7677.clientFinal) == [
        "keys of user", "challenge " + RFC7677.serverFirst, "challenge " + RFC7677.serverFinal, "finished user true",
      ])
  }

  @Test("without an initial response the client's first message answers an empty challenge")
  func noInitialResponse() throws {
    var exchange = try exchange(.scramSHA256)
    #expect(shown(exchange.start(initialResponse: nil)) == "challenge ")
    #expect(shown(exchange.receive(Array(RFC7677.clientFirst.utf8))) == "keys of user")
    #expect(shown(exchange.receive([])) == "malformed")
  }

  @Test("the last response is empty, or the exchange has failed")
  func acknowledgement() throws {
    var exchange = try exchange(.scramSHA256, nonce: RFC7677.serverNonce)
    _ = exchange.start(initialResponse: Array(RFC7677.clientFirst.utf8))
    _ = exchange.receive(keys: RFC7677.keys)
    #expect(shown(exchange.receive(Array(RFC7677.clientFinal.utf8))) == "challenge " + RFC7677.serverFinal)
    #expect(shown(exchange.receive([1])) == "malformed")
    #expect(shown(exchange.receive([])) == "malformed")
  }

  @Test(
    "SCRAM-002, SCRAM-005: the first message",
    arguments: [
      ("n,,n=user,r=abc", "keys of user"), ("y,,n=user,r=abc", "keys of user"),
      ("n,a=user,n=user,r=abc", "keys of user"), ("n,a=other,n=user,r=abc", "rejected"),
      ("n,a=u=2Cs,n=u=2Cs,r=abc", "keys of u,s"), ("n,,n=a=3Db=2Cc,r=abc", "keys of a=b,c"),
      ("n,,n=user,r=abc,x=1,y=z=z", "keys of user"), ("n,,n=user,r=abc,x=", "keys of user"),
      ("p=tls-exporter,,n=user,r=abc", "rejected"), ("p,,n=user,r=abc", "malformed"),
      ("x,,n=user,r=abc", "malformed"), ("N,,n=user,r=abc", "malformed"), (",,n=user,r=abc", "malformed"),
      ("ny,,n=user,r=abc", "malformed"), ("n,user,n=user,r=abc", "malformed"), ("n,a=,n=user,r=abc", "rejected"),
      ("n,,m=ext,n=user,r=abc", "rejected"), ("n,,n=a=b,r=abc", "malformed"), ("n,,n=a=2,r=abc", "malformed"),
      ("n,,n=a=2c,r=abc", "malformed"), ("n,,n=a=,r=abc", "malformed"), ("n,,n=,r=abc", "rejected"),
      ("n,,n=user,r=", "malformed"), ("n,,n=user", "malformed"), ("n,,r=abc,n=user", "malformed"),
      ("n,,n=user,r=a c", "malformed"), ("n,,n=user,r=abc,", "malformed"), ("n,,n=user,r=abc,xx", "malformed"),
      ("n,,n=us\u{7}er,r=abc", "rejected"), ("n,,n=user,r=abc,1=x", "malformed"), ("", "malformed"), ("n", "malformed"),
      ("n,", "malformed"), ("n,,", "malformed"),
    ])
  func clientFirst(message: String, expected: String) throws {
    #expect(try steps(message) == [expected])
  }

  @Test("names, nonces, messages and lists of attributes are bounded")
  func bounds() throws {
    let nonce = String(repeating: "r", count: SCRAMNonce.maximumOctets)
    #expect(try steps("n,,n=user,r=\(nonce)") == ["keys of user"])
    #expect(try steps("n,,n=user,r=\(nonce)r") == ["malformed"])
    #expect(try steps("n,,n=\(String(repeating: "u", count: 256)),r=abc") == ["rejected"])
    #expect(try steps("n,,n=user,r=abc" + String(repeating: ",x=1", count: 14)) == ["keys of user"])
    #expect(try steps("n,,n=user,r=abc" + String(repeating: ",x=1", count: 15)) == ["malformed"])
    #expect(try steps("n,,n=user,r=abc,x=" + String(repeating: "x", count: 5000)) == ["malformed"])
  }

  @Test("every truncation of both messages fails and none traps")
  func truncated() throws {
    for length in 0..<RFC7677.clientFinal.count {
      let outcome = try steps(RFC7677.clientFirst, String(RFC7677.clientFinal.prefix(length))).last
      #expect(outcome == "malformed", "\(length)")
    }
    // Cut behind `n=` the name is empty; cut inside the nonce the message is still one.
    let (emptyName, whole) = ("n,,n=".count, "n,,n=user,r=".count)
    for length in 0..<RFC7677.clientFirst.count {
      let outcome = try steps(String(RFC7677.clientFirst.prefix(length))).last
      let expected = length == emptyName ? "rejected" : length <= whole ? "malformed" : "keys of user"
      #expect(outcome == expected, "\(length)")
    }
  }

  @Test("SCRAM-006: c= is recomputed and compared")
  func binding() throws {
    let nonce = RFC7677.clientNonce + RFC7677.serverNonce
    let proof = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    // biwr is "n,+", eSws is "y,,": another header than the one sent.
    for binding in ["biwr", "eSws", "", "biwsAAAA"] {
      #expect(try steps(RFC7677.clientFirst, "c=\(binding),r=\(nonce),\(proof)").last == "rejected", "\(binding)")
    }
    #expect(try steps("y,,n=user,r=\(RFC7677.clientNonce)", RFC7677.clientFinal).last == "rejected")
    #expect(try steps(RFC7677.clientFirst, "c=b*ws,r=\(nonce),\(proof)").last == "malformed")
  }

  @Test("SCRAM-004: the last message's nonce is exactly what the server sent")
  func nonce() throws {
    let nonce = RFC7677.clientNonce + RFC7677.serverNonce
    let proof = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    for other in [String(nonce.dropLast()), nonce + "x", RFC7677.clientNonce, nonce.lowercased(), ""] {
      #expect(try steps(RFC7677.clientFirst, "c=biws,r=\(other),\(proof)").last == "rejected", "\(other)")
    }
  }

  @Test("a wrong proof is unproven, and the server doesn't prove itself then")
  func wrongProof() throws {
    let nonce = RFC7677.clientNonce + RFC7677.serverNonce
    for octet in 0..<32 {
      var proof = try SASLBase64.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".utf8)
      proof[octet] ^= 1
      let text = String(decoding: SASLBase64.encode(proof), as: UTF8.self)
      #expect(try steps(RFC7677.clientFirst, "c=biws,r=\(nonce),p=\(text)").dropFirst(2) == ["finished user false"])
    }
    #expect(try steps(RFC7677.clientFirst, "c=biws,r=\(nonce),p=AAAA").last == "malformed")
    #expect(try steps(RFC7677.clientFirst, "c=biws,r=\(nonce)").last == "malformed")
    #expect(try steps(RFC7677.clientFirst, "m=x," + RFC7677.clientFinal).last == "rejected")
    // An extension that isn't what the proof was made over.
    #expect(
      try steps(RFC7677.clientFirst, RFC7677.clientFinal.replacing(",p=", with: ",x=1,p=")).last
        == "finished user false")
  }

  @Test("keys of the wrong user's shape prove nothing")
  func madeUpKeys() throws {
    var exchange = try exchange(.scramSHA256, nonce: RFC7677.serverNonce)
    _ = exchange.start(initialResponse: Array(RFC7677.clientFirst.utf8))
    let fake = SCRAMKeys(
      salt: RFC7677.keys.salt, iterations: 4096, storedKey: Secret([UInt8](repeating: 7, count: 32)),
      serverKey: Secret([UInt8](repeating: 8, count: 32)))
    #expect(shown(exchange.receive(keys: fake)) == "challenge " + RFC7677.serverFirst)
    #expect(shown(exchange.receive(Array(RFC7677.clientFinal.utf8))) == "finished user false")
  }
}
