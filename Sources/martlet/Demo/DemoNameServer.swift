import DNSRecords
import DNSTransport
import Foundation
import InternationalDomainNames
import MailSyntax
import Subprocess
import Synchronization

/// nsd with the demonstration's zones, one of them signed on the spot, and a resolver that validates from its key on.
struct DemoNameServer: Sendable {
  /// How long nsd has until it answers.
  static let patience = Duration.seconds(3)
  /// Where daemons are, beside what PATH names.
  private static let daemonFolders = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin"]

  let resolver: UnboundResolver
  private let daemon: DemoDaemon

  /// Why the names come from this process instead.
  struct Absence: Error, CustomStringConvertible { let description: String }

  /// Signs, starts and waits until an answer is proven.
  static func start(_ zones: DemoZones, in folder: String) async throws -> DemoNameServer {
    let nsd = try find("nsd"), keygen = try find("ldns-keygen"), signzone = try find("ldns-signzone")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let anchors = try await sign(zones, in: folder, keygen, signzone)
    for zone in zones.unsigned { try write(zones.file(of: zone), to: "\(folder)/\(zone).zone") }
    guard let port = Loopback.freePort(on: [Loopback.v4]) else { throw Absence(description: "no port is free") }
    try write(settings(zones, folder, port), to: folder + "/nsd.conf")
    let daemon = DemoDaemon.start(nsd, ["-d", "-c", folder + "/nsd.conf"])
    do {
      var settings = UnboundResolver.Settings(
        servers: [SocketEndpoint(address: Loopback.v4, port: port)], anchors: anchors)
      settings.bounds.lookUpTime = .seconds(5)
      let server = DemoNameServer(
        resolver: try UnboundResolver(settings, converter: LibraryIDNAConverter()), daemon: daemon)
      try await server.waitForProof()
      return server
    } catch {
      await daemon.stop()
      throw error
    }
  }

  func stop() async { await daemon.stop() }

  /// A resolver that has met silence remembers it: each trial gets one of its own.
  private func waitForProof() async throws {
    let deadline = ContinuousClock.now + DemoNameServer.patience
    let name = try DomainName("ns.\(DemoZones.root)")
    while ContinuousClock.now < deadline, daemon.isRunning {
      let trial = try UnboundResolver(resolver.settings, converter: LibraryIDNAConverter())
      if case .records(let set) = await trial.addresses(of: name, family: .v4), set.security == .secure { return }
      try await Task.sleep(for: .milliseconds(20))
    }
    throw Absence(description: "nsd doesn't answer")
  }

  // MARK: The zone's keys

  private static func sign(
    _ zones: DemoZones, in folder: String, _ keygen: String, _ signzone: String
  ) async throws -> [TrustAnchor] {
    let zoneFile = folder + "/example.zone"
    try write(zones.file(of: nil), to: zoneFile)
    let key = try await DemoDaemon.run(keygen, ["-a", "ECDSAP256SHA256", "-k", DemoZones.root], in: folder)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    _ = try await DemoDaemon.run(
      signzone, ["-o", DemoZones.root, "-f", folder + "/example.signed", zoneFile, "\(folder)/\(key)"], in: folder)
    let signed = try String(contentsOfFile: folder + "/example.signed", encoding: .utf8)
    try write(zones.tampering(with: signed), to: folder + "/example.signed")
    let record = try String(contentsOfFile: "\(folder)/\(key).key", encoding: .utf8)
    return try TrustAnchorFile.parse(Array(record.utf8))
  }

  private static func settings(_ zones: DemoZones, _ folder: String, _ port: UInt16) -> String {
    let server = """
      server:
        ip-address: \(Loopback.v4)@\(port)
        username: ""
        chroot: ""
        zonesdir: "\(folder)"
        pidfile: ""
        xfrdfile: "\(folder)/xfrd.state"
        zonelistfile: "\(folder)/zone.list"
        database: ""
        logfile: "\(folder)/nsd.log"
        server-count: 1
        rrl-ratelimit: 0
      remote-control:
        control-enable: no

      """
    let files = [(DemoZones.root, "example.signed")] + zones.unsigned.map { ("\($0).\(DemoZones.root)", "\($0).zone") }
    return server + files.map { "zone:\n  name: \"\($0)\"\n  zonefile: \"\($1)\"\n" }.joined()
  }

  private static func find(_ program: String) throws(Absence) -> String {
    let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
    for folder in path + daemonFolders where FileManager.default.isExecutableFile(atPath: "\(folder)/\(program)") {
      return "\(folder)/\(program)"
    }
    throw Absence(description: "\(program) is not installed")
  }

  private static func write(_ text: String, to path: String) throws {
    try text.write(toFile: path, atomically: false, encoding: .utf8)
  }
}

/// A program that runs as long as we do: should this process end in whatever way, the shell beside it sees its input end
/// and ends it.
struct DemoDaemon: Sendable {
  private static let keeper = "trap '' INT HUP; \"$@\" & read word; kill $! 2>/dev/null; wait $!"
  /// After which the daemon's end isn't waited for any more, but made.
  private static let patience = Duration.seconds(3)
  private static let maximumWords = 65_536

  private let running: Task<Void, Never>
  private let lifeline: AsyncStream<Never>.Continuation
  private let ended: Flag

  /// Whether something has come to pass, for whoever looks.
  private final class Flag: Sendable { let isUp = Atomic(false) }

  var isRunning: Bool { !ended.isUp.load(ordering: .relaxed) }

  static func start(_ program: String, _ arguments: [String]) -> DemoDaemon {
    let (untilStopped, lifeline) = AsyncStream.makeStream(of: Never.self)
    let ended = Flag()
    var shell = Configuration(program: "/bin/sh", ["-c", keeper, "sh", program] + arguments)
    shell.platformOptions.createSession = true
    shell.platformOptions.teardownSequence = [
      .gracefulShutDown(toProcessGroup: true, allowedDurationToNextStep: .seconds(1))
    ]
    let running = Task { [shell] in
      _ = try? await Subprocess.run(
        shell, input: .inputWriter, output: .discarded, error: .discarded
      ) { execution in
        for await _ in untilStopped {}
        try await execution.standardInputWriter.finish()
      }
      ended.isUp.store(true, ordering: .relaxed)
    }
    return DemoDaemon(running: running, lifeline: lifeline, ended: ended)
  }

  /// Also where this task is cancelled.
  func stop() async {
    lifeline.finish()
    let alarm = Task { [running] in
      try await Task.sleep(for: DemoDaemon.patience)
      running.cancel()
    }
    await running.value
    alarm.cancel()
  }

  /// Runs a program to its end and gives what it said, which is little.
  static func run(_ program: String, _ arguments: [String], in folder: String) async throws -> String {
    let end = try await Subprocess.run(
      Configuration(program: program, arguments, in: folder), input: .none, output: .string(limit: maximumWords),
      error: .discarded)
    guard end.terminationStatus.isSuccess else {
      throw DemoNameServer.Absence(description: "\(program) ended with \(end.terminationStatus)")
    }
    return end.standardOutput
  }
}
