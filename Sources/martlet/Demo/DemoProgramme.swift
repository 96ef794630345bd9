import Foundation
import MailSyntax

/// What the demonstration prints for a person, in 80 columns. `DemoRecord` has it for a program.
struct DemoProgramme {
  static let width = QueueText.width

  let scenes: [DemoScene]
  let relay: DemoRelayAct
  let elapsed: Duration
  var paint = Paint.off

  /// All that could be shown went as it had to.
  var isIntact: Bool {
    let isRelayIntact =
      switch relay {
      case .played(let crossings, _, _, _): !crossings.isEmpty && crossings.allSatisfy { $0.fault == nil }
      case .skipped: true
      }
    return !scenes.isEmpty && scenes.allSatisfy { $0.fault == nil } && isRelayIntact
  }

  static let introduction = """
    Martlet's demonstration, on loopback alone: four messages through a server and
    its smarthost, then one to a small internet with an attacker in every way.

    """

  var text: String { (sceneLines + [""] + relayLines + ["", conclusion]).joined(separator: "\n") }

  // MARK: The first act

  private static let columns = [19, 7, 5, 5, 5, 9, 9]

  private var sceneLines: [String] {
    var lines = [
      "1. A program submits with its password; the server says 250 once the message is",
      "   safe on disk, verifies its smarthost's certificate, and hands it on.", "",
      DemoProgramme.row(["message", "bytes", "in by", "on by", "as", "accepted", "delivered"]),
    ]
    for scene in scenes {
      let message = scene.message
      lines.append(
        DemoProgramme.row([
          message.title, "\(scene.octets)", message.submission.port, message.relay.port,
          message.usesChunking ? "BDAT" : "DATA", DemoProgramme.milliseconds(scene.acceptedAfter),
          DemoProgramme.milliseconds(scene.deliveredAfter),
        ]))
      if let fault = scene.fault { lines += QueueText.wrapped("FAILED: \(fault)", indent: 5) }
    }
    let channels = Set(scenes.filter { $0.fault == nil }.flatMap(\.hops).map(\.channel)).sorted()
    if !channels.isEmpty {
      lines += QueueText.wrapped(
        "465 is TLS from the first byte, 587 STARTTLS. Both ends of each wire saw \(channels.joined(separator: ", ")).",
        indent: 3)
    }
    return lines
  }

  private static func row(_ cells: [String]) -> String {
    let padded = zip(cells, columns).enumerated().map { index, cell in
      [1, 5, 6].contains(index) ? QueueText.right(cell.0, cell.1) : QueueText.left(cell.0, cell.1)
    }
    return "   " + padded.joined(separator: "  ").trimmingSpacesAtEnd
  }

  static func milliseconds(_ duration: Duration) -> String { "\(duration.nanoseconds / 1_000_000) ms" }

  // MARK: The end

  private var conclusion: String {
    let seconds = String(format: "%.1f", Double(elapsed.nanoseconds) / 1e9)
    let faults = scenes.compactMap(\.fault) + relay.crossings.compactMap(\.fault)
    guard isIntact else {
      return paint.paint(
        "\(faults.count) of \(scenes.count + relay.crossings.count) went otherwise than they had to, after \(seconds) s.",
        .red)
    }
    guard !relay.crossings.isEmpty else {
      return "All \(scenes.count) arrived intact, octet for octet, each inside TLS on both wires. \(seconds) s."
    }
    let read = relay.crossings.count { $0.expectation.isRead }
    let text = """
      All as it has to be: \(scenes.count) arrived intact, octet for octet, each inside TLS on both \
      wires; of \(relay.crossings.count) at the relay the attacker read \(read): there nobody asks for a \
      proof, or the policy that does could not be had. \(seconds) s.
      """
    return QueueText.wrapped(text, indent: 0).joined(separator: "\n")
  }
}

extension SendSecurity {
  /// The port whose way it is.
  fileprivate var port: String { self == .implicit ? "465" : "587" }
}

extension String {
  var trimmingSpacesAtEnd: String { String(reversed().drop { $0 == " " }.reversed()) }
}
