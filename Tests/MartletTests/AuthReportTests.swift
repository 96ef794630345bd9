import ArgumentParser
import DNSRecords
import Foundation
import MailAuthentication
import MailMessage
import MailSyntax
import NIOCore
import SystemWorld
import Testing

@testable import martlet

@Suite("auth check and dkim")
struct AuthReportTests {
  private struct Folder: ~Copyable {
    let path: String
    init() throws {
      path = NSTemporaryDirectory() + "/martlet-auth-" + UUID().uuidString
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func write(_ text: String, _ name: String = "message") throws -> String {
      try Data(text.utf8).write(to: URL(filePath: path + "/" + name))
      return path + "/" + name
    }
  }

  private func spf(_ record: String, from address: String) async throws -> AuthReport {
    let zone = try ZoneFile(Array("example.org TXT \"\(record)\"\n".utf8)).resolver()
    let client = try #require(IPAddress(address))
    let check = SPFCheck(
      resolver: zone, converter: UnchangedNames(), clock: SystemClock(), receiver: nil)
    var report = AuthReport()
    report.address = client
    report.spf = [await check.outcome(of: .mailFrom(try Mailbox("joe@example.org"), from: client, helo: "x.example"))]
    return report
  }

  @Test("the verdict stands first, and each step below it with its section, in 80 columns")
  func client() async throws {
    let report = try await spf("v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 ip4:203.0.113.0/24 -all", from: "192.0.2.7")
    #expect(
      report.lines(.off) == [
        "SPF of MAIL FROM example.org for 192.0.2.7: pass, by ip4:192.0.2.0/24", "",
        "  - example.org: v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24",
        "    ip4:203.0.113.0/24 -all (RFC 7208 §4.5)",
        "  - ip4:192.0.2.0/24: 192.0.2.7 is in it: pass (RFC 7208 §5.6)",
      ])
  }

  @Test(
    "the exit code says whether anything speaks against the client",
    arguments: [
      ("v=spf1 +all", 0), ("v=spf1 ?all", 0), ("nothing", 0), ("v=spf1 -all", 1), ("v=spf1 ~all", 1), ("v=spf1 moo", 1),
    ] as [(String, Int32)])
  func exitCodes(_ record: String, _ code: Int32) async throws {
    #expect(try await spf(record, from: "192.0.2.7").exitCode.rawValue == code)
  }

  @Test("a domain's words are shown without what could steer a terminal")
  func words() async throws {
    let outcome = try await spf("v=spf1 include:\\027[31m.example -all", from: "192.0.2.7")
    #expect(outcome.lines(.off).allSatisfy { line in line.unicodeScalars.allSatisfy { $0.value >= 0x20 } })
  }

  // MARK: Messages in files

  private func read(_ path: String) throws -> (header: String, body: String, isOfLineFeeds: Bool) {
    let file = try MessageFile(path)
    var (header, body) = ("", ByteBuffer())
    try file.parts {
      header = String(buffer: $0.bytes)
    } body: {
      var piece = $0; body.writeBuffer(&piece)
    }
    return (header, String(buffer: body), file.isOfLineFeeds)
  }

  @Test("lines end in CRLF, whatever they end in in the file")
  func lineEnds() throws {
    let folder = try Folder()
    let crlf = try read(try folder.write("A: b\r\n\r\nx\r\ny\n\r\n"))
    #expect(crlf.header == "A: b\r\n\r\n" && crlf.body == "x\r\ny\n\r\n" && !crlf.isOfLineFeeds)
    let lf = try read(try folder.write("A: b\n\nx\n\ny\r\nz"))
    #expect(lf.header == "A: b\r\n\r\n" && lf.body == "x\r\n\r\ny\r\nz" && lf.isOfLineFeeds)
  }

