import ArgumentParser
import ControlPlane
import Foundation
import MailQueue
import MailSyntax
import SystemWorld

struct QueueCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "queue",
    abstract: "Look at the queue and change it, whether the server runs or not.",
    discussion: """
      A running server is asked through control.sock in its data folder, as its own user or root. Where none runs, \
      the command opens the queue itself. Every change leaves an event with the name of who made it; `queue show` \
      tells it.
      """,
    subcommands: [
      QueueList.self, QueueShow.self, QueueRetry.self, QueueHold.self, QueueRelease.self, QueueDelete.self,
      QueueBounce.self, QueueStatus.self,
    ])
}

/// Which recipients are meant. Every given condition must hold.
struct QueueSelection: ParsableArguments {
  @Argument(help: ArgumentHelp("Messages, by their ids.", valueName: "id")) var ids: [String] = []
  @Option(
    name: .customLong("id"),
    help: ArgumentHelp("A message by its id, as above; may be given several times.", valueName: "id"))
  var namedIDs: [String] = []
  @Option(help: ArgumentHelp("The envelope's sender: user@domain, @domain, or <>.", valueName: "address"))
  var sender: String?
  @Option(help: ArgumentHelp("Recipients: user@domain or @domain.", valueName: "address"))
  var recipient: String?
  @Option(help: ArgumentHelp("Mail that this user submitted.", valueName: "name"))
  var user: String?
  @Option(help: ArgumentHelp("Recipients of this route: outbound, mx/DOMAIN or domain/DOMAIN.", valueName: "route"))
  var route: String?
  @Option(help: ArgumentHelp("Recipients in this state: queued or held.", valueName: "state"))
  var state: String?

  func validate() throws {
    for text in allIDs where QueueID(text) == nil {
      throw ValidationError("\"\(text)\" is no queue id: one is \(QueueID.characters) letters and digits.")
    }
    if let sender, sender != "<>", !sender.contains("@") {
      throw ValidationError("\"\(sender)\" is no sender: write user@domain, @domain, or <>.")
    }
    if let recipient, !recipient.contains("@") {
      throw ValidationError("\"\(recipient)\" is no recipient: write user@domain or @domain.")
    }
    if let state {
      guard let known = RecipientState(rawValue: state) else {
        throw ValidationError("\"\(state)\" is no state: there are queued and held.")
      }
      guard !known.isFinal else {
        throw ValidationError(
          "What is \(state) has left the queue; martlet queue show ID tells of it. --state takes queued or held.")
      }
    }
  }

  private var allIDs: [String] { ids + namedIDs }

  var isEmpty: Bool {
    allIDs.isEmpty && sender == nil && recipient == nil && user == nil && route == nil && state == nil
  }

  /// Those that were named and are not there; none where other conditions may be why.
  func missing(from listing: QueueListing) -> [QueueID] {
    guard sender == nil, recipient == nil, user == nil, route == nil, state == nil else { return [] }
    let found = Set(listing.entries.map(\.message.id))
    return allIDs.compactMap { QueueID($0) }.filter { !found.contains($0.description) }
  }

  static func notQueued(_ missing: [QueueID]) -> ControlFault {
    let ids = missing.map(\.description).joined(separator: ", ")
    return ControlFault(
      .notFound, "the queue has no message \(ids); it may have been delivered: martlet queue show ID")
  }

  /// One for each id, or one.
  var filters: [QueueFilter] {
    var filter = QueueFilter()
    filter.sender = sender
    filter.recipient = recipient
    filter.account = user
    filter.route = route.map { RouteKey(rawValue: $0) }
    filter.state = state.flatMap { RecipientState(rawValue: $0) }
    guard !allIDs.isEmpty else { return [filter] }
    return allIDs.compactMap { QueueID($0) }.map { id in
      var one = filter
      one.id = id
      return one
    }
  }
}

