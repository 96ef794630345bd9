import ArgumentParser
import Configuration

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
  static func loadOrExplain(_ path: String) throws -> Configuration {
    do throws(ConfigurationFaults) {
      return try ConfigurationSource(path: path) { _ in }.load()
    } catch {
      Console.explain(error.description)
      throw ExitStatus.badConfiguration
    }
  }
}
