import Foundation
import MailSyntax

/// What the demonstration prints for a person, in 80 columns. `DemoRecord` has it for a program.
struct DemoProgramme {
  static let width = 80

  let scenes: [DemoScene]
  let relay: DemoRelayAct
  let elapsed: Duration

  /// All that could be shown went as it had to.
  var isIntact: Bool {
    let isRelayIntact =
      switch relay {
      case .played(let crossings): !crossings.isEmpty && crossings.allSatisfy { $0.fault == nil }
      case .skipped: true
      }
    return !scenes.isEmpty && scenes.allSatisfy { $0.fault == nil } && isRelayIntact
  }

  static let introduction = """
    Martlet's demonstration: a server, a smarthost, and four messages; then a relay,
    and the mail servers of four other domains.

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
    lines.append("")
    lines += relayLines
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

  static func milliseconds(_ duration: Duration) -> String { "\(duration.nanoseconds / 1_000_000) ms" }

  private var conclusion: String {
    let seconds = String(format: "%.1f", Double(elapsed.nanoseconds) / 1e9)
    let faults = scenes.compactMap(\.fault) + relay.crossings.compactMap(\.fault)
    guard isIntact else {
      return "\(faults.count) of \(scenes.count + relay.crossings.count) messages FAILED, after \(seconds) s."
    }
    let arrived = relay.crossings.count { $0.domain.ending != .waiting }
    guard arrived > 0 else {
      return "All \(scenes.count) arrived intact, octet for octet, each inside TLS on both wires. \(seconds) s."
    }
    return """
      \(scenes.count) arrived intact, octet for octet, each inside TLS on both wires; so did \(arrived)
      at other domains, as safely as each can be reached; \(relay.crossings.count - arrived) waits, and nothing of
      it went out. \(seconds) s.
      """
  }
}

extension String {
  fileprivate var trimmingSpacesAtEnd: String { String(reversed().drop { $0 == " " }.reversed()) }
}
