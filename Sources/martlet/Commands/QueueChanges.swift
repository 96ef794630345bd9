import ArgumentParser
import ControlPlane
import MailQueue

/// What the commands that change the queue share.
struct QueueChangeOptions: ParsableArguments {
  @OptionGroup var place: PlaceOptions
  @OptionGroup var selection: QueueSelection
  @Flag(help: "The whole queue is meant; needed where no condition is given.") var all = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard !selection.isEmpty || all else {
      throw ValidationError("Say which messages are meant: ids, a condition, or --all for the whole queue.")
    }
    guard selection.isEmpty || !all else {
      throw ValidationError("--all means the whole queue; leave it out where there are conditions.")
    }
  }

  func make(_ change: QueueChange) async throws {
    try await complaining {
      let (changed, missing, isServed) = try await QueueDesk.serving(try place.place()) { desk in
        var changed = 0
        var missing: [QueueID] = []
        for filter in selection.filters {
          var here = 0
          for case .changed(let count) in try await desk.ask(.change(change, filter)) { here += count }
          changed += here
          if here == 0, let id = filter.id, try await !isQueued(id, desk) { missing.append(id) }
        }
        return (changed, missing, desk.isServed)
      }
      if changed > 0 || missing.isEmpty || json {
        Console.print(try json ? QueueText.json(["changed": changed]) : change.report(of: changed, isServed: isServed))
      }
      guard missing.isEmpty else { throw QueueSelection.notQueued(missing) }
    }
  }

  private func isQueued(_ id: QueueID, _ desk: QueueDesk) async throws -> Bool {
    var filter = QueueFilter()
    filter.id = id
    return try await desk.ask(.list(filter, after: nil, limit: 1)).contains { answer in
      if case .message = answer { true } else { false }
    }
  }
}

extension QueueChange {
  private static let later = "when a server runs again"

  /// `3 recipients held.`
  ///
  /// - Parameter isServed: a server runs, so that what is due is delivered.
  func report(of count: Int, isServed: Bool) -> String {
    guard count > 0 else {
      return "No recipient was changed: none is meant by this, or none that is meant is in a state for it."
    }
    let recipients = QueueText.count(count, "recipient")
    return switch self {
    case .retry: "\(recipients) due \(isServed ? "now" : QueueChange.later)."
    case .hold: "\(recipients) held."
    case .release: "\(recipients) released and due \(isServed ? "now" : QueueChange.later)."
    case .delete: "\(recipients) removed from the queue; nobody is told."
    case .bounce: "\(recipients) given up; the senders are told\(isServed ? "" : " \(QueueChange.later)")."
    }
  }
}

struct QueueRetry: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retry", abstract: "Try queued recipients now, not at their next time.",
    usage: "martlet queue retry --data <folder> [<id> ...] [<options>]")
  @OptionGroup var options: QueueChangeOptions
  func run() async throws { try await options.make(.retry) }
}

struct QueueHold: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hold", abstract: "Keep queued recipients until they are released.",
    usage: "martlet queue hold --data <folder> [<id> ...] [<options>]",
    discussion: "A delivery that is under way is not stopped, and its success stands.")
  @OptionGroup var options: QueueChangeOptions
  func run() async throws { try await options.make(.hold) }
}

struct QueueRelease: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "release", abstract: "Let held recipients go; they are due at once.",
    usage: "martlet queue release --data <folder> [<id> ...] [<options>]")
  @OptionGroup var options: QueueChangeOptions
  func run() async throws { try await options.make(.release) }
}

struct QueueDelete: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Take recipients out of the queue and tell nobody.",
    usage: "martlet queue delete --data <folder> [<id> ...] [<options>]",
    discussion: "The mail is gone for them. An event remains that says who did it. `bounce` tells the senders as well.")
  @OptionGroup var options: QueueChangeOptions
  func run() async throws { try await options.make(.delete) }
}

struct QueueBounce: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bounce", abstract: "Give recipients up now and report the failure to the senders.",
    usage: "martlet queue bounce --data <folder> [<id> ...] [<options>]",
    discussion: "What is being delivered at this moment is left alone, for it may succeed.")
  @OptionGroup var options: QueueChangeOptions
  func run() async throws { try await options.make(.bounce) }
}
