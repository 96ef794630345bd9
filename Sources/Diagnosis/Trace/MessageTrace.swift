public import MailMessage
internal import MailSyntax

/// The way of a message as its Received fields tell it: hop by hop whether it was encrypted, and by whose word.
public struct MessageTrace: Sendable {
  /// The newest so many fields are read; `ReceivedChain.maximumHops` of them are a loop already.
  public static let maximumHops = 200

  /// Whose word a hop stands on.
  public enum Word: Hashable, Sendable {
    /// A server's that can be believed.
    case known
    /// Of one beyond the reader's own: whoever handed the message over could have made it up.
    case claimed
  }

  public struct Hop: Sendable {
    public let field: ReceivedHop
    public let verdict: HopVerdict
    public let word: Word
    /// Since the hop before; negative where the clocks of the two servers differ, nil where a date is missing.
    public let elapsed: Duration?
    /// The field's value, unfolded.
    public let text: String

    /// `name [address]`, by the receiver's account; nil where the field doesn't say from whom.
    public var from: String? {
      guard let sender = field.sender else { return nil }
      let name = sender.foundName ?? sender.greeting
      guard let address = sender.address else { return name }
      let text = AddressLiteral(address).description
      guard let name, name != text, IPAddress(name) == nil else { return text }
      return "\(name) \(text)"
    }

    /// The name the sender gave itself, where the receiver found another.
    public var calledItself: String? {
      guard let greeting = field.sender?.greeting, let found = field.sender?.foundName,
        greeting.lowercasedASCII() != found.lowercasedASCII()
      else { return nil }
      return greeting
    }

    /// Short names of both ends, for a sentence.
    public var title: String {
      let sender = field.sender.flatMap { $0.foundName ?? $0.greeting ?? $0.address?.description }
      return "from \(sender ?? "a sender not named") to \(field.receiver ?? "a receiver not named")"
    }
  }

  /// Oldest first.
  public let hops: [Hop]
  /// Older fields that were not read.
  public let omitted: Int
  /// RFC 5321 §6.3: more fields than a message in its right way has.
  public let isLoop: Bool

  public init(_ header: HeaderSection, trust: TrustBoundary = TrustBoundary()) {
    let fields = header.fields.filter { $0.name == "received" }
    let read = fields.prefix(MessageTrace.maximumHops).map { field in
      header.unfoldedValue(of: field).prefix(ReceivedTrace.maximumOctets)
    }
    let newestFirst = read.map { ReceivedHop($0) }
    let believed = trust.believed(newestFirst)
    var hops: [Hop] = []
    for (index, field) in newestFirst.enumerated().reversed() {
      let before = hops.last?.field.date
      hops.append(
        Hop(
          field: field, verdict: HopVerdict(field), word: index < believed ? .known : .claimed,
          elapsed: before.flatMap { before in field.date.map { $0 - before } },
          text: String(decoding: read[index], as: UTF8.self)))
    }
    self.hops = hops
    omitted = fields.count - newestFirst.count
    isLoop = ReceivedChain.isLoop(header)
  }

  /// Those that crossed a network.
  public var betweenMachines: [Hop] {
    hops.filter { hop in
      switch hop.verdict {
      case .encrypted, .notEncrypted, .notSaid: true
      case .inside: false
      }
    }
  }

  /// `3 of 4 hops between machines were encrypted; the hop from X to Y was not.`
  public var summary: String {
    guard !hops.isEmpty else { return "The message has no Received field: no server has told of it." }
    let between = betweenMachines
    guard !between.isEmpty else { return "The message never went from one machine to another." }
    var clear: [Hop] = []
    var unsaid: [Hop] = []
    for hop in between {
      switch hop.verdict {
      case .encrypted, .inside: break
      case .notEncrypted: clear.append(hop)
      case .notSaid: unsaid.append(hop)
      }
    }
    let encrypted = between.count - clear.count - unsaid.count
    let hopsText = between.count == 1 ? "hop" : "hops"
    var text =
      "\(encrypted) of \(between.count) \(hopsText) between machines \(encrypted == 1 ? "was" : "were") encrypted"
    if between.count == 1, encrypted == 1 { text = "The one hop between machines was encrypted" }
    if !clear.isEmpty {
      text += "; \(MessageTrace.named(clear)) \(clear.count == 1 ? "was" : "were") not"
    }
    if !unsaid.isEmpty {
      text += "; of \(MessageTrace.named(unsaid)) it is not said"
    }
    return text + "."
  }

  /// How much of that is known.
  public var caution: String? {
    let claimed = hops.count { $0.word == .claimed }
    guard claimed > 0 else { return nil }
    let known = hops.count - claimed
    guard known > 0 else { return "None of it is told by a server of yours: all of it may be forged." }
    return claimed == 1
      ? "The oldest field is another's word, and may be forged."
      : "The \(claimed) oldest fields are the word of others, and may be forged."
  }

  private static let namedHops = 3
  private static func named(_ hops: [Hop]) -> String {
    guard hops.count <= namedHops else { return "\(hops.count) hops" }
    let titles = hops.map(\.title)
    let list =
      titles.count == 1 ? titles[0] : titles.dropLast().joined(separator: ", ") + " and " + titles[titles.count - 1]
    return "\(titles.count == 1 ? "the hop" : "the hops") \(list)"
  }
}
