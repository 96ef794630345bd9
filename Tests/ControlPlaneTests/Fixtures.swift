import Foundation
import Glibc
import MailQueue
import MailSyntax
import NIOCore
import NIOPosix
import OrderedCollections
import QueueModel
import Relay
import SMTPGrammar
import Synchronization
import Testing

@testable import ControlPlane

/// A clock that stands still.
struct StillClock: MailClock {
  static let start = UTCInstant(seconds: 1_795_347_900)
  var now: UTCInstant { StillClock.start }
  var uptime: Uptime { Uptime(nanoseconds: 0) }
  func sleep(until deadline: Uptime) async { await Task.yield() }
}

struct NoLog: EventSink {
  func record(_ event: MailEvent) {}
}

final class Counter: RandomSource {
  private let last = Mutex<UInt64>(0)
  func next() -> UInt64 {
    last.withLock {
      $0 += 0x9e37_79b9
      return $0
    }
  }
}

/// A queue in memory with an operator's desk on it. Nothing runs: what is queued stays.
struct QueueFixture {
  static let outbound = RouteKey(rawValue: "outbound")
  let store: ModelQueueStore
  let control: QueueControl

  init() throws {
    store = ModelQueueStore(clock: StillClock(), events: NoLog())
    let runner = QueueRunner(
      store: store, routes: RouteTable([:]), routing: try Routing(domains: [], outbound: .route(QueueFixture.outbound)),
      clock: StillClock(), random: Counter(), events: NoLog(),
      options: QueueRunner.Options(hostName: try DomainName("mx.example.com"), schedule: .standard))
    control = QueueControl(store: store, runner: runner)
  }

  static func id(_ number: Int) -> QueueID { QueueID(acceptedAt: StillClock.start, random: UInt64(number)) }

  @discardableResult
  func add(
    _ number: Int, from sender: String? = "anna@example.com", to recipients: [String] = ["x@there.example"],
    route: RouteKey = QueueFixture.outbound, account: String? = "anna"
  ) async throws -> QueueID {
    let message = NewMessage(
      id: QueueFixture.id(number), reversePath: try sender.map { .mailbox(try Mailbox($0)) } ?? .null,
      recipients: try recipients.map { NewRecipient(address: try Mailbox($0), route: route) }, account: account,
      receivedAt: StillClock.start, expiresAt: StillClock.start + .seconds(5 * 86_400),
      prefix: ByteBuffer(string: "Received: from here\r\n"))
    let body = try store.beginBody()
    if case .later(let written) = body.write(ByteBuffer(string: "Subject: hello\r\n\r\nhello\r\n")) { await written() }
    _ = try await store.commit(
      message, body: body, event: MailEvent(.accepted, [.init("id", .text(message.id.description))]))
    return message.id
  }

  func states(of id: QueueID) async throws -> [RecipientState] {
    try await store.message(id)?.recipients.map(\.state) ?? []
  }
}

struct FixtureHandler: ControlHandler {
  let queue: QueueControl
  var fault: ControlFault?

  func status() async throws(ControlFault) -> ServerStatus {
    if let fault { throw fault }
    return ServerStatus(
      version: "0.1.0", hostName: "mx.example.com", processID: 7, startedAt: Timestamp(StillClock.start),
      listeners: [.init(role: "submissions", address: "127.0.0.1:465")], queue: try await queue.standing())
  }

  func metrics() async throws(ControlFault) -> String { "martlet_info{version=\"0.1.0\"} 1\n" }

  func reload(_ scope: ReloadScope) async throws(ControlFault) -> [String] {
    switch scope {
    case .everything: ["certificates", "users"]
    case .users: ["users"]
    case .signingKeys: ["signing-keys"]
    }
  }

  func backup(to folder: String) async throws(ControlFault) -> BackupFacts {
    BackupFacts(folder: folder, madeAt: Timestamp(StillClock.start), messages: 3)
  }
}

/// A folder of its own, removed with the test.
final class TestFolder {
  let path: String
  var socketPath: String { ControlServer.socketPath(inDataFolder: path) }

  init(_ name: String = "") throws {
    path = NSTemporaryDirectory() + "/mc-\(UUID().uuidString.prefix(8))\(name)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A server on a socket in a folder of its own, for the time of `work`.
func withServer(
  _ handler: some ControlHandler, owner: UInt32 = geteuid(), requestTimeout: Duration = .seconds(10),
  folder: TestFolder, _ work: (String) async throws -> Void
) async throws {
  let server = try await ControlServer.open(
    socketPath: folder.socketPath, on: .singletonMultiThreadedEventLoopGroup, handler: handler, owner: owner,
    requestTimeout: requestTimeout)
  try await withThrowingDiscardingTaskGroup { group in
    group.addTask { await server.run() }
    do {
      try await work(folder.socketPath)
    } catch {
      group.cancelAll()
      throw error
    }
    group.cancelAll()
  }
}

/// A command that writes what it likes.
final class RawCommand: Sendable {
  private let socket: CInt

  init(_ path: String) throws {
    socket = Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let code = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(code == 0)
  }
  deinit { Glibc.close(socket) }

  func send(_ text: String) {
    var octets = Array(text.utf8)[...]
    while !octets.isEmpty {
      let count = octets.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
      guard count > 0 else { return }
      octets = octets.dropFirst(count)
    }
  }

  /// Until the server closes. On a thread of its own: the tasks that answer need the others.
  func readAll() async -> String {
    await withCheckedContinuation { done in
      Thread.detachNewThread { [self] in
        var octets: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        var count = 1
        while count > 0 {
          count = read(socket, &chunk, chunk.count)
          octets += chunk.prefix(max(0, count))
        }
        done.resume(returning: String(decoding: octets, as: UTF8.self))
      }
    }
  }
}
