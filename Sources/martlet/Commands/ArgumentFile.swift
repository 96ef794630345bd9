import ArgumentParser
import Foundation

/// A file that a person names to a command; `-` is standard input.
enum ArgumentFile {
  /// Its first so many octets. What goes wrong is told, and ends the command.
  static func read(_ path: String, atMost limit: Int) throws -> Data {
    do {
      let handle =
        path == "-" ? FileHandle.standardInput : try FileHandle(forReadingFrom: URL(filePath: path))
      var octets = Data()
      while octets.count < limit, let more = try handle.read(upToCount: limit - octets.count), !more.isEmpty {
        octets.append(more)
      }
      return octets
    } catch {
      throw told(error, path)
    }
  }

  /// Says why a file can't be read; the exit code for it.
  static func told(_ error: any Error, _ path: String) -> ExitCode {
    var isFolder: ObjCBool = false
    let isThere = path == "-" || FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    let reason =
      isFolder.boolValue ? "it is a folder" : isThere ? error.localizedDescription : "there is no such file"
    Console.complain("\(QueueText.printable(path)): \(QueueText.printable(reason))")
    return isThere ? ExitStatus.inputOutput : ExitStatus.noInput
  }
}