struct QueueList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "The messages in the queue, oldest first.",
    usage: "martlet queue list --data <folder> [<id> ...] [<options>]",
    discussion: """
      A line for each message with its age, its size in bytes, the next attempt and the sender; below it a recipient \
      and what the last attempt ended with. With --json one object a line.
      """)
  static let maximumLimit = 1_000_000

  @OptionGroup var place: PlaceOptions
  @OptionGroup var selection: QueueSelection
  @Option(help: ArgumentHelp("At most so many messages.", valueName: "count")) var limit = 100
  @Option(help: ArgumentHelp("Begin behind the message of this id.", valueName: "id")) var after: String?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard (1...QueueList.maximumLimit).contains(limit) else {
      throw ValidationError("--limit is between 1 and \(QueueList.maximumLimit).")
    }
    if let after, QueueID(after) == nil { throw ValidationError("\"\(after)\" is no queue id.") }
  }

  func run() async throws {
    try await complaining {
      let listing = try await QueueDesk.serving(try place.place()) { desk in
        try await QueueListing.fetch(
          selection.filters, after: after.flatMap { QueueID($0) }, limit: limit, ask: desk.ask)
      }
      let missing = listing.hasMore ? [] : selection.missing(from: listing)
      if json {
        for entry in listing.entries { Console.print(try QueueText.json(entry)) }
      } else if missing.isEmpty || !listing.entries.isEmpty {
        let lines = listing.lines(
          at: SystemClock().now, columns: Console.columns(of: STDOUT_FILENO),
          isNarrowed: !selection.isEmpty || after != nil)
        Console.print(lines.joined(separator: "\n"))
      }
      guard missing.isEmpty else { throw QueueSelection.notQueued(missing) }
    }
  }
}

struct QueueShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Everything about one message: envelope, recipients, attempts.",
    usage: "martlet queue show --data <folder> <id> [--json]",
    discussion: "A message that has left the queue is told of from the history, for as long as that is kept.")

  @OptionGroup var place: PlaceOptions
  @Argument(help: "The queue id, as the reply to the sender, the log and the Received field have it.") var id: String
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard QueueID(id) != nil else {
      throw ValidationError("\"\(id)\" is no queue id: one is \(QueueID.characters) letters and digits.")
    }
  }

  func run() async throws {
    guard let id = QueueID(id) else { throw ExitStatus.badData }
    try await complaining {
      let answers = try await QueueDesk.serving(try place.place()) { try await $0.ask(.show(id)) }
      let story = QueueStory(id: id, answers)
      Console.print(try json ? QueueText.json(story) : story.lines(at: SystemClock().now).joined(separator: "\n"))
    }
  }
}

struct QueueStatus: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "The running server, what is wrong with it, and how its queue stands.",
    usage: "martlet queue status --data <folder> [--json]",
    discussion: "Routes that rest, alarms that stand, the last error. Where no server runs, how the queue stands.")

  @OptionGroup var place: PlaceOptions
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await complaining {
      let place = try place.place()
      let text = try await QueueDesk.serving(place) { desk in
        guard desk.isServed else { return try await QueueStatus.text(ofStoreAt: desk, json: json) }
        return try await QueueStatus.text(ofServerAt: place, json: json)
      }
      Console.print(text)
    }
  }

  private static func text(ofServerAt place: OperatingPlace, json: Bool) async throws -> String {
    let answers = try await remarkingOnSilence { () async throws(ControlFault) in
      try await ControlClient.call(.status, socketPath: place.socketPath)
    }
    for case .status(let status) in answers {
      return try json ? QueueText.json(status) : status.lines(at: SystemClock().now).joined(separator: "\n")
    }
    throw ControlFault(.failed, "the server says nothing of how it stands")
  }

  private static func text(ofStoreAt desk: QueueDesk, json: Bool) async throws -> String {
    for case .standing(let standing) in try await desk.ask(.list(QueueFilter(), after: nil, limit: 1)) {
      guard json else { return (["No server runs here."] + standing.lines).joined(separator: "\n") }
      return try QueueText.json(["queue": standing])
    }
    throw ControlFault(.failed, "the queue says nothing of how it stands")
  }
}
