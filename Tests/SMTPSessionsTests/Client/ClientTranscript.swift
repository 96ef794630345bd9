import Foundation
import MailSyntax
import NIOCore
import SASLMechanisms
import SMTPGrammar
import SMTPSessions
import Testing

/// A client's dialogue as a file: what is to be sent, how safe the channel is, and then the lines.
///
/// Above the line `---` stand settings, below it the dialogue:
/// `S:` what the server says (`\r`, `\n`, `\0` and `\\` are escapes; a `\` at the end leaves the CRLF out),
/// `C:` what the client must have written, line by line, before the server goes on,
/// `TLS` the client must have asked for the handshake, which then succeeds,
/// `=` what the session must have reported, in the words of `ClientDriver`.
struct ClientTranscript: CustomTestStringConvertible {
  enum Step: Hashable {
    case server([UInt8])
    case expected(String)
    case handshake
  }

  var name = ""
  var settings: [String: [String]] = [:]
  var steps: [Step] = []

  var testDescription: String { name }

  init(name: String, text: String) throws {
    self.name = name
    var isBelow = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
      if line.hasPrefix("#") || line.isEmpty { continue }
      if line == "---" {
        isBelow = true
      } else if !isBelow {
        guard let colon = line.firstIndex(of: ":") else { throw Malformed(name: name, line: line) }
        let value = line[line.index(after: colon)...].drop { $0 == " " }
        settings[String(line[..<colon]), default: []].append(String(value))
      } else if line.hasPrefix("S: ") {
        try append(ClientTranscript.unescape(String(line.dropFirst(3))))
      } else if line == "TLS" {
        steps += [.expected("TLS"), .handshake]
      } else if line.hasPrefix("C: ") || line.hasPrefix("= ") {
        steps.append(.expected(line))
      } else {
        throw Malformed(name: name, line: line)
      }
    }
    guard isBelow, !steps.isEmpty else { throw Malformed(name: name, line: "---") }
  }

  struct Malformed: Error {
    let name: String
    let line: String
  }

  private mutating func append(_ octets: [UInt8]) throws {
    if case .server(let before)? = steps.last {
      steps[steps.count - 1] = .server(before + octets)
    } else {
      steps.append(.server(octets))
    }
  }

  static func unescape(_ text: String) -> [UInt8] {
    var octets: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let octet = rest.popFirst() {
      guard octet == UInt8(ascii: "\\") else {
        octets.append(octet)
        continue
      }
      switch rest.popFirst() {
      case UInt8(ascii: "r"): octets.append(13)
      case UInt8(ascii: "n"): octets.append(10)
      case UInt8(ascii: "0"): octets.append(0)
      case UInt8(ascii: "\\"): octets.append(UInt8(ascii: "\\"))
      case nil: return octets
      case let other?: octets += [UInt8(ascii: "\\"), other]
      }
    }
    return octets + [13, 10]
  }

  /// All files of the corpus, by name.
  static func corpus() throws -> [ClientTranscript] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Corpus/sessions/client")
    return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .filter { $0.pathExtension == "session" }.sorted { $0.path < $1.path }
      .map { try ClientTranscript(name: $0.lastPathComponent, text: String(contentsOf: $0, encoding: .utf8)) }
  }
}
