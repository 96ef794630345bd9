import Foundation

@testable import martlet

/// The demonstration as `martlet demo` plays it, played once for all tests that look at it.
struct DemoPerformance: Sendable {
  let scenes: [DemoScene]
  let relay: DemoRelayAct
  let hasLeftFolder: Bool

  /// Whoever asks first begins it, and all the others wait for its end.
  static func whole() async throws -> DemoPerformance { try await task.value }

  private static let task = Task { try await play() }

  private static func play() async throws -> DemoPerformance {
    let theatre = try await DemoTheatre.build()
    let scenes: [DemoScene]
    let relay: DemoRelayAct
    do {
      defer { theatre.tearDown() }
      scenes = try await theatre.perform(DemoMessage.all)
      relay = try await theatre.perform(DemoExpectation.all)
    }
    return DemoPerformance(
      scenes: scenes, relay: relay, hasLeftFolder: FileManager.default.fileExists(atPath: theatre.folder))
  }
}

/// One line of `Tests/Corpus/demo/expectations.txt`, word for word.
struct DemoRow: Hashable, Sendable, CustomStringConvertible {
  let promise, attack, conduct, demand, channel, attacker: String

  var description: String { "\(promise) \(attack)" }

  #if os(Linux)
    static let canBePlayed = true
  #else
    static let canBePlayed = false
  #endif

  static let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Corpus/demo/expectations.txt")

  /// All of them. A line that has other columns is nil, and a test of its own says so.
  static let read: [DemoRow?] =
    ((try? String(contentsOf: file, encoding: .utf8)) ?? "").split(separator: "\n").filter { !$0.hasPrefix("#") }
    .map { line in
      let cells = line.split(separator: #/ {2,}/#).map(String.init)
      guard cells.count == 7 else { return nil }
      return DemoRow(
        promise: cells[0], attack: cells[1], conduct: cells[2], demand: cells[3], channel: cells[4],
        attacker: cells[5])
    }
  static let all = read.compactMap(\.self)
}
