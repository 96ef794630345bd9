import Foundation
import Testing

/// The house rules, held against the tree as it stands.
@Suite("The house")
struct ArchitectureTests {
  private func listing(_ findings: [Finding]) -> Comment {
    Comment(rawValue: findings.map(\.description).joined(separator: "\n"))
  }

  @Test("the tree is read: a rule that sees no file proves nothing")
  func sourcesAreFound() throws {
    let rooms = Set(try Tree.sources().map(\.room))
    #expect(rooms.isSuperset(of: ["MailSyntax", "SMTPGrammar", "SMTPSessions"]))
    #expect(try Tree.published().count > rooms.count)
  }

  @Test("every room uses only the floors below it, and the lower floors no outside module but those allowed")
  func floors() throws {
    let findings = try Tree.sources().flatMap { Rules.imports(Rules.statedImports(in: $0.text), of: $0) }
    #expect(findings.isEmpty, listing(findings))
  }

  @Test("the compiler sees the same imports as the rule that reads the text")
  func compilerAgrees() async throws {
    for (room, files) in Dictionary(grouping: try Tree.sources(), by: \.room).sorted(by: { $0.key < $1.key }) {
      let stated = files.reduce(into: Set<String>()) { $0.formUnion(Rules.statedImports(in: $1.text)) }
      let unseen = try await Tree.compilersImports(of: files.map(\.path)).subtracting(stated)
      #expect(unseen.isEmpty, "\(room) imports \(unseen.sorted()) by the compiler's account alone")
    }
  }

  @Test("floors 0 to 3 read no clock, file, process or system randomness, and start no unstructured task")
  func purity() throws {
    let findings = try Tree.sources().flatMap(Rules.purity)
    #expect(findings.isEmpty, listing(findings))
  }

  @Test("TLSProof and CleartextPermit are minted only where House.swift says")
  func minting() throws {
    let findings = Rules.minting(in: try Tree.sources())
    #expect(findings.isEmpty, listing(findings))
  }

  @Test(
    "ITLS-017: between servers alone a certificate may stay unproven, and no key or option asks for it")
  func verification() throws {
    // RFC 8314 is about submission. Between mail servers the certificate is judged and recorded, and demanded where a
    // policy asks for it (RFC 7435).
    let rooms = [
      "Sources/SMTPSessions/", "Sources/SMTPTransport/", "Sources/Relay/Exchangers/", "Sources/TransportSecurity/",
      "Sources/Simulation/Exchangers/",
    ]
    let sources = try Tree.sources()
    let asking = sources.filter { file in
      !rooms.contains { file.path.hasPrefix($0) } && file.text.contains(".recorded")
    }
    #expect(asking.map(\.path) == [])
    let demanding = sources.filter { $0.text.contains("demand: .verified") }
    #expect(demanding.count >= 3, "the smarthost, LMTP over a network and `send` make TLS connections")
  }

  @Test("no file speaks of a machine's paths or of how the work was organised")
  func ownWords() throws {
    let findings = try Tree.published().flatMap(Rules.foreignWords)
    #expect(findings.isEmpty, listing(findings))
  }
}
