import Foundation
import MailQueue
import SMTPSessions
import Testing

@testable import Configuration

@Suite("Documents")
struct DocumentsTests {
  @Test("Documentation/Configuration.md is what the table of keys says")
  func document() throws {
    try expectGolden("Documentation/Configuration.md", ConfigurationKey.document)
  }

  @Test("no key stands twice in the table, and each has its words")
  func table() {
    let paths = ConfigurationKey.all.map(\.path)
    #expect(Set(paths).count == paths.count)
    for key in ConfigurationKey.all {
      #expect(!key.form.isEmpty)
      #expect(key.meaning.hasSuffix("."), "\(key.path)")
      #expect(!key.meaning.contains("|") && !key.form.contains("|"), "\(key.path) breaks the table")
      #expect(ConfigurationKey.document.contains("| `\(key.path)` |"))
    }
  }

  @Test("every field of the limits has a key of its name")
  func limits() {
    let fields =
      Mirror(reflecting: ServerLimits()).children.compactMap(\.label)
      + Mirror(reflecting: Configuration.Limits()).children.compactMap(\.label).filter { $0 != "session" }
    let keys = Set(Keys.limitRows.map(\.name))
    #expect(keys == Set(fields.map(snakeCase)))
    #expect(keys.count == fields.count)
  }

  private func snakeCase(_ name: String) -> String {
    name.reduce(into: "") { $0 += $1.isUppercase ? "_\($1.lowercased())" : "\($1)" }
  }

  @Test("every event of the vocabulary is in Documentation/Events.md, and no other")
  func kinds() throws {
    let text = try Repository.text("Documentation/Events.md")
    let documented = text.matches(of: #/(?m)^\| `([a-z]+\.[a-z-]+)` \|/#).map { String($0.output.1) }
    #expect(documented.count == Set(documented).count)
    #expect(Set(documented) == Set(MailEvent.Kind.allCases.map(\.rawValue)))
  }

  @Test("every field that an event is made with is in Documentation/Events.md")
  func fields() throws {
    let text = try Repository.text("Documentation/Events.md")
    let sources = Repository.root.appending(path: "Sources")
    let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
    var seen: Set<String> = []
    for case let file as URL in files where file.pathExtension == "swift" {
      let code = String(decoding: try Data(contentsOf: file), as: UTF8.self)
      let made = code.matches(of: #/(?:Field|\.init)\(\s*"([a-z-]+)",\s*\.(?:text|number|flag)\(/#)
      for match in made {
        seen.insert(String(match.output.1))
        let isDocumented = text.contains("`\(match.output.1)`")
        #expect(isDocumented, "\(match.output.1) of \(file.lastPathComponent)")
      }
    }
    // Else the pattern no longer finds how events are made.
    #expect(seen.isSuperset(of: ["id", "session", "recipient", "route", "result", "by", "what"]))
  }
}
