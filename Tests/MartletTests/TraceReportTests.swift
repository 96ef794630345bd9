import Diagnosis
import Foundation
import Testing

@testable import martlet

@Suite struct TraceReportTests {
  static let corpus = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Corpus/traces")

  static let names: [String] =
    ((try? FileManager.default.contentsOfDirectory(atPath: corpus.path)) ?? [])
    .filter { $0.hasSuffix(".eml") }.map { String($0.dropLast(4)) }.sorted()

  func report(_ octets: some Sequence<UInt8>, showsFields: Bool = false) throws -> TraceReport {
    let reading = try #require(HeaderReading(octets))
    return TraceReport(trace: MessageTrace(reading.header), shortfall: reading.shortfall, showsFields: showsFields)
  }

  @Test("the fields of every known server are told as the file beside them has it", arguments: names)
  func corpus(_ name: String) throws {
    let octets = try Data(contentsOf: Self.corpus.appending(path: name + ".eml"))
    let produced = try report(octets).lines(.off).joined(separator: "\n") + "\n"
    let file = Self.corpus.appending(path: name + ".txt")
    if ProcessInfo.processInfo.environment["MARTLET_REWRITE_GOLDEN"] == "1" { try Data(produced.utf8).write(to: file) }
    #expect(produced == String(decoding: try Data(contentsOf: file), as: UTF8.self))
    for line in produced.split(separator: "\n") { #expect(QueueText.displayWidth(String(line)) <= QueueText.width) }
    // Whatever line ends the file has.
    let withCRLF = String(decoding: octets, as: UTF8.self).replacing("\n", with: "\r\n")
    #expect(try report(withCRLF.utf8).lines(.off).joined(separator: "\n") + "\n" == produced)
    _ = try QueueText.json(try report(octets))
  }

  @Test("there is a file for each of the servers that are known")
  func corpusIsWhole() { #expect(Self.names.count >= 15) }

  @Test("nothing in a field steers the terminal, in text, in JSON, or with -v")
  func terminal() throws {
    let evil = "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}"
    let text =
      "Received: from \(evil) (\(evil) [192.0.2.1]) (using TLSv1.3 with cipher \(evil) x)\r\n"
      + " by \(evil) (Exim \(evil)) with \(evil) id \(evil); \(evil)\r\n\r\n"
    let report = try report(text.utf8, showsFields: true)
    for shown in [report.lines(.off).joined(), try QueueText.json(report)] {
      #expect(
        !shown.unicodeScalars.contains { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) || $0.value == 0x202e })
    }
  }

  @Test("colour is put round whole lines, and only where it is wanted")
  func colour() throws {
    let octets = try Data(contentsOf: Self.corpus.appending(path: "postfix.eml"))
    let plain = try report(octets).lines(.off)
    let painted = try report(octets).lines(Paint(isOn: true))
    #expect(!plain.joined().contains("\u{1b}"))
    #expect(painted.joined().contains("\u{1b}[32m"))
    let stripped = painted.map { $0.replacing(/\u{1b}\[\d+m/, with: "") }
    #expect(stripped == plain)
  }

  @Test("JSON has the hops oldest first, each with its verdict and whose word it is")
  func json() throws {
    let octets = try Data(contentsOf: Self.corpus.appending(path: "postfix.eml"))
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(try QueueText.json(try report(octets)).utf8)) as? [String: Any])
    let hops = try #require(object["hops"] as? [[String: Any]])
    #expect(hops.map { $0["verdict"] as? String } == ["inside", "encrypted", "inside", "encrypted"])
    #expect(hops.map { $0["word"] as? String } == ["claimed", "claimed", "claimed", "known"])
    let tls = try #require(hops[1]["tls"] as? [String: Any])
    #expect(tls["cipher_suite"] as? String == "ECDHE-ECDSA-AES128-GCM-SHA256")
    #expect(hops[1]["authenticated"] as? Bool == true)
    #expect(object["between_machines"] as? Int == 2 && object["encrypted"] as? Int == 2)
  }
}
