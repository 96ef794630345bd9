import Testing

/// Each rule is shown something that breaks it: a rule that cannot complain guards nothing.
@Suite("The house rules complain")
struct RulesTests {
  private func file(_ room: String, _ text: String) -> SourceFile {
    SourceFile(path: "Sources/\(room)/Example.swift", text: text)
  }

  private func importFindings(_ room: String, _ text: String) -> [Finding] {
    Rules.imports(Rules.statedImports(in: text), of: file(room, text))
  }

  @Test(
    "an import of the same floor, of a floor above, or of a module that is not allowed is found",
    arguments: [
      ("MailSyntax", "import SMTPGrammar"),
      ("MailSyntax", "import NIOCore"),
      ("MailSyntax", "public import struct Foundation.Date"),
      ("SMTPGrammar", "internal import SASLMechanisms"),
      ("SMTPSessions", "import MailQueue"),
      ("SMTPSessions", "@preconcurrency import NIOPosix"),
      ("SMTPSessions", "import NIOSSL"),
      ("Relay", "import GRDB"),
      ("Accounts", "import Relay"),
      ("Relay", "#if canImport(Glibc)\n  import Glibc\n#endif"),
      ("Relay", "import Dispatch"),
      ("Relay", "@testable @_exported import Foundation"),
      ("SMTPTransport", "import Relay"),
      ("Simulation", "import QueueStorage"),
      ("QueueStorage", "import martlet"),
      ("QueueStorage", "import CArgon2"),
      ("Pantry", "import MailSyntax"),
    ])
  func forbiddenImports(_ room: String, _ text: String) {
    #expect(importFindings(room, text).count == 1)
  }

  @Test(
    "an import of a floor below, of a room named beside, or of an allowed module is not",
    arguments: [
      ("MailSyntax", "// import Foundation\nlet text = \"import Foundation\"\nimport Synchronization"),
      ("SMTPGrammar", "public import MailSyntax\npublic import NIOCore"),
      ("MailAuthentication", "import MailMessage"),
      ("Relay", "import Accounts\nimport MailQueue\nimport OrderedCollections"),
      ("SMTPTransport", "import SMTPSessions\nimport NIOPosix\nimport Foundation"),
      ("PasswordHashing", "import CArgon2"),
      ("martlet", "import Relay\nimport QueueStorage\nimport ArgumentParser"),
    ])
  func allowedImports(_ room: String, _ text: String) {
    #expect(importFindings(room, text) == [])
  }

  @Test("leave for one file is leave for no other file and no other module")
  func exceptions() throws {
    for (path, names) in House.exceptions {
      let allowed = SourceFile(path: path, text: "")
      #expect(Rules.imports(names, of: allowed) == [])
      #expect(Rules.imports(["Foundation"], of: allowed).count == 1)
      #expect(Rules.imports(names, of: file(allowed.room, "")).count == names.count)
    }
  }

  @Test(
    "each way to reach the world from a pure floor is found, on its line",
    arguments: [
      "Task { await work() }", "Task(priority: .high) { }", "Task<Void, Never> { }", "Task.detached { }",
      "try await Task.sleep(for: .seconds(1))", "await MainActor.run { }", "ContinuousClock.now",
      "SuspendingClock()", "Date()", "Date.now", "UUID()", "SystemRandomNumberGenerator()", "list.shuffled()",
      "list.shuffle()", "list.randomElement()", "Int.random(in: 0..<max(1, 2))", "Bool.random()",
      "FileManager.default", "ProcessInfo.processInfo", "getenv(\"HOME\")", "\"\\(Date())\"",
    ])
  func impurities(_ statement: String) throws {
    let findings = Rules.purity(of: file("Relay", "let first = 1\n\(statement)\n"))
    #expect(findings.count == 1)
    #expect(findings.first?.line == 2)
    #expect(Rules.purity(of: file("SMTPTransport", statement)) == [])
  }

  @Test(
    "what only looks like it is not",
    arguments: [
      "// Task { } and Date()", "/* Task.sleep /* nested */ UUID() */", "let text = \"Task { } \\\" Date()\"",
      "let text = #\"\\(UUID()) Date()\"#", "let text = \"\"\"\n  Date()\n  \"\"\"",
      "list.shuffled(using: &random)", "Int.random(in: 0..<max(1, 2), using: &random)",
      "list.randomElement(using: &random)", "await Task.yield()", "Task.isCancelled", "SubTask { }", "EventDate()",
      "func withTaskGroup() { group.addTask { } }",
    ])
  func lookalikes(_ statement: String) {
    #expect(Rules.purity(of: file("Relay", statement)) == [])
  }

  @Test("a file that mints without leave is found, and so is leave that nobody uses")
  func mintingWithoutLeave() {
    let names = Dictionary(grouping: House.mints.flatMap { name, paths in paths.map { ($0, name) } }, by: \.0)
    let allowed = names.sorted { $0.key < $1.key }.map { path, pairs in
      SourceFile(path: path, text: pairs.map { "@_spi(\($0.1)) import SMTPSessions" }.joined(separator: "\n"))
    }
    #expect(Rules.minting(in: allowed) == [])
    let intruder = file("Relay", "@_spi(CleartextPermitMinting) public import SMTPSessions")
    #expect(Rules.minting(in: allowed + [intruder]).map(\.file) == [intruder.path])
    let stranger = file("Relay", "@_spi(Unheard) import SMTPSessions")
    #expect(Rules.minting(in: allowed + [stranger]).map(\.file) == [stranger.path])
    #expect(Rules.minting(in: []).count == House.mints.values.map(\.count).reduce(0, +))
    #expect(Rules.mints(in: "@_spi(One) @_spi(Two) public import X509 // @_spi(Three) import Y") == ["One", "Two"])
  }

  @Test("a machine's path and a left-over marker are found, and an innocent word is not")
  func foreignWords() {
    // Put together here, so that this file does not hold what it forbids.
    for word in ["/wo" + "rk/", "/fa" + "rm/", "/.libra" + "ry/", "a sub" + "agent", "TO" + "DO: later", "FIX" + "ME"] {
      #expect(Rules.foreignWords(in: file("Relay", "let a = 1\n// see \(word)\n")).first?.line == 2)
    }
    #expect(Rules.foreignWords(in: file("Relay", "// the work of a farm; a library; .libra" + "ry(name:")) == [])
  }
}
