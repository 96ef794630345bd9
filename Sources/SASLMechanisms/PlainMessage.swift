/// PLAIN's one message: `[authzid] NUL authcid NUL passwd`. Source: RFC 4616 §2.
enum PlainMessage {
  /// Reads a message. To act as somebody else isn't offered: the authzid is empty or the authcid itself.
  static func read(_ octets: [UInt8]) throws(SASLFault) -> PasswordClaim {
    // maxSplits is one more than the grammar has, so that a hostile message of NULs stays four pieces.
    let fields = octets.split(separator: 0, maxSplits: 3, omittingEmptySubsequences: false)
    guard fields.count == 3 else { throw .malformed }
    let user = try SASLPreparation.name(fields[1])
    if !fields[0].isEmpty {
      guard try SASLPreparation.name(fields[0]).utf8.elementsEqual(user.utf8) else { throw .rejected }
    }
    return PasswordClaim(user: user, password: try SASLPreparation.password(fields[2]))
  }

  /// Writes a message with an empty authzid. The caller has checked that neither part holds NUL.
  static func write(user: String, password: [UInt8]) -> [UInt8] { [0] + user.utf8 + [0] + password }
}

/// LOGIN's prompts, which clients don't read but some compare. Source: draft-murchison-sasl-login §2.
enum LoginPrompt {
  static let user = Array("Username:".utf8)
  static let password = Array("Password:".utf8)
}
