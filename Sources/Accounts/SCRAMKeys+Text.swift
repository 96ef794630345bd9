internal import MailSyntax
public import SASLMechanisms

extension SCRAMKeys {
  /// Reads `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, base64 inside: RFC 5803 §2's values in the notation
  /// PostgreSQL and others keep. `nil` for anything else, and for fewer than `minimumIterations`.
  public init?(encoded text: some StringProtocol) {
    let parts = text.split(separator: "$", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "SCRAM-SHA-256" else { return nil }
    let cost = parts[1].split(separator: ":", omittingEmptySubsequences: false)
    let keys = parts[2].split(separator: ":", omittingEmptySubsequences: false)
    guard cost.count == 2, keys.count == 2, cost[0].utf8.allSatisfy(\.isASCIIDigit), let iterations = Int(cost[0]),
      (SCRAMKeys.minimumIterations...SCRAMKeys.maximumIterations).contains(iterations),
      let salt = try? SASLBase64.decode(cost[1].utf8), (1...64).contains(salt.count),
      let storedKey = try? SASLBase64.decode(keys[0].utf8), storedKey.count == SCRAMKeys.keyOctets,
      let serverKey = try? SASLBase64.decode(keys[1].utf8), serverKey.count == SCRAMKeys.keyOctets
    else { return nil }
    self.init(salt: salt, iterations: iterations, storedKey: Secret(storedKey), serverKey: Secret(serverKey))
  }

  /// For the file of users alone: who has it can pose as the server, and guess passwords at leisure.
  public var encoded: String {
    func text(_ octets: [UInt8]) -> String { String(decoding: SASLBase64.encode(octets), as: UTF8.self) }
    let (stored, server) = (storedKey.withExposedBytes(text), serverKey.withExposedBytes(text))
    return "SCRAM-SHA-256$\(iterations):\(text(salt))$\(stored):\(server)"
  }
}
