import ArgumentParser
import Configuration
import Foundation

/// The file that a server runs on.
struct ConfigurationSource: Sendable {
  let path: String
  /// Called when it was read again and taken.
  let taken: @Sendable (Configuration) -> Void

  /// The configuration, with the warnings said on standard error.
  func load() throws(ConfigurationFaults) -> Configuration {
    let file = try ConfigurationFile.load(path: path)
    for warning in file.warnings { Console.explain(warning.description) }
    return file.configuration
  }

  /// The configuration, or the end of the command after all that is wrong with it was said.
  ///
  /// - Parameter warns: whether what is probably not meant so is said as well; a command that only looks something up
  ///   in the file leaves that to `serve` and `check`.
  static func loadOrExplain(_ path: String, warns: Bool = false) throws -> Configuration {
    do throws(ConfigurationFaults) {
      return warns
        ? try ConfigurationSource(path: path) { _ in }.load() : try ConfigurationFile.load(path: path).configuration
    } catch {
      Console.explain(error.description)
      throw exitCode(ofFaultsIn: path)
    }
  }

  /// 66 where there is no such file, 78 where it is wrong.
  static func exitCode(ofFaultsIn path: String) -> ExitCode {
    FileManager.default.fileExists(atPath: path) ? ExitStatus.badConfiguration : ExitStatus.noInput
  }
}
