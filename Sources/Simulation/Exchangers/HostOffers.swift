/// What a mail host offers in one session beside STARTTLS, and what it takes.
struct HostOffers: Sendable {
  /// The lines of EHLO's answer.
  let lines: [String]
  private let keywords: Set<String>
  let recipientMaximum: Int?
  /// Octets of a message: what SIZE says, and what it really takes, which may be less.
  let sizeOffered: Int?
  let sizeTaken: Int

  /// - Parameter takesAnyMail: whatever a letter is like.
  init(_ random: SeededRandom, takesAnyMail: Bool) {
    let all = ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE", "DSN", "CHUNKING", "ENHANCEDSTATUSCODES"]
    let offered = all.filter { $0 == "8BITMIME" && takesAnyMail || random.chance(75) }
    keywords = Set(offered)
    let limit = !takesAnyMail && random.chance(8) ? 300 + random.below(1_200) : 10_000_000
    sizeTaken = limit
    sizeOffered = keywords.contains("SIZE") ? (random.chance(70) ? limit : 10_000_000) : nil
    recipientMaximum = random.chance(15) ? 1 + random.below(3) : nil
    let size = sizeOffered.map { "SIZE \($0)" }
    lines =
      offered.map { $0 == "SIZE" ? size ?? $0 : $0 } + (recipientMaximum.map { ["LIMITS RCPTMAX=\($0)"] } ?? [])
  }

  func offers(_ keyword: String) -> Bool { keywords.contains(keyword) }
}
