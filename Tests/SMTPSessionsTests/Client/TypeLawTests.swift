import Foundation
import Subprocess
import Testing

/// Law 3 as the compiler sees it: what must not be written doesn't compile. Each snippet stands beside one that differs
/// only in the point and does compile, so that a broken search path can't pass for a law.
@Suite("The laws that are types")
struct TypeLawTests {
  @Test("a session in clear can't authenticate; one inside TLS can, with a proven peer")
  func authentication() async throws {
    let call = "s.authenticate(c, to: p, nonce: n)"
    try await expect(
      compiles: "func f(s: inout EncryptedClientSession, \(Self.arguments)) { _ = \(call) }",
      but: "func f(s: inout CleartextClientSession, \(Self.arguments)) { _ = \(call) }",
      fails: "has no member 'authenticate'")
  }

  @Test("mail goes out in clear by a permit alone")
  func permit() async throws {
    try await expect(
      compiles: """
        func f(s: inout CleartextClientSession, t: Transaction, p: CleartextPermit) {
          _ = s.send(t, usesChunking: false, permit: p)
        }
        """,
      but: "func f(s: inout CleartextClientSession, t: Transaction) { _ = s.send(t, usesChunking: false) }",
      fails: "missing argument for parameter 'permit'")
  }

  @Test("an upgraded session is gone")
  func consumption() async throws {
    try await expect(
      compiles: "func f(s: consuming CleartextClientSession, p: TLSProof) { _ = s.upgraded(by: p) }",
      but: """
        func f(s: consuming CleartextClientSession, p: TLSProof) {
          _ = s.upgraded(by: p)
          _ = s.quit()
        }
        """, fails: "used after consume", typechecksOnly: false)
  }

  @Test("proof, proven peer and permit are minted by nobody who doesn't say so")
  func minting() async throws {
    try await expect(
      compiles: "func f(p: TLSProof) -> VerifiedPeer? { p.verifiedPeer }",
      but: "func f() -> VerifiedPeer { VerifiedPeer(hostName: \"server.example\") }", fails: "inaccessible")
    try await expect(
      compiles: "@_spi(TLSProofMinting) import SMTPSessions\nfunc f(x: TLSFacts) -> TLSProof { TLSProof(facts: x) }",
      but: "func f(x: TLSFacts) -> TLSProof { TLSProof(facts: x) }", fails: "'@_spi' protection level")
    try await expect(
      compiles: """
        @_spi(CleartextPermitMinting) import SMTPSessions
        func f() -> CleartextPermit { CleartextPermit(reason: "") }
        """,
      but: "func f() -> CleartextPermit { CleartextPermit(reason: \"\") }", fails: "'@_spi' protection level")
  }

  private static let arguments = "c: ClientCredential, p: VerifiedPeer, n: SCRAMNonce"

  private func expect(
    compiles good: String, but bad: String, fails diagnosis: String, typechecksOnly: Bool = true,
    at location: SourceLocation = #_sourceLocation
  ) async throws {
    let (compiles, output) = try await compile(good, typechecksOnly)
    #expect(compiles, Comment(rawValue: output), sourceLocation: location)
    let (badCompiles, badOutput) = try await compile(bad, typechecksOnly)
    #expect(!badCompiles, "it compiles", sourceLocation: location)
    #expect(badOutput.contains(diagnosis), Comment(rawValue: badOutput), sourceLocation: location)
  }

  /// Against the modules of this very build.
  private func compile(_ snippet: String, _ typechecksOnly: Bool) async throws -> (compiles: Bool, output: String) {
    let products = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    let build = products.deletingLastPathComponent().deletingLastPathComponent()
    let folder = FileManager.default.temporaryDirectory.appending(path: "type-law-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "snippet.swift")
    let imports = ["SASLMechanisms", "SMTPGrammar", "SMTPSessions", "TransportSecurity"].map { "import \($0)\n" }
    try (imports.joined() + snippet).write(to: file, atomically: true, encoding: .utf8)

    var arguments = ["-swift-version", "6", "-I", products.appending(path: "Modules").path]
    arguments += typechecksOnly ? ["-typecheck"] : ["-emit-sil", "-o", "/dev/null"]
    for map in moduleMaps(products, build) { arguments += ["-Xcc", "-fmodule-map-file=\(map)"] }
    let compiler = try await run(
      .name("swiftc"), arguments: .init(arguments + [file.path]), output: .string(limit: 1 << 20),
      error: .combinedWithOutput)
    return (compiler.terminationStatus.isSuccess, compiler.standardOutput)
  }

  /// Those of the C modules that the imported Swift modules stand on: written by hand, or made by the build.
  private func moduleMaps(_ products: URL, _ build: URL) -> [String] {
    let made = names(in: products).map { products.appending(path: "\($0)/module.modulemap").path }
    let checkouts = build.appending(path: "checkouts")
    let written = names(in: checkouts).flatMap { package in
      let sources = checkouts.appending(path: "\(package)/Sources")
      return names(in: sources).map { sources.appending(path: "\($0)/include/module.modulemap").path }
    }
    return (made + written).filter { FileManager.default.fileExists(atPath: $0) }
  }

  private func names(in folder: URL) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
  }
}
