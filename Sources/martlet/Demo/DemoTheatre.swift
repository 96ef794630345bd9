import Certificates
import Configuration
import Foundation
import MailQueue
import MailSyntax
import NIOCore
import Relay
import SMTPSessions
import SystemWorld
import TransportSecurity

/// A server and a smarthost on loopback, whole ones, in folders of their own that go when the play is over. The second
/// act, in `DemoTheatre+Relay.swift`, has the mail servers of other domains in the smarthost's place.
struct DemoTheatre: Sendable {
  static let longestRun = Duration.seconds(30)
  /// What both certificates prove.
  static let hostName = "localhost"

  let folder: String
  let server: DevelopmentPlace
  private let smarthost: DevelopmentPlace
  let clock = SystemClock()

  /// Each place gets an authority, a certificate for localhost and a user with a password of its own.
  static func build() async throws -> DemoTheatre {
    let folder = try temporaryFolder()
    do {
      // A Maildir's deliverer makes what its placeholders name, and nothing above it.
      try FileManager.default.createDirectory(atPath: folder + "/maildir", withIntermediateDirectories: false)
      return DemoTheatre(
        folder: folder, server: try await .ensure(in: folder + "/server"),
        smarthost: try await .ensure(in: folder + "/smarthost"))
    } catch {
      remove(folder)
      throw error
    }
  }

  private init(folder: String, server: DevelopmentPlace, smarthost: DevelopmentPlace) {
    self.folder = folder
    self.server = server
    self.smarthost = smarthost
  }

  func tearDown() { DemoTheatre.remove(folder) }

  static func remove(_ folder: String) { try? FileManager.default.removeItem(atPath: folder) }

  /// With no slash doubled: a Maildir's path has no empty component.
  static func temporaryFolder() throws -> String {
    let parent = FileManager.default.temporaryDirectory.standardizedFileURL.path()
    var template = Array((parent + (parent.hasSuffix("/") ? "" : "/") + "martlet-demo-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else { throw FileTrouble("\(parent): \(String(cString: strerror(errno)))") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // MARK: The play

  /// Sends every message, and tells of each what became of it.
  func perform(_ messages: [DemoMessage]) async throws -> [DemoScene] {
    let ears = DemoEars()
    let next = try await House.open(
      try smarthostConfiguration(), log: ears.listener("smarthost"), segmentSize: DevelopmentPlace.segmentSize)
    return try await next.whileRunning { () async throws -> [DemoScene] in
      var scenes: [DemoScene] = []
      // A server has one way on: it is started once for each.
      for way in [SendSecurity.implicit, .starttls] {
        let configuration = try serverConfiguration(relay: way, smarthost: next)
        let first = try await House.open(
          configuration, log: ears.listener("server"), segmentSize: DevelopmentPlace.segmentSize)
        scenes += try await first.whileRunning { () async throws -> [DemoScene] in
          var played: [DemoScene] = []
          for message in messages where message.relay == way {
            played.append(await play(message, through: first, ears))
          }
          return played
        }
      }
      return scenes
    }
  }

  private func play(_ message: DemoMessage, through house: House, _ ears: DemoEars) async -> DemoScene {
    var scene = DemoScene(message: message)
    do {
      let start = clock.uptime
      let letter = try message.letter(date: clock.now)
      let sent = Array(try letter.octets(allowsEightBit: true).readableBytesView)
      scene.octets = sent.count
      let report = try await DemoProgram(place: server).submit(
        letter, to: [message.recipient], by: message.submission, usesChunking: message.usesChunking, through: house)
      scene.acceptedAfter = report.elapsed
      let told = try await ears.deliveries(of: message.recipient, by: ["server", "smarthost"])
      scene.deliveredAfter = told[1].at - start
      let arrival = try DemoArrival(
        octets: try DemoArrival.read(maildir: folder + "/maildir/reader\(message.number)"), sent: sent)
      try scene.judge(arrival, submittedUnder: report.tls?.summary, relayedUnder: told[0].tls)
    } catch {
      scene.fault = DemoFault(error)
    }
    return scene
  }

  // MARK: The houses

  private func serverConfiguration(relay: SendSecurity, smarthost next: House) throws -> Configuration {
    var configuration = try configuration(
      of: server, named: "server.example",
      outbound: .smarthost(
        .init(
          try DomainName(DemoTheatre.hostName), port: next.port(relay == .implicit ? .submissions : .submission),
          relay == .implicit ? .implicit : .starttls,
          .password(user: DevelopmentPlace.userName, passwordFile: smarthost.folder + "/password"),
          chunking: relay == .starttls)))
    configuration.trustRoots = [smarthost.tls.authority]
    return configuration
  }

  private func smarthostConfiguration() throws -> Configuration {
    try configuration(
      of: smarthost, named: "smarthost.example", outbound: .local(.maildir(path: folder + "/maildir/%n")))
  }

  func configuration(
    of place: DevelopmentPlace, named name: String, outbound: Configuration.Outbound.Route
  ) throws -> Configuration {
    func listener(_ role: ListenerRole) -> Configuration.Listener {
      let port = Loopback.freePort()
      return .init(role: role, addresses: Loopback.addresses.map { SocketEndpoint(address: $0, port: port) })
    }
    var configuration = Configuration(
      hostName: try DomainName(name), dataFolder: place.folder + "/queue",
      listeners: [listener(.submissions), listener(.submission)],
      certificates: [.init(chainFile: place.tls.chain, keyFile: place.tls.key)], usersFile: place.usersFile,
      domains: [],
      outbound: .init(outbound))
    DemoTheatre.makeSmall(&configuration)
    return configuration
  }

  /// What goes again in a moment needs no room for days.
  static func makeSmall(_ configuration: inout Configuration) {
    configuration.queue.spaceFloor = .mebibytes(16)
    configuration.drainTime = .seconds(2)
  }
}

extension House {
  /// The port of the first listener of this role.
  func port(_ role: ListenerRole) -> UInt16 {
    configuration.listeners.firstIndex { $0.role == role }.flatMap { endpoints($0).first?.port } ?? 0
  }

  /// Serves until `body` has returned or thrown, then drains and closes. An interruption ends `body` alone: sessions that
  /// are open still end on event loops that are there.
  func whileRunning<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
    let (curtain, continuation) = AsyncStream.makeStream(of: Never.self)
    let running = Task { await run { for await _ in curtain {} } }
    do {
      let value = try await body()
      continuation.finish()
      _ = await running.value
      return value
    } catch {
      continuation.finish()
      _ = await running.value
      throw error
    }
  }
}
