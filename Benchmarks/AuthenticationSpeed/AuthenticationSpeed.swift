import Foundation
import MailAuthentication

/// How fast DKIM is beside the bare cryptography below it, as JSON: what is compared with each other takes turns in one
/// process, on one thread. `Benchmarks/authentication_speed.py` prepares the folder and puts the figures beside others.
///
///     AuthenticationSpeed FOLDER [TURNS]
///
/// The folder holds `message.eml`, the private keys `rsa.pem` and `ed25519.pem`, and `keys.zone` with what they publish.
@main
enum AuthenticationSpeed {
  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    guard let folder = arguments.first, arguments.count <= 2, let turns = Int(arguments.dropFirst().first ?? "20"),
      turns > 0
    else { throw Unusable("usage: AuthenticationSpeed FOLDER [TURNS]") }
    let stage = try Stage(URL(filePath: folder, directoryHint: .isDirectory))
    var meter = Meter(turns: turns)
    for kind in DKIMKey.Kind.allCases { try await Signatures(stage, kind).measure(&meter) }
    for body in Bodies.Kind.allCases { try await Bodies(body, stage).measure(&meter) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    print(String(decoding: try encoder.encode(meter.nanoseconds), as: UTF8.self))
  }
}

struct Unusable: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
