import ArgumentParser
import Foundation

/// What the program says to a person: results to standard output, everything else to standard error.
enum Console {
  static func print(_ text: String) {
    guard let fault = write(text, to: STDOUT_FILENO) else { return }
    // A reader that has seen enough, as `head`, is no fault of ours; a full disk is one to be told of.
    guard fault != EPIPE else { exit(EXIT_SUCCESS) }
    note("martlet: standard output can't be written: \(String(cString: strerror(fault)))")
    exit(ExitStatus.inputOutput.rawValue)
  }

  /// Nobody can be told when this fails.
  static func note(_ text: String) { _ = write(text, to: STDERR_FILENO) }
  static func complain(_ text: String) { note("martlet: \(text)") }

  /// The system's error number where not all could be written.
  private static func write(_ text: String, to descriptor: Int32) -> Int32? {
    var octets = Array((text + "\n").utf8)[...]
    while !octets.isEmpty {
      let count = octets.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count >= 0 {
        octets = octets.dropFirst(count)
      } else if errno != EINTR {
        return errno
      }
    }
    return nil
  }
}
