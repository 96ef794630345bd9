import Foundation
import Testing

/// The fuzzer takes hours; what it begins with, findings among it, is played whenever the tests are.
@Suite("Fuzz targets")
struct FuzzCorpusTests {
  /// Lengths at which an example is cut short.
  private static let cuts = 64

  private static func examples(of target: FuzzTarget) throws -> [(name: String, octets: [UInt8])] {
    let folder = URL(filePath: #filePath).appending(path: "../../../Corpus/\(target.name)").standardized
    return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .sorted { $0.path < $1.path }
      .map { ($0.lastPathComponent, Array(try Data(contentsOf: $0))) }
  }

  @Test("each target has examples, none longer than the fuzzer would make")
  func everyTargetHasExamples() throws {
    for target in FuzzTarget.all {
      let examples = try FuzzCorpusTests.examples(of: target)
      #expect(!examples.isEmpty, "\(target.name)")
      for example in examples {
        #expect(example.octets.count <= target.maximumOctets, "\(target.name)/\(example.name)")
      }
    }
  }

  @Test(
    "every property holds for each example of a target, whole and cut short", arguments: FuzzTarget.all.map(\.name))
  func examplesHold(of name: String) async {
    // By itself, since a property that doesn't hold ends the process.
    await #expect(processExitsWith: .success) { [name] in
      let target = try #require(FuzzTarget.all.first { $0.name == name })
      for example in try FuzzCorpusTests.examples(of: target) {
        let step = max(1, example.octets.count / FuzzCorpusTests.cuts)
        for length in stride(from: example.octets.count, through: 0, by: -step) {
          example.octets.prefix(length).withUnsafeBytes { target.run($0) }
        }
      }
    }
  }
}
