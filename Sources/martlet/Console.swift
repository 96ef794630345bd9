import ArgumentParser
import Foundation

/// What the program says to a person: results to standard output, everything else to standard error.
enum Console {
  static func print(_ text: String) { put((text + "\n").utf8) }

  /// Octets as they are.
  static func put(_ octets: some Sequence<UInt8>) {
    guard let fault = write(octets, to: STDOUT_FILENO) else { return }
    // A reader that has seen enough, as `head`, is no fault of ours; a full disk is one to be told of.
    guard fault != EPIPE else { exit(EXIT_SUCCESS) }
    note("martlet: standard output can't be written: \(String(cString: strerror(fault)))")
    exit(ExitStatus.inputOutput.rawValue)
  }

  /// Nobody can be told when this fails.
  static func note(_ text: String) { _ = write((text + "\n").utf8, to: STDERR_FILENO) }
  static func complain(_ text: String) { explain("martlet: \(text)") }
  /// A note in sentences: folded where a person reads it, whole where a program does.
  static func explain(_ text: String) { note(folded(text, columns(of: STDERR_FILENO))) }

  /// The columns that sentences keep to; nil where what is written goes to no terminal.
  static func columns(of descriptor: Int32) -> Int? { isatty(descriptor) == 1 ? QueueText.width : nil }

  /// Each line broken at spaces, with what follows indented by two more; a word that is longer than a line stays whole,
  /// for it may be a path or an address that somebody copies.
  static func folded(_ text: String, _ columns: Int?) -> String {
    guard let columns else { return text }
    return text.split(separator: "\n", omittingEmptySubsequences: false).map { line -> String in
      guard QueueText.displayWidth(String(line)) > columns else { return String(line) }
      let indent = String(line.prefix { $0 == " " })
      var folded: [String] = []
      var current = indent
      var isEmpty = true
      for word in line.split(separator: " ") {
        if !isEmpty, QueueText.displayWidth(current) + 1 + QueueText.displayWidth(String(word)) > columns {
          folded.append(current)
          (current, isEmpty) = (indent + "  ", true)
        }
        current += (isEmpty ? "" : " ") + word
        isEmpty = false
      }
      return (folded + [current]).joined(separator: "\n")
    }.joined(separator: "\n")
  }

  /// The system's error number where not all could be written.
  private static func write(_ all: some Sequence<UInt8>, to descriptor: Int32) -> Int32? {
    var octets = Array(all)[...]
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
