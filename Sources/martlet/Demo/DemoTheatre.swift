import ArgumentParser
import Certificates
import Configuration
import Foundation
import MailQueue
import MailSyntax
import NIOCore
import NIOPosix
import Relay
import SMTPSessions
import SMTPTransport
import SystemWorld
import TransportSecurity

/// A server and a smarthost on loopback, whole ones, in folders of their own that go when the play is over.
struct DemoTheatre: Sendable {
  static let longestRun = Duration.seconds(30)
  /// What both certificates prove.
  static let hostName = "localhost"

  let folder: String
  private let server: DevelopmentPlace
  private let smarthost: DevelopmentPlace
  private let clock = SystemClock()

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
    let next = try await House.open(try smarthostConfiguration(), log: ears.listener("smarthost"))
    return try await next.whileRunning { () async throws -> [DemoScene] in
      var scenes: [DemoScene] = []
      // A server has one way on: it is started once for each.
      for way in [SendSecurity.implicit, .starttls] {
        let configuration = try serverConfiguration(relay: way, smarthost: next)
        let first = try await House.open(configuration, log: ears.listener("server"))
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
      let letter = SendMessage.composed(try message.builder(date: clock.now))
      let report = try await submit(letter, message, through: house)
      scene.octets = report.octets ?? 0
      scene.acceptedAfter = report.elapsed
      guard report.exitCode == .success else {
        throw DemoFault.notAccepted(report.complaints.joined(separator: "; "))
      }
      let relayed = try await ears.delivery(of: message.recipient, by: "server")
      let arrived = try await ears.delivery(of: message.recipient, by: "smarthost")
      scene.deliveredAfter = arrived.at - start
      let arrival = try DemoArrival(
        octets: try DemoArrival.read(maildir: folder + "/maildir/reader\(message.number)"),
        sent: Array(try letter.octets(allowsEightBit: true).readableBytesView))
      try scene.judge(arrival, submittedUnder: report.tls?.summary, relayedUnder: relayed.tls)
    } catch let fault as DemoFault {
      scene.fault = fault
    } catch is CancellationError {
      scene.fault = .interrupted
    } catch {
      scene.fault = .notAccepted("\(error)")
    }
    return scene
  }

  /// With the project's own client, in a user's name, and nothing but the server's own authority to believe.
  private func submit(
    _ letter: SendMessage, _ message: DemoMessage, through house: House
  ) async throws -> SendReport {
    let port = house.port(message.submission == .implicit ? .submissions : .submission)
    var attempt = SendAttempt(
      target: SendTarget(host: .name(try DomainName(DemoTheatre.hostName)), port: port), security: message.submission,
      identity: .name(try DomainName("program.sender.example")), reversePath: .mailbox(try Mailbox(message.sender)),
      recipients: [try Mailbox(message.recipient)])
    attempt.login = SendAttempt.Login(user: DevelopmentPlace.userName, password: Secret(server.password))
    attempt.usesChunking = message.usesChunking
    attempt.timeouts = SendAttempt.patience(.seconds(10))
    let loops = TransportLoops(group: MultiThreadedEventLoopGroup.singleton)
    defer { loops.shutDown() }
    let dialer = try NIODialer(
      loops: loops, roots: try TrustRoots.file(server.tls.authority), now: { SystemClock().now })
    return await attempt.run(letter, by: dialer)
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

  private func configuration(
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
    // What goes again in a moment needs no room for days.
    configuration.queue.spaceFloor = .mebibytes(16)
    configuration.drainTime = .seconds(2)
    return configuration
  }
}

extension House {
  /// The port of the first listener of this role.
  fileprivate func port(_ role: ListenerRole) -> UInt16 {
    configuration.listeners.firstIndex { $0.role == role }.flatMap { endpoints($0).first?.port } ?? 0
  }

  /// Serves until `body` has returned or thrown, then drains and closes.
  func whileRunning<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
    let (curtain, continuation) = AsyncStream.makeStream(of: Never.self)
    async let end = run { for await _ in curtain {} }
    do {
      let value = try await body()
      continuation.finish()
      _ = await end
      return value
    } catch {
      continuation.finish()
      _ = await end
      throw error
    }
  }
}
