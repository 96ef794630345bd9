import Foundation
import MailSyntax
import NIOCore
import SMTPGrammar
import SMTPSessions
import Synchronization
import Testing

/// A dialogue in a file: `C:` what the client sends, `S:` what the server must say, `A:` a message it must have taken.
///
/// Header lines before the first `S:` set `role:` and `limits:`. `[TLS]` is a handshake, `[FIN]` the client's end of
/// sending, `[CLOSED]` says that the server has closed. In a `C:` line `\r`, `\n`, `\0`, `\xHH` and `\\` stand for
/// octets; a line ends in CRLF unless it ends in `\`. `S:` may end in `*`, which stands for any rest of the line.
struct Transcript: CustomTestStringConvertible {
  let name: String
  var role = ListenerRole.submissions
  var limits = ServerLimits()
  var connectAnswer = ConnectAnswer.welcome
  /// What is fed between handshakes, with what is expected up to there.
  var segments: [Segment] = [Segment()]
  var accepted: [String] = []

  struct Segment {
    var client: [UInt8] = []
    var server: [String] = []
    var beginsWithTLS = false
    var endsWithFIN = false
    var closes = false
  }
  var testDescription: String { name }

  init(file: URL) throws {
    name = file.lastPathComponent
    for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: true) {
      let content = String(line.dropFirst(3))
      switch line.prefix(2) {
      case "# ", "#": continue
      case "C:": segments[segments.count - 1].client += Transcript.octets(content)
      case "S:": segments[segments.count - 1].server.append(content)
      case "A:": accepted.append(content)
      case "[T": segments.append(Segment(beginsWithTLS: true))
      case "[F": segments[segments.count - 1].endsWithFIN = true
      case "[C": segments[segments.count - 1].closes = true
      case "ro": role = ListenerRole(rawValue: String(line.split(separator: " ")[1]))!
      case "tu": connectAnswer = .turnAway(Reply(554, nil, "no service"))
      case "li":
        let words = line.split(separator: " ")
        switch words[1] {
        case "size": limits.messageSize = ByteCount(Int(words[2])!)
        case "recipients": limits.recipients = Int(words[2])!
        case "junk": limits.junkCommands = Int(words[2])!
        case "line": limits.commandLineOctets = Int(words[2])!
        case "auth": limits.authenticationLineOctets = Int(words[2])!
        case "refusals": limits.refusals = Int(words[2])!
        case "idle": limits.idleCommands = Int(words[2])!
        case _: throw CocoaError(.fileReadCorruptFile)
        }
      case _: throw CocoaError(.fileReadCorruptFile)
      }
    }
  }

  static func octets(_ text: String) -> [UInt8] {
    var octets: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let octet = rest.popFirst() {
      guard octet == UInt8(ascii: "\\") else {
        octets.append(octet)
        continue
      }
      switch rest.popFirst() {
      case nil: return octets
      case UInt8(ascii: "r"): octets.append(0x0d)
      case UInt8(ascii: "n"): octets.append(0x0a)
      case UInt8(ascii: "0"): octets.append(0)
      case UInt8(ascii: "\\"): octets.append(UInt8(ascii: "\\"))
      case UInt8(ascii: "x"):
        octets.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)!)
        rest = rest.dropFirst(2)
      case .some(let other): octets.append(other)
      }
    }
    return octets + [0x0d, 0x0a]
  }

  static func corpus() throws -> [Transcript] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Corpus/sessions/server").standardizedFileURL
    return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .filter { $0.pathExtension == "session" }.sorted { $0.path < $1.path }.map(Transcript.init(file:))
  }
}

@Suite("Server transcripts")
struct TranscriptTests {
  // UTF8-005
  @Test(
    "every dialogue goes as written, fed whole, byte by byte and split at each boundary",
    arguments: try Transcript.corpus())
  func dialogue(_ transcript: Transcript) async throws {
    let longest = transcript.segments.map(\.client.count).max() ?? 0
    let stride = max(1, longest / 400)
    var feedings: [Feeding] = [.whole, .byteByByte]
    feedings += Swift.stride(from: 1, to: max(2, longest), by: stride).map { .cut($0) }
    for feeding in feedings {
      for answersLater in [false, true] {
        let failure = try await play(transcript, feeding, answersLater: answersLater)
        #expect(failure == nil, "\(transcript.name), \(feeding), answers \(answersLater ? "later" : "at once")")
        if failure != nil { return }
      }
    }
  }

  /// Nil, or what went otherwise than written.
  private func play(_ transcript: Transcript, _ feeding: Feeding, answersLater: Bool) async throws -> String? {
    let conduct = ScriptedConduct(answersLater: answersLater, connectAnswer: transcript.connectAnswer)
    let wire = ScriptedWire()
    var settings = ServerSettings(hostName: try DomainName("mail.example.com"))
    settings.limits = transcript.limits
    let endpoint = SocketEndpoint(address: IPAddress("192.0.2.1")!, port: 25)
    let connection = ServerConnection(
      wire: wire,
      facts: SessionFacts(session: SessionID(1), role: transcript.role, peer: endpoint, local: endpoint),
      conduct: conduct, settings: settings)
    wire.delegate = connection
    if transcript.role == .submissions { wire.finishHandshake() }
    connection.opened()
    await wire.settle()
    for (number, segment) in transcript.segments.enumerated() {
      if segment.beginsWithTLS {
        guard wire.isHandshaking else { return "no handshake was begun before segment \(number)" }
        wire.finishHandshake()
      }
      for piece in feeding.pieces(of: segment.client) {
        var bytes = ByteBuffer(bytes: piece)
        connection.received(&bytes)
        await wire.settle()
      }
      if segment.endsWithFIN { connection.inputClosed() }
      await wire.settle()
      let said = wire.takeWritten()
      guard said.isEmpty || said.hasSuffix("\r\n") else { return "a reply without its end: \(said)" }
      // UTF8-005: whatever the client said, replies are printable ASCII.
      guard said.utf8.allSatisfy({ (0x20...0x7e).contains($0) || $0 == 13 || $0 == 10 }) else {
        return "a reply that isn't ASCII: \(said)"
      }
      let lines = said.components(separatedBy: "\r\n").dropLast()
      if let difference = difference(Array(lines), segment.server) { return difference }
      guard wire.isClosed == segment.closes else { return "closed: \(wire.isClosed), expected \(segment.closes)" }
    }
    let taken = conduct.state.withLock { $0.messages.map(\.line) }
    return taken == transcript.accepted ? nil : "took \(taken), expected \(transcript.accepted)"
  }

  private func difference(_ said: [String], _ expected: [String]) -> String? {
    for (number, line) in expected.enumerated() {
      guard number < said.count else { return "nothing said where expected: \(line)" }
      let matches = line.hasSuffix("*") ? said[number].hasPrefix(line.dropLast()) : said[number] == line
      guard matches else { return "said: \(said[number])\nexpected: \(line)" }
    }
    return said.count > expected.count ? "said besides: \(said[expected.count])" : nil
  }
}