  @Test("a piece may end anywhere: between CR and LF, and at an empty line")
  func pieces() throws {
    let folder = try Folder()
    for filling in MessageFile.pieceOctets - 8..<MessageFile.pieceOctets + 4 {
      let body = String(repeating: "x", count: filling - 6) + "\r\n\nend\n"
      #expect(
        try read(try folder.write("A: b\n\n" + body)).body
          == body.replacing("\r\n", with: "\n").replacing("\n", with: "\r\n"))
    }
  }

  @Test("the first line that doesn't end as the first one does is found, wherever a piece ends")
  func oddLine() throws {
    let folder = try Folder()
    for (text, line) in [
      ("A: b\r\n\r\nx\r\n", nil), ("A: b\n\nx\n", nil), ("A: b", nil), ("", nil), ("A: b\r\n\r\nx\ry\r\n", nil),
      ("A: b\r\n\r\nx\ny\n", 3), ("A: b\r\n\n", 2), ("A: b\n\nx\n\r\n\n", 4), ("\nA: b\r\n", 2),
    ] as [(String, Int?)] {
      #expect(try MessageFile(try folder.write(text)).oddLine() == line, "\(text.debugDescription)")
    }
    for filling in MessageFile.pieceOctets - 8..<MessageFile.pieceOctets + 4 {
      let body = String(repeating: "x", count: filling - 6) + "\r\n"
      #expect(try MessageFile(try folder.write("A: b\n\n" + body)).oddLine() == 3)
      #expect(try MessageFile(try folder.write("A: b\r\n\r\n" + body)).oddLine() == nil)
    }
  }

  @Test("a message without header is refused, and a file that isn't there is said")
  func faults() throws {
    let folder = try Folder()
    #expect(throws: ExitStatus.badData) { try read(try folder.write("no field\n\n")) }
    #expect(throws: ExitStatus.noInput) { try read(folder.path + "/none") }
  }

  @Test("a message that was signed verifies, with lines of either kind, and the report tells the signature")
  func signatures() async throws {
    let folder = try Folder()
    let key = try DKIMKey.generate(.ed25519)
    let signing = DKIMSigning(domain: try DomainName("example.org"), selector: try DomainName("s1"), key: key)
    let zone = try folder.write("s1._domainkey.example.org TXT \"\(key.record)\"\n", "zone")
    for lineEnd in ["\n", "\r\n"] {
      let text = ["From: joe@example.org", "Subject: x", "", "Hello  ", ""].joined(separator: lineEnd)
      let path = try folder.write(text)
      let file = try MessageFile(path)
      var signer = DKIMSigner([signing])
      try file.parts {
        try signer.begin($0)
      } body: {
        signer.append($0)
      }
      let field = String(buffer: try #require(try signer.finish(now: UTCInstant(seconds: 1)).first))
      let signed = try folder.write(field.replacing("\r\n", with: lineEnd) + text, "signed")
      let answers = try AnswerOptions.parse(["--zone", zone])
      var report = AuthReport()
      report.dkim = try await AuthReport.dkim(of: signed, by: answers.resolver()).outcomes
      #expect(report.exitCode.rawValue == 0)
      #expect(report.lines(.off)[0] == "DKIM signature 1 by example.org with s1: pass, signed by example.org")
      report.dkim = try await AuthReport.dkim(of: path, by: answers.resolver()).outcomes
      #expect(report.exitCode.rawValue == 1)
      #expect(report.lines(.off) == ["DKIM: none; the message has no signature"])
    }
  }

  @Test("DMARC has the last word on a message: an aligned pass is enough, and without one the domain's wish is told")
  func authors() async throws {
    let folder = try Folder()
    let key = try DKIMKey.generate(.ed25519)
    let signing = DKIMSigning(domain: try DomainName("news.example.org"), selector: try DomainName("s1"), key: key)
    let records = """
      s1._domainkey.news.example.org TXT "\(key.record)"
      _dmarc.example.org TXT "v=DMARC1; p=reject"
      example.org TXT "v=spf1 -all"

      """
    let resolver = try ZoneFile(Array(records.utf8)).resolver()
    let text = "From: joe@example.org\r\nSubject: x\r\n\r\nHello\r\n"
    let file = try MessageFile(try folder.write(text))
    var signer = DKIMSigner([signing])
    try file.parts {
      try signer.begin($0)
    } body: {
      signer.append($0)
    }
    let field = String(buffer: try #require(try signer.finish(now: UTCInstant(seconds: 1)).first))
    for (message, code, headline) in [
      (field + text, Int32(0), "DMARC for example.org: pass"),
      (text, 1, "DMARC for example.org: fail; the domain asks for reject"),
      (text.replacing("example.org", with: "example.net"), 1, "DMARC for example.net: none; the domain has no policy"),
    ] {
      // SPF fails for all: the client is nobody's.
      var report = try await spf("v=spf1 -all", from: "192.0.2.7")
      let (outcomes, header) = try await AuthReport.dkim(of: try folder.write(message), by: resolver)
      report.dkim = outcomes
      report.dmarc = await report.dmarc(try #require(header), by: resolver)
      #expect(report.exitCode.rawValue == code)
      #expect(report.lines(.off).contains(headline), "\(report.lines(.off))")
      #expect(report.lines(.off).allSatisfy { $0.count <= 80 })
    }
  }

  @Test(
    "what is asked for in a way that makes no sense is said",
    arguments: [
      [], ["--helo", "x.example"], ["--ip", "192.0.2.1"], ["--ip", "192.0.2.1", "--mail-from", "<>"],
      ["--ip", "here", "--helo", "x"],
      ["m", "--fails", "x.example"], ["m", "--zone", "z", "--server", "192.0.2.53"],
      ["m", "--zone", "z", "--fails", "a..b"],
    ])
  func wrongUse(_ words: [String]) {
    #expect(throws: (any Error).self) { try AuthCheck.parse(words) }
  }
}
