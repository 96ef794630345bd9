/// What a mail host offers in one session beside STARTTLS, and what it takes.
struct HostOffers: Sendable {
  /// The lines of EHLO's answer.
  let lines: [String]
  private let keywords: Set<String>
  /// Inside TLS alone (RFC 8689 §2).
  let offersRequireTLS: Bool
  let recipientMaximum: Int?
  /// Octets of a message: what SIZE says, and what it really takes, which may be less.
  let sizeOffered: Int?
  let sizeTaken: Int
  private static let largestLetter = 100_000

  /// - Parameter takesAnyMail: whatever a letter is like.
  init(_ random: SeededRandom, takesAnyMail: Bool) {
    let all = ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE", "DSN", "CHUNKING", "ENHANCEDSTATUSCODES"]
    let offered = all.filter { $0 == "8BITMIME" && takesAnyMail || random.chance(75) }
    keywords = Set(offered)
    offersRequireTLS = random.chance(75)
    let limit = !takesAnyMail && random.chance(8) ? 300 + random.below(1_200) : 10_000_000
    sizeTaken = limit
    sizeOffered = keywords.contains("SIZE") ? (random.chance(70) ? limit : 10_000_000) : nil
    recipientMaximum = random.chance(15) ? 1 + random.below(3) : nil
    let size = sizeOffered.map { "SIZE \($0)" }
    lines =
      offered.map { $0 == "SIZE" ? size ?? $0 : $0 } + (recipientMaximum.map { ["LIMITS RCPTMAX=\($0)"] } ?? [])
  }

  /// Whether a client that goes by them would say MAIL with these parameters.
  func suffice(for envelope: ReceivedEnvelope) -> Bool {
    (envelope.parameters["BODY"] != "8BITMIME" || offers("8BITMIME"))
      && (envelope.parameters["SMTPUTF8"] == nil || offers("SMTPUTF8"))
      && (envelope.size ?? HostOffers.largestLetter) <= (sizeOffered ?? .max)
  }

  func offers(_ keyword: String) -> Bool { keywords.contains(keyword) }
}
