internal import MailSyntax

/// What a Received field says of the TLS it was written under. Source: RFC 8314 §4.3 for the clauses `tls` and `group`;
/// everything else stands in comments, in each software's own form.
///
/// What the peer had a hand in is not read: of the `from` clause only a comment that begins with `using`, which is
/// Postfix' own, and no comment that repeats an address of the envelope.
public struct ReceivedTLS: Hashable, Sendable {
  /// `TLSv1.3`, however it was written.
  public internal(set) var version: String?
  /// As it was written: registered names, and those of OpenSSL and GnuTLS.
  public internal(set) var cipherSuite: String?
  public internal(set) var group: String?

  init?(_ trace: ReceivedTrace) {
    let suite = trace["tls"]
    // Microsoft SMTPSVC: over TLS secured channel.
    cipherSuite = suite.flatMap { $0.hasPrefix("0x") || ReceivedTLS.isCipherSuite($0[...]) ? $0 : nil }
    group = trace["group"]
    var isMentioned = suite != nil
    for clause in trace.clauses {
      for comment in clause.comments where clause.name != "from" || comment.hasPrefix("using ") {
        if take(comment: comment) { isMentioned = true }
      }
    }
    guard isMentioned else { return nil }
  }

  /// Whether the comment tells of TLS.
  private mutating func take(comment: String) -> Bool {
    let words = comment.split { " \t,\r\n".contains($0) }.prefix(16)
    guard let first = words.first else { return false }
    // Exchange: (TLS)
    if words.count == 1, first == "TLS" { return true }
    switch first {
    // Postfix, Dovecot, Stalwart: using TLSv1.3 with cipher NAME (256/256 bits) key-exchange X25519 …
    case "using":
      guard words.count > 1, let version = ReceivedTLS.version(words[1]) else { return false }
      take(version: version, suite: ReceivedTLS.word(behind: "cipher", words))
      takeGroup(words)
      return true
    // chasquid: over submission, TLS-1.3, envelope from …
    case "over":
      guard words.count > 2, let version = ReceivedTLS.version(words[2]) else { return false }
      take(version: version, suite: nil)
      return true
    // Sendmail, Google, Exchange: version=TLSv1.3 cipher=NAME bits=256 verify=NO
    case _ where first.hasPrefix("version="):
      guard let version = ReceivedTLS.version(first.dropFirst(8)) else { return false }
      take(version: version, suite: words.first { $0.hasPrefix("cipher=") }?.dropFirst(7))
      return true
    // qpsmtpd: NAME encrypted
    case _
    where (2...3).contains(words.count) && words.last == "encrypted"
      && ReceivedTLS.isCipherSuite(words[words.count - 2]):
      take(version: ReceivedTLS.version(first), suite: words[words.count - 2])
      return true
    // OpenSMTPD and Exim: TLSv1.3:NAME:256:NO. mox: TLS1.3 NAME. Exim and Martlet: TLSv1.3 beside a tls clause.
    case _:
      let parts = first.split(separator: ":", omittingEmptySubsequences: false)
      guard let version = parts.first.flatMap({ ReceivedTLS.version($0) }) else { return false }
      let suite = parts.count > 1 ? parts[1] : words.count == 2 ? words[1] : nil
      take(version: version, suite: suite.flatMap { ReceivedTLS.isCipherSuite($0) ? $0 : nil })
      return true
    }
  }

  private mutating func take(version: String?, suite: Substring?) {
    self.version = self.version ?? version
    cipherSuite = cipherSuite ?? suite.map { String($0.prefix(64)) }
  }

  /// `key-exchange X25519`, `key-exchange ECDHE (P-256)`.
  private mutating func takeGroup(_ words: ArraySlice<Substring>) {
    guard group == nil, let mark = words.firstIndex(of: "key-exchange"), words.indices.contains(mark + 1) else {
      return
    }
    if words.indices.contains(mark + 2), words[mark + 2].hasPrefix("(") {
      group = String(words[mark + 2].drop { $0 == "(" }.prefix { $0 != ")" }.prefix(64))
    } else {
      group = String(words[mark + 1].prefix(64))
    }
  }

  private static func word(behind mark: Substring, _ words: ArraySlice<Substring>) -> Substring? {
    guard let index = words.firstIndex(of: mark), words.indices.contains(index + 1) else { return nil }
    return words[index + 1]
  }

  /// `TLSv1.3`, `TLS1.3`, `TLS1_3`, `TLS-1.3`, `TLSv1`, `SSLv3`.
  static func version(_ text: some StringProtocol) -> String? {
    let name = text.uppercased()
    guard name.utf8.count <= 8 else { return nil }
    if name.hasPrefix("SSL") { return name == "SSLV3" || name == "SSL3" ? "SSLv3" : nil }
    guard name.hasPrefix("TLS") else { return nil }
    let number = name.dropFirst(3).drop { $0 == "V" || $0 == "-" }.map { $0 == "_" ? "." : $0 }
    switch String(number) {
    case "1", "1.0": return "TLSv1.0"
    case "1.1": return "TLSv1.1"
    case "1.2": return "TLSv1.2"
    case "1.3": return "TLSv1.3"
    case _: return nil
    }
  }

  /// A word that names a cipher suite, in any of the three ways to write one.
  private static func isCipherSuite(_ word: Substring) -> Bool {
    guard word.utf8.count <= 64,
      word.utf8.allSatisfy({ $0.isASCIIAlphanumeric || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") })
    else { return false }
    let name = word.uppercased()
    return ["AES", "CHACHA20", "CAMELLIA", "ARIA", "DES", "RC4", "NULL", "SEED"].contains { name.contains($0) }
  }
}
