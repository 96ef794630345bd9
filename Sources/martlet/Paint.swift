import Foundation

/// Colour, where a person sees it: on a terminal, and not under NO_COLOR (no-color.org).
struct Paint: Sendable {
  enum Colour: Int, Sendable { case red = 31, green, yellow }

  let isOn: Bool
  static let off = Paint(isOn: false)
  static let onStandardOutput = Paint(
    isOn: isatty(STDOUT_FILENO) == 1 && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty)

  func paint(_ text: String, _ colour: Colour) -> String {
    isOn ? "\u{1b}[\(colour.rawValue)m\(text)\u{1b}[0m" : text
  }
}
