import Foundation
import Subprocess

/// The project's own files, found from where this one stands.
enum Tree {
  static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// The files below `folder` whose name has one of the endings; all of them without one.
  static func files(below folder: String, endings: Set<String> = []) throws -> [SourceFile] {
    let start = root.appending(path: folder)
    guard let paths = FileManager.default.enumerator(atPath: start.path) else { return [] }
    var found: [SourceFile] = []
    for case let name as String in paths {
      let url = start.appending(path: name)
      guard endings.isEmpty || endings.contains(url.pathExtension) else { continue }
      guard (try url.resourceValues(forKeys: [.isRegularFileKey])).isRegularFile == true else { continue }
      guard let text = String(bytes: try Data(contentsOf: url), encoding: .utf8) else { continue }
      found.append(SourceFile(path: "\(folder)/\(name)", text: text))
    }
    return found.sorted { $0.path < $1.path }
  }

  static func sources() throws -> [SourceFile] { try files(below: "Sources", endings: ["swift"]) }

  /// Everything a reader of the repository sees, but for other people's text.
  static func published() throws -> [SourceFile] {
    let folders = ["Sources", "Tests", "Documentation", "Examples", "Scripts", "Benchmarks", ".ci"]
    let top = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "Package.swift"]
    return try folders.flatMap { try files(below: $0) }
      + top.compactMap { name in
        (try? String(contentsOf: root.appending(path: name), encoding: .utf8)).map { SourceFile(path: name, text: $0) }
      }
  }

  /// The modules a room's files import on this platform, by the compiler's own reading.
  static func compilersImports(of paths: [String]) async throws -> Set<String> {
    let output = FileManager.default.temporaryDirectory.appending(path: "imports-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: output) }
    let compiler = try await run(
      .name("swiftc"),
      arguments: .init(
        ["-frontend", "-emit-imported-modules", "-module-name", "Room", "-o", output.path]
          + paths.map { root.appending(path: $0).path }),
      output: .discarded, error: .string(limit: 1 << 20))
    guard compiler.terminationStatus.isSuccess else { throw CompilerFailed(said: compiler.standardError) }
    let text = try String(contentsOf: output, encoding: .utf8)
    return Set(text.split(separator: "\n").map(String.init))
  }

  struct CompilerFailed: Error { var said: String }
}
