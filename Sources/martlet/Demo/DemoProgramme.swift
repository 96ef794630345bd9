import Foundation
import MailSyntax

/// What the demonstration prints: for a person in 80 columns, for a program as JSON.
struct DemoProgramme {
  static let width = 80

  let scenes: [DemoScene]
  let elapsed: Duration

  var isIntact: Bool { !scenes.isEmpty && scenes.allSatisfy { $0.fault == nil } }

  static let introduction = """
    Martlet's demonstration: a server, a smarthost, and four messages.

    A program submits each message with a password, by implicit TLS (as on 465) or
    STARTTLS (as on 587). The server says 250 once the message is safe on disk, and
    hands it on to the smarthost after verifying the certificate there. Each line
    about TLS was seen alike by both ends of its wire.

    """

  var text: String {
    var lines = [DemoProgramme.row("wire", "TLS", "version", "cipher suite", "group")]
    for scene in scenes {
      lines.append("")
      lines += DemoProgramme.lines(for: scene)
    }
    lines += ["", conclusion]
    return lines.joined(separator: "\n")
  }

  private static func lines(for scene: DemoScene) -> [String] {
    let message = scene.message
    let way = message.usesChunking ? "BDAT" : "DATA"
    var lines = ["\(message.number) \(message.title), \(scene.octets) bytes by \(way)"]
    if let fault = scene.fault {
      lines.append("  FAILED: \(fault)")
    } else {
      lines[0] += ": accepted \(milliseconds(scene.acceptedAfter)), delivered \(milliseconds(scene.deliveredAfter))"
    }
    let wires = [("program to server", message.submission), ("server to smarthost", message.relay)]
    for ((name, security), hop) in zip(wires, scene.hops) {
      lines.append(row(name, security.title, hop.version, hop.suite, hop.group))
    }
    return lines
  }

  private static func row(_ cells: String...) -> String {
    "  " + zip(cells, [19, 8, 7, 22, 0]).map { pad($0, to: $1) }.joined(separator: " ").trimmingSpacesAtEnd
  }

  private static func pad(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private static func milliseconds(_ duration: Duration) -> String { "\(duration.nanoseconds / 1_000_000) ms" }

  private var conclusion: String {
    let seconds = String(format: "%.1f", Double(elapsed.nanoseconds) / 1e9)
    guard isIntact else {
      return "\(scenes.count { $0.fault != nil }) of \(scenes.count) messages FAILED, after \(seconds) s."
    }
    return "All \(scenes.count) arrived intact, octet for octet, each inside TLS on both wires. \(seconds) s."
  }

  private struct Record: Encodable {
    struct Message: Encodable {
      struct Wire: Encodable { var from, to, tls, version, suite, group: String }
      var subject: String
      var octets: Int
      var acceptedMilliseconds, deliveredMilliseconds: Int64
      var wires: [Wire]
      var fault: String?
    }
    var intact: Bool
    var milliseconds: Int64
    var messages: [Message]
  }

  /// One object on one line; keys in order, in snake case.
  var json: String {
    let record = Record(
      intact: isIntact, milliseconds: elapsed.nanoseconds / 1_000_000,
      messages: scenes.map { scene in
        let ends = [("program", "server", scene.message.submission), ("server", "smarthost", scene.message.relay)]
        return Record.Message(
          subject: scene.message.title, octets: scene.octets,
          acceptedMilliseconds: scene.acceptedAfter.nanoseconds / 1_000_000,
          deliveredMilliseconds: scene.deliveredAfter.nanoseconds / 1_000_000,
          wires: zip(ends, scene.hops).map { end, hop in
            .init(
              from: end.0, to: end.1, tls: end.2.rawValue, version: hop.version, suite: hop.suite, group: hop.group)
          },
          fault: scene.fault.map { "\($0)" })
      })
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return (try? encoder.encode(record)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}

extension String {
  fileprivate var trimmingSpacesAtEnd: String { String(reversed().drop { $0 == " " }.reversed()) }
}
