import Foundation

/// What the program says to a person: results to standard output, everything else to standard error.
enum Console {
  static func print(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
  static func note(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
  static func complain(_ text: String) { note("martlet: \(text)") }

  /// Colour only on a terminal, and not under NO_COLOR.
  static let usesColour =
    isatty(STDOUT_FILENO) == 1 && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
}
