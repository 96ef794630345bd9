import ArgumentParser
import Configuration
import ControlPlane
import Foundation
import MailSyntax
import QueueStorage

/// Where an operator's command finds its server.
struct PlaceOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The data folder.", valueName: "folder")) var data: String?
  @Option(help: ArgumentHelp("The configuration file, which names the data folder.", valueName: "file"))
  var config: String?

  func validate() throws {
    guard (data == nil) != (config == nil) else {
      throw ValidationError("Say which server is meant by one of the two: --data FOLDER or --config FILE.")
    }
  }

  func place() throws -> OperatingPlace { try OperatingPlace.named(data: data, config: config) }
}

/// A data folder and what belongs to it.
struct OperatingPlace {
  let dataFolder: String
  let usersFile: String
  /// Nil when only the folder was named.
  let configuration: Configuration?

  init(_ configuration: Configuration) {
    dataFolder = configuration.dataFolder
    usersFile = configuration.usersFile
    self.configuration = configuration
  }

  /// The folder itself, or the one that `martlet dev` keeps its queue in.
  init(dataFolder folder: String) {
    let folder = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
    let isDevelopment =
      !OperatingPlace.holdsQueue(folder) && OperatingPlace.holdsQueue(folder + "/queue")
    dataFolder = isDevelopment ? folder + "/queue" : folder
    usersFile = folder + "/users.json"
    configuration = nil
  }

  /// The place that a configuration file names, else the folder itself.
  static func named(data: String?, config: String?) throws -> OperatingPlace {
    if let config { return try inFile(config) }
    return OperatingPlace(dataFolder: URL(filePath: data ?? ".").standardizedFileURL.path())
  }

  /// A running server is asked and changed with a file that has become faulty, too: then only where it is counts.
  private static func inFile(_ path: String) throws -> OperatingPlace {
    do throws(ConfigurationFaults) {
      return OperatingPlace(try ConfigurationFile.load(path: path).configuration)
    } catch {
      Console.explain(error.description)
      if let places = ConfigurationFile.places(inFaulty: path) {
        Console.explain("The file is faulty, so it is believed about data and users alone.")
        return OperatingPlace(faulty: places)
      }
      Console.explain("To ask a running server all the same, say --data FOLDER instead of --config.")
      throw ConfigurationSource.exitCode(ofFaultsIn: path)
    }
  }

  private init(faulty places: (dataFolder: String, usersFile: String)) {
    dataFolder = places.dataFolder
    usersFile = places.usersFile
    configuration = nil
  }

  var socketPath: String { ControlServer.socketPath(inDataFolder: dataFolder) }
  var hasQueue: Bool { OperatingPlace.holdsQueue(dataFolder) }

  static func holdsQueue(_ folder: String) -> Bool {
    FileManager.default.fileExists(atPath: folder + "/queue.sqlite3")
  }

  /// What root does in a folder of somebody else's it does as its owner from here on: else the server would find files
  /// it may not read. For good: a process that has let go of root can't take it again.
  static func becomeOwner(of folder: String) throws {
    var facts = stat()
    guard geteuid() == 0, stat(folder, &facts) == 0, facts.st_uid != 0 else { return }
    var groups = [facts.st_gid]
    guard setgroups(1, &groups) == 0, setgid(facts.st_gid) == 0, setuid(facts.st_uid) == 0 else {
      throw FileTrouble("\(folder): can't act as its owner: \(String(cString: strerror(errno)))")
    }
  }
}

/// Runs a command's work, and says what went wrong as a person reads it.
func complaining<Result>(_ work: () async throws -> Result) async throws -> Result {
  do {
    return try await work()
  } catch let fault as ControlFault {
    Console.complain(QueueText.printable(fault.text))
    throw fault.kind.exitCode
  } catch let fault as StoreOpenError {
    Console.complain(fault.description)
    throw fault.exitCode
  } catch let trouble as FileTrouble {
    Console.complain(QueueText.printable(trouble.description))
    throw ExitStatus.noInput
  } catch let error as CocoaError {
    Console.complain(QueueText.printable(error.localizedDescription))
    throw ExitStatus.inputOutput
  }
}

/// Waits for a server's answer as long as it takes, since a change of a long queue takes long, and says after a while
/// that it waits: a server that hangs answers nobody.
func remarkingOnSilence<Answer, Fault: Error>(
  _ words: String = "the server has not answered yet: it is busy, or it hangs. Ctrl-C ends the waiting.",
  after patience: Duration = .seconds(10), _ ask: () async throws(Fault) -> Answer
) async throws(Fault) -> Answer {
  let remark = Task {
    try await Task.sleep(for: patience)
    Console.complain(words)
  }
  defer { remark.cancel() }
  return try await ask()
}

extension ControlFault.Kind {
  var exitCode: ExitCode {
    switch self {
    case .badRequest: ExitStatus.badData
    case .notFound: ExitStatus.noInput
    case .unsupportedVersion, .nobodyListens: ExitStatus.unavailable
    case .failed, .stopped, .connectionLost: ExitStatus.inputOutput
    case .busy, .spaceLow, .alreadyServed: ExitStatus.tryAgain
    case .occupied: ExitStatus.cannotCreate
    case .notPermitted: ExitStatus.notPermitted
    }
  }
}

extension StoreOpenError {
  var exitCode: ExitCode {
    switch self {
    case .locked: ExitStatus.tryAgain
    case .system(let fault) where fault.errno == EACCES || fault.errno == EPERM: ExitStatus.notPermitted
    case .system, .database: ExitStatus.inputOutput
    case .newerSchema: ExitStatus.unavailable
    case .badOptions: ExitStatus.badConfiguration
    case .notEmpty: ExitStatus.cannotCreate
    case .bodiesLost: ExitStatus.badData
    }
  }
}
