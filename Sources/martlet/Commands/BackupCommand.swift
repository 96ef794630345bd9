import ArgumentParser
import ControlPlane
import Foundation
import MailQueue
import MailSyntax
import PolicyStorage
import QueueStorage
import SystemWorld

struct BackupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Copy queue, transport policy and users into a new folder, while mail flows.",
    discussion: """
      The copy shows the queue as it stood at one moment, with every body checked on the way. A running server makes \
      it, so the folder is named as the server sees it and must be where the server may write. Certificates and the \
      configuration are yours to keep. `martlet restore` makes a data folder of it.
      """)

  @OptionGroup var place: PlaceOptions
  @Option(help: ArgumentHelp("The folder to make; nothing may be there yet.", valueName: "folder")) var to: String
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let target = URL(filePath: to).standardizedFileURL.path()
    let folder = target.count > 1 && target.hasSuffix("/") ? String(target.dropLast()) : target
    try await complaining {
      let place = try place.place()
      let facts = try await QueueDesk.serving(place) { desk in
        try await self.facts(of: folder, place: place, desk: desk)
      }
      Console.print(try json ? QueueText.json(facts) : BackupCommand.text(facts))
    }
  }

  private func facts(of folder: String, place: OperatingPlace, desk: QueueDesk) async throws -> BackupFacts {
    guard let store = desk.store else {
      for case .backup(let facts) in try await ControlClient.call(.backup(to: folder), socketPath: place.socketPath) {
        return facts
      }
      throw ControlFault(.failed, "the server says nothing of the backup")
    }
    // The desk has the folder's lock.
    let policy = try await SQLitePolicyStore.open(folder: place.dataFolder, clock: SystemClock(), events: NoLog())
    do {
      let record = try await BackupFolder.make(
        store, policy: policy, usersFile: place.usersFile, dataFolder: place.dataFolder, to: folder,
        at: SystemClock().now)
      await policy.close()
      return BackupFacts(record, in: folder)
    } catch {
      await policy.close()
      throw error
    }
  }

  static func text(_ facts: BackupFacts) -> String {
    let text = "\(QueueText.count(facts.messages, "message")) and the users of \(facts.madeAt) are in\n\(facts.folder)."
    guard !facts.damaged.isEmpty else { return text }
    let damaged = "The stored bodies of these were damaged before: \(facts.damaged.joined(separator: ", "))"
    return ([text] + QueueText.wrapped(damaged, indent: 0)).joined(separator: "\n")
  }
}

extension BackupFacts {
  init(_ record: BackupFolder.Record, in folder: String, damaged: [String]? = nil) {
    self.init(folder: folder, madeAt: record.madeAt, messages: record.messages, damaged: damaged ?? record.damaged)
  }
}

struct RestoreCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Make a data folder of a backup, with all its mail held.",
    usage: "martlet restore --from <folder> --data <folder> [--without-lost] [--json]",
    discussion: """
      Held, because what was in the queue when the backup was made may have been delivered since. Look at it with \
      `martlet queue list`, delete what has gone, and release the rest. Every stored body is compared with its \
      checksum first: where one is lost, nothing is restored unless --without-lost is given.
      """)

  @Option(help: ArgumentHelp("The folder that `martlet backup` made.", valueName: "folder")) var from: String
  @OptionGroup var place: PlaceOptions
  @Flag(help: "Restore the rest where stored bodies are lost; what has none is held and named.") var withoutLost = false
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await complaining {
      let place = try place.place()
      let backup = URL(filePath: from).standardizedFileURL.path()
      let (record, damaged) = try RestoreCommand.explainingLoss {
        try BackupFolder.restore(
          backup.hasSuffix("/") ? String(backup.dropLast()) : backup, to: place.dataFolder, usersFile: place.usersFile,
          acceptingLoss: withoutLost)
      }
      Console.print(
        try json
          ? QueueText.json(BackupFacts(record, in: place.dataFolder, damaged: damaged.map(\.description)))
          : RestoreCommand.lines(record, place.dataFolder, damaged: damaged.map(\.description)).joined(separator: "\n"))
    }
  }

  /// Says with a refusal what can be done about it.
  private static func explainingLoss<Result>(_ restore: () throws -> Result) throws -> Result {
    do {
      return try restore()
    } catch let fault as StoreOpenError {
      guard case .bodiesLost = fault else { throw fault }
      Console.explain("Nothing was restored. To restore the rest, give --without-lost; what is lost is held then.")
      throw fault
    }
  }

  static func lines(_ record: BackupFolder.Record, _ dataFolder: String, damaged: [String]) -> [String] {
    var lines = [
      "\(QueueText.count(record.messages, "message")) of \(record.madeAt) restored into \(dataFolder).",
      "All are held.", "",
      "To see them, to remove what has gone since, and to let the rest go:",
      "  martlet queue list --data \(dataFolder)",
      "  martlet queue delete ID --data \(dataFolder)",
      "  martlet queue release --all --data \(dataFolder)",
    ]
    if record.format == 1 {
      lines += [""]
      lines += QueueText.wrapped(
        "The backup was made by version \(record.program) and has no transport policy: MTA-STS policies are learned "
          + "anew with the next mail, and overrides have to be added again.", indent: 0)
    }
    let before = Set(record.damaged)
    for (text, ids) in [
      ("Damaged before the backup was made, and never to be delivered", damaged.filter { before.contains($0) }),
      ("Lost since the backup was made, and never to be delivered", damaged.filter { !before.contains($0) }),
    ] where !ids.isEmpty {
      lines += [""] + QueueText.wrapped("\(text): \(ids.joined(separator: ", "))", indent: 0)
    }
    return lines
  }
}
