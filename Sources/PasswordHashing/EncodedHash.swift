internal import MailSyntax

/// The PHC string form of an argon2id hash, as far as it must be known before libargon2 is let at it.
enum EncodedHash {
  /// The cost the hash was made with; `nil` where it isn't argon2id of version 19, or costs more than is allowed.
  static func cost(of text: String) -> Argon2idHasher.Cost? {
    // "" $ argon2id $ v=19 $ m=19456,t=2,p=1 $ salt $ hash
    let parts = text.split(separator: "$", omittingEmptySubsequences: false)
    guard parts.count == 6, parts[0].isEmpty, parts[1] == "argon2id", parts[2] == "v=19", !parts[4].isEmpty,
      !parts[5].isEmpty
    else { return nil }
    let costs = parts[3].split(separator: ",", omittingEmptySubsequences: false)
    guard costs.count == 3, let memory = number(costs[0], "m="), let passes = number(costs[1], "t="),
      let lanes = number(costs[2], "p=")
    else { return nil }
    return Argon2idHasher.Cost(memoryKibibytes: memory, passes: passes, lanes: lanes)
  }

  private static func number(_ text: Substring, _ prefix: String) -> Int? {
    guard text.hasPrefix(prefix) else { return nil }
    let digits = text.dropFirst(prefix.count)
    guard !digits.isEmpty, digits.utf8.count <= 9, digits.utf8.allSatisfy(\.isASCIIDigit) else { return nil }
    return Int(digits)
  }
}
