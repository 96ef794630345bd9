/// What has to become of a message to one destination, and who says so.
struct DemoExpectation: Hashable, Sendable {
  /// What Martlet does.
  enum Conduct: String, Hashable, Sendable { case delivered, waits }

  /// What the relay decided to ask of the server: the verdict as its records name it.
  enum Demand: String, Hashable, Sendable {
    /// TLS where it can be had.
    case nothing = "opportunistic"
    /// A certificate of a believed authority for the host's name.
    case certificate = "authenticate pkix"
    case dane = "authenticate dane"
    /// The host is not to be used at all for now.
    case later = "try-later"

    var word: String {
      switch self {
      case .nothing: "nothing"
      case .certificate: "certificate"
      case .dane: "DANE"
      case .later: "another MX"
      }
    }
  }

  /// What the message itself went over.
  enum Channel: String, Hashable, Sendable {
    /// Nothing was sent.
    case none
    case clear
    /// TLS with whoever answered.
    case unproven
    /// TLS with a server that a believed authority vouches for.
    case verified
    /// TLS with a server that its TLSA records vouch for.
    case dane
  }

  let destination: DemoDestination
  let conduct: Conduct
  let demand: Demand
  let channel: Channel
  /// Whether the attacker reads the message.
  let isRead: Bool
  /// The sections that say so.
  let source: String
}

extension DemoExpectation {
  /// One line of the file that people review.
  var line: String {
    [
      QueueText.left(destination.promise.rawValue, 10), QueueText.left(destination.attack.rawValue, 17),
      QueueText.left(conduct.rawValue, 9), QueueText.left(demand.word, 11), QueueText.left(channel.rawValue, 8),
      isRead ? "read  " : "unread", source,
    ].joined(separator: "  ")
  }

  /// `Tests/Corpus/demo/expectations.txt`.
  static var document: String {
    let head = """
      # What has to become of each message of `martlet demo`, and the sections that say so. Written from
      # Sources/martlet/Demo/DemoExpectation+Table.swift, which the program is held against; a test compares the two.
      #
      # promise: what the domain publishes    attack: on the way there
      # Martlet: what it does                 demands: the decision of its relay
      # over: what the message went over      attacker: whether it could read the message

      """
    let title = [
      QueueText.left("# promise", 10), QueueText.left("attack", 17), QueueText.left("Martlet", 9),
      QueueText.left("demands", 11), QueueText.left("over", 8), "attacker", "source",
    ].joined(separator: "  ")
    return ([head + title] + all.map(\.line)).joined(separator: "\n") + "\n"
  }
}
