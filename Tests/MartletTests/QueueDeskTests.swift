import ControlPlane
import Foundation
import MailQueue
import MailSyntax
import NIOCore
import OrderedCollections
import QueueStorage
import Relay
import SystemWorld
import Testing

@testable import martlet

@Suite("The queue, running or stopped")
struct QueueDeskTests {
  private func makeQueue(in folder: String) async throws -> QueueID {
    let store = try await SegmentedQueueStore.open(folder: folder, clock: SystemClock(), events: NoLog())
    let queued = try Sample.message(
      1, age: .zero, from: "a@example.org", to: [("b@there.example", .queued, .zero, nil)])
    let body = try store.beginBody()
    if case .later(let written) = body.write(ByteBuffer(string: "Subject: x\r\n\r\n")) { await written() }
    _ = try await store.commit(
      queued.message, body: body, event: MailEvent(.accepted, [.init("id", .text(queued.id.description))]))
    await store.close()
    return queued.id
  }

  private func hold(_ folder: String) async throws -> [ControlAnswer] {
    try await QueueDesk.serving(OperatingPlace(dataFolder: folder)) { desk in
      try await desk.ask(.change(.hold, QueueFilter()))
    }
  }

  @Test("is changed in the store itself where no server runs, and the folder is free again afterwards")
  func stopped() async throws {
    let folder = try TestFolder()
    let id = try await makeQueue(in: folder.path)
    #expect(try await hold(folder.path) == [.changed(1)])
    let answers = try await QueueDesk.serving(OperatingPlace(dataFolder: folder.path)) { try await $0.ask(.show(id)) }
    let story = QueueStory(id: id, answers)
    #expect(story.recipients.map(\.state) == ["held"])
    let name = ControlPeer.userName(getuid()) ?? "uid \(getuid())"
    #expect(story.events.last?.event["by"] == .text(name))
  }

  @Test("is asked of the server where one answers")
  func running() async throws {
    let folder = try TestFolder()
    _ = try await makeQueue(in: folder.path)
    let store = try await SegmentedQueueStore.open(folder: folder.path, clock: SystemClock(), events: NoLog())
    let runner = QueueRunner(
      store: store, routes: RouteTable([:]), routing: try Routing(domains: [], outbound: nil), clock: SystemClock(),
      random: SystemRandom(), events: NoLog(),
      options: QueueRunner.Options(hostName: try DomainName("mx.example.com"), schedule: .standard))
    let server = try await ControlServer.open(
      socketPath: OperatingPlace(dataFolder: folder.path).socketPath,
      handler: Handler(queue: QueueControl(store: store, runner: runner)))
    try await withThrowingDiscardingTaskGroup { group in
      group.addTask { await server.run() }
      // The store's lock is held by the server: only over the socket can this be done.
      let answers = try await hold(folder.path)
      #expect(answers == [.changed(1)])
      group.cancelAll()
    }
    await store.close()
  }

  @Test("that somebody holds without answering is named as such")
  func locked() async throws {
    let folder = try TestFolder()
    _ = try await makeQueue(in: folder.path)
    let lock = try FolderLock(folder: folder.path)
    let fault = await #expect(throws: ControlFault.self) { try await hold(folder.path) }
    #expect(fault?.kind == .busy)
    #expect(fault?.text.contains("process \(getpid()) has this folder") == true)
    withExtendedLifetime(lock) {}
  }

  @Test("is never made by looking for it")
  func absent() async throws {
    let folder = try TestFolder()
    await #expect(throws: FileTrouble.self) { try await hold(folder.path) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test("is not bounced without the routes that the reports take")
  func bounceNeedsRoutes() async throws {
    let folder = try TestFolder()
    let id = try await makeQueue(in: folder.path)
    let place = OperatingPlace(dataFolder: folder.path)
    let fault = await #expect(throws: ControlFault.self) {
      try await QueueDesk.serving(place) { try await $0.ask(.change(.bounce, QueueFilter())) }
    }
    #expect(fault?.text.contains("--config") == true)
    let answers = try await QueueDesk.serving(place) { try await $0.ask(.show(id)) }
    #expect(QueueStory(id: id, answers).recipients.map(\.state) == ["queued"])
  }

  @Test("of martlet dev is found by the folder that was given to it")
  func development() async throws {
    let folder = try TestFolder()
    _ = try await makeQueue(in: folder.path + "/queue")
    let place = OperatingPlace(dataFolder: folder.path + "/")
    #expect(place.dataFolder == folder.path + "/queue")
    #expect(place.usersFile == folder.path + "/users.json")
  }

  private struct Handler: ControlHandler {
    let queue: QueueControl
    func status() async throws(ControlFault) -> ServerStatus {
      ServerStatus(
        version: "0", hostName: "mx", processID: 1, startedAt: Timestamp(Sample.now), listeners: [],
        queue: try await queue.standing())
    }
    func reload(_ scope: ReloadScope) async throws(ControlFault) -> [String] { [] }
    func backup(to folder: String) async throws(ControlFault) -> BackupFacts {
      throw ControlFault(.failed, "not here")
    }
  }
}
