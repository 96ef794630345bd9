import Foundation
import Glibc
import MailQueue
import NIOCore
import NIOPosix
import QueueModel
import Testing

@testable import ControlPlane

@Suite("The control socket")
struct ControlServerTests {
  @Test("every request gets its answer over a real socket")
  func requests() async throws {
    let queue = try QueueFixture()
    let id = try await queue.add(1)
    let folder = try TestFolder()
    try await withServer(FixtureHandler(queue: queue.control), folder: folder) { path in
      #expect(
        try await ControlClient.call(.status, socketPath: path) == [
          .status(
            ServerStatus(
              version: "0.1.0", hostName: "mx.example.com", processID: 7, startedAt: Timestamp(StillClock.start),
              listeners: [.init(role: "submissions", address: "127.0.0.1:465")],
              queue: QueueStanding(
                QueueCounts(messages: 1, recipientsQueued: 1, recipientsHeld: 0), store: .accepting,
                deliveriesInFlight: 0)))
        ])
      #expect(
        try await ControlClient.call(.reload(.everything), socketPath: path) == [.reloaded(["certificates", "users"])])
      #expect(
        try await ControlClient.call(.backup(to: "/var/backups/x"), socketPath: path) == [
          .backup(BackupFacts(folder: "/var/backups/x", madeAt: Timestamp(StillClock.start), messages: 3))
        ])
      #expect(
        try await ControlClient.call(.queue(.change(.hold, QueueFilter())), socketPath: path) == [.changed(1)])
      #expect(try await queue.states(of: id) == [.held])
      // What comes over the socket is what the desk itself says.
      let overSocket = try await ControlClient.call(.queue(.show(id)), socketPath: path)
      #expect(overSocket.count == 4)
      guard case .message(let facts) = overSocket[0] else { throw Missing() }
      let queued = try #require(try await queue.store.message(id))
      #expect(facts == MessageFacts(queued))
    }
  }

  struct Missing: Error {}

  @Test("who changes the queue is named by the kernel's word in the audit event")
  func audit() async throws {
    let queue = try QueueFixture()
    let id = try await queue.add(1)
    let folder = try TestFolder()
    try await withServer(FixtureHandler(queue: queue.control), folder: folder) { path in
      _ = try await ControlClient.call(.queue(.change(.hold, QueueFilter())), socketPath: path)
    }
    let events = try await queue.store.events(of: id).map(\.event)
    let name = ControlPeer.userName(geteuid()) ?? "uid \(geteuid())"
    #expect(events.last?["by"] == .text(name))
  }

  @Test("a fault of the handler comes to the command as it was thrown")
  func handlerFault() async throws {
    let folder = try TestFolder()
    let fault = ControlFault(.stopped, "the disk has gone — mend it")
    try await withServer(FixtureHandler(queue: try QueueFixture().control, fault: fault), folder: folder) { path in
      await #expect(throws: fault) { try await ControlClient.call(.status, socketPath: path) }
    }
  }

  @Test("the socket has mode 0600 and goes with its server")
  func socketFile() async throws {
    let folder = try TestFolder()
    try await withServer(FixtureHandler(queue: try QueueFixture().control), folder: folder) { path in
      var facts = stat()
      #expect(stat(path, &facts) == 0)
      #expect(facts.st_mode & 0o777 == 0o600)
    }
    #expect(access(folder.socketPath, F_OK) != 0)
  }

  @Test("a server that never ran lets go of its socket too")
  func closedBeforeRun() async throws {
    let folder = try TestFolder()
    let handler = FixtureHandler(queue: try QueueFixture().control)
    let server = try await ControlServer.open(socketPath: folder.socketPath, handler: handler)
    await server.close()
    #expect(access(folder.socketPath, F_OK) != 0)
  }

  @Test("the socket of a dead server is replaced, that of a live one is not")
  func staleSocket() async throws {
    let folder = try TestFolder()
    let handler = FixtureHandler(queue: try QueueFixture().control)
    // Bound, never listened on, and closed without its file: what a kill leaves.
    let left = Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: folder.socketPath.utf8) }
    let code = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(left, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(code == 0)
    Glibc.close(left)
    try #require(access(folder.socketPath, F_OK) == 0)

    try await withServer(handler, folder: folder) { path in
      let second = await #expect(throws: ControlFault.self) {
        _ = try await ControlServer.open(socketPath: path, handler: handler)
      }
      #expect(second?.kind == .alreadyServed)
      // The live one was not disturbed.
      let answers = try await ControlClient.call(.reload(.everything), socketPath: path)
      #expect(answers.count == 1)
    }
  }

  @Test("what is no socket is never removed")
  func noSocket() async throws {
    let folder = try TestFolder()
    try Data("precious".utf8).write(to: URL(filePath: folder.socketPath))
    let handler = FixtureHandler(queue: try QueueFixture().control)
    await #expect(throws: ControlFault.self) {
      _ = try await ControlServer.open(socketPath: folder.socketPath, handler: handler)
    }
    #expect(FileManager.default.contents(atPath: folder.socketPath) == Data("precious".utf8))
  }

  @Test("where nobody listens the command hears so", arguments: ["", "/missing"])
  func nobody(_ suffix: String) async throws {
    let folder = try TestFolder()
    let fault = await #expect(throws: ControlFault.self) {
      try await ControlClient.call(.status, socketPath: folder.path + suffix + "/control.sock")
    }
    #expect(fault?.kind == .nobodyListens)
  }

  @Test("a path longer than a socket address takes works all the same")
  func longPath() async throws {
    let folder = try TestFolder("-" + String(repeating: "long", count: 40))
    #expect(folder.socketPath.utf8.count > SocketPlace.maximumOctets)
    try await withServer(FixtureHandler(queue: try QueueFixture().control), folder: folder) { path in
      let answers = try await ControlClient.call(.reload(.everything), socketPath: path)
      #expect(answers == [.reloaded(["certificates", "users"])])
    }
    #expect(access(folder.socketPath, F_OK) != 0)
  }

  @Test("a user that is neither the server's nor root is refused before the request is read")
  func otherUser() async throws {
    let folder = try TestFolder()
    let handler = FixtureHandler(queue: try QueueFixture().control)
    // Root may always; so the refusal can be seen over a socket only as somebody else.
    try await withServer(handler, owner: geteuid() + 1, folder: folder) { path in
      if geteuid() == 0 {
        let answers = try await ControlClient.call(.reload(.everything), socketPath: path)
        #expect(answers.count == 1)
      } else {
        let fault = await #expect(throws: ControlFault.self) {
          try await ControlClient.call(.reload(.everything), socketPath: path)
        }
        #expect(fault?.kind == .notPermitted)
      }
    }
  }

  @Test(
    "what is no request is refused by name, and changes nothing",
    arguments: [
      ("hello\n", "no line of the control protocol"),
      ("[]\n", "wrong type"),
      (#"{"request":"status"}"# + "\n", "version"),
      (#"{"request":"status","version":2}"# + "\n", "version 1 of the control protocol"),
      (#"{"request":"queue.burn","version":1,"filter":{}}"# + "\n", "queue.burn"),
      (#"{"request":"queue.delete","version":1}"# + "\n", "filter"),
      (#"{"request":"queue.delete","version":1,"filter":{"colour":"red"}}"# + "\n", "colour"),
      (#"{"request":"queue.delete","version":1,"filter":{},"really":true}"# + "\n", "really"),
      (#"{"request":"queue.delete","version":1,"filter":{"state":"asleep"}}"# + "\n", "asleep"),
      (#"{"request":"queue.show","version":1,"id":"short"}"# + "\n", "short"),
      (#"{"request":"backup","version":1,"folder":"relative"}"# + "\n", "absolute"),
    ])
  func badRequests(_ line: String, _ words: String) async throws {
    let queue = try QueueFixture()
    let id = try await queue.add(1)
    let folder = try TestFolder()
    try await withServer(FixtureHandler(queue: queue.control), folder: folder) { path in
      let command = try RawCommand(path)
      command.send(line)
      let answer = await command.readAll()
      #expect(answer.hasPrefix(#"{"fault":{"#) && answer.hasSuffix("\n"))
      #expect(answer.contains(words), "\(answer)")
    }
    #expect(try await queue.states(of: id) == [.queued])
  }

  @Test("a request longer than the bound is refused without being kept")
  func overlong() async throws {
    let folder = try TestFolder()
    try await withServer(FixtureHandler(queue: try QueueFixture().control), folder: folder) { path in
      let command = try RawCommand(path)
      command.send(String(repeating: "x", count: ControlProtocol.maximumRequestOctets + 1))
      let answer = await command.readAll()
      #expect(answer.contains("longer than \(ControlProtocol.maximumRequestOctets)"))
    }
  }

  @Test("a request may come byte by byte")
  func bytewise() async throws {
    let folder = try TestFolder()
    try await withServer(FixtureHandler(queue: try QueueFixture().control), folder: folder) { path in
      let command = try RawCommand(path)
      for octet in #"{"request":"reload","version":1}"# + "\n" { command.send(String(octet)) }
      let answer = await command.readAll()
      #expect(answer == #"{"reloaded":["certificates","users"]}"# + "\n" + #"{"end":true}"# + "\n")
    }
  }

  @Test("a command that says nothing is closed after the bound of time")
  func silence() async throws {
    let folder = try TestFolder()
    let handler = FixtureHandler(queue: try QueueFixture().control)
    try await withServer(handler, requestTimeout: .milliseconds(20), folder: folder) { path in
      let command = try RawCommand(path)
      // Returns when the server closes; else the test would hang.
      let answer = await command.readAll()
      #expect(!answer.contains("end"))
    }
  }

  @Test("more commands at once than the bound are turned away, and room comes back")
  func crowd() async throws {
    let folder = try TestFolder()
    let handler = FixtureHandler(queue: try QueueFixture().control)
    try await withServer(handler, folder: folder) { path in
      let request = #"{"request":"reload","version":1}"# + "\n"
      let crowd = try (0...ControlProtocol.maximumConnections).map { _ in try RawCommand(path) }
      // One of them is turned away, whichever came last; the others are waited for.
      let answers = await withTaskGroup(of: String.self) { group in
        for command in crowd { group.addTask { await command.readAll() } }
        var answers = [await group.next() ?? ""]
        for command in crowd { command.send(request) }
        for await answer in group { answers.append(answer) }
        return answers
      }
      #expect(answers[0].contains(#""kind":"busy""#))
      #expect(answers.dropFirst().allSatisfy { $0.contains("reloaded") && $0.contains("end") })
      // The server counts the others off in its own time.
      var answer = ""
      for _ in 0..<1000 where !answer.contains("end") {
        let next = try RawCommand(path)
        next.send(request)
        answer = await next.readAll()
        await Task.yield()
      }
      #expect(answer.contains("end"))
    }
  }

  @Test("a server that goes in the middle of its answer is not taken for a whole answer")
  func cutAnswer() async throws {
    let folder = try TestFolder()
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(HalfAnswer())
        }
      }
      .bind(unixDomainSocketPath: folder.socketPath).get()
    let fault = await #expect(throws: ControlFault.self) {
      try await ControlClient.call(.reload(.everything), socketPath: folder.socketPath)
    }
    #expect(fault?.kind == .connectionLost)
    try await listener.close()
  }
}

/// Answers without an end, and closes.
private final class HalfAnswer: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: #"{"reloaded":["users"]}"# + "\n")), promise: nil)
    context.close(promise: nil)
  }
}
