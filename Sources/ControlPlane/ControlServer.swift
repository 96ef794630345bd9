internal import MailSyntax
public import NIOCore
public import NIOPosix
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Serves the control socket of a data folder: for the server's own user and root alone, by the kernel's word.
///
/// At most `ControlProtocol.maximumConnections` at once. What was begun is finished even when the command goes away.
public final class ControlServer: Sendable {
  /// Where a data folder's socket is.
  public static func socketPath(inDataFolder folder: String) -> String { folder + "/control.sock" }

  private let place: SocketPlace
  private let listener: NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>
  private let handler: any ControlHandler
  private let owner: UInt32
  private let requestTimeout: Duration
  private let connections = Mutex(0)

  private init(
    place: SocketPlace, listener: NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>,
    handler: any ControlHandler, owner: UInt32, requestTimeout: Duration
  ) {
    self.place = place
    self.listener = listener
    self.handler = handler
    self.owner = owner
    self.requestTimeout = requestTimeout
  }

  /// Binds the socket with mode 0600. One that a dead server left is replaced; where one answers, `.alreadyServed`.
  /// Connections wait until `run`.
  public static func open(
    socketPath: String, on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
    handler: any ControlHandler
  ) async throws(ControlFault) -> ControlServer {
    try await open(
      socketPath: socketPath, on: group, handler: handler, owner: geteuid(),
      requestTimeout: ControlProtocol.requestTimeout)
  }

  static func open(
    socketPath: String, on group: any EventLoopGroup, handler: any ControlHandler, owner: UInt32,
    requestTimeout: Duration
  ) async throws(ControlFault) -> ControlServer {
    let place = try SocketPlace(socketPath)
    try await place.clear(on: group)
    do {
      let listener = try await ServerBootstrap(group: group)
        .serverChannelOption(.backlog, value: CInt(ControlProtocol.maximumConnections))
        .bind(unixDomainSocketPath: place.address) { channel in
          channel.eventLoop.makeCompletedFuture {
            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
          }
        }
      // Until here the process's umask held; whom the socket serves is judged by the peer's user in any case.
      guard chmod(place.address, 0o600) == 0 else {
        let code = errno
        try? await listener.channel.close()
        throw SocketPlace.fault(code, socketPath)
      }
      return ControlServer(
        place: place, listener: listener, handler: handler, owner: owner, requestTimeout: requestTimeout)
    } catch let fault as ControlFault {
      throw fault
    } catch {
      throw SocketPlace.fault(error, socketPath)
    }
  }

  /// Serves until its task is cancelled or `close` is called, and removes the socket.
  public func run() async {
    try? await listener.executeThenClose { commands in
      try await withThrowingDiscardingTaskGroup { group in
        for try await command in commands {
          group.addTask { await self.serve(command) }
        }
      }
    }
  }

  /// Takes no more commands and removes the socket.
  public func close() async { try? await listener.channel.close() }

  private func serve(_ connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async {
    let count = connections.withLock { count in
      count += 1
      return count
    }
    defer { connections.withLock { $0 -= 1 } }
    // A command that goes away before its answer is no fault of ours.
    try? await connection.executeThenClose { inbound, outbound in
      let channel = connection.channel
      let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(requestTimeout)) { channel.close(promise: nil) }
      defer { deadline.cancel() }
      var ending = AnswerLine.end
      var batch = ByteBuffer()
      do throws(ControlFault) {
        guard count <= ControlProtocol.maximumConnections else {
          throw ControlFault(.busy, "\(ControlProtocol.maximumConnections) commands are being served; try again")
        }
        let peer = try await ControlPeer.of(channel)
        guard peer.mayCommand(serverOf: owner) else {
          throw ControlFault(.notPermitted, "this server takes commands from its own user and root; use sudo")
        }
        let request = try await request(from: inbound)
        deadline.cancel()
        if case .watch(let filter) = request { try await watch(filter, of: channel, outbound) }
        for answer in try await handler.answers(to: request, from: peer).prefix(ControlProtocol.maximumAnswers) {
          try ControlProtocol.append(AnswerLine.answer(answer), to: &batch)
          if batch.readableBytes >= ControlServer.batchOctets { try await flush(&batch, to: outbound) }
        }
      } catch {
        ending = .fault(error)
      }
      try ControlProtocol.append(ending, to: &batch)
      try await flush(&batch, to: outbound)
    }
  }

  private static let batchOctets = 64 << 10
  /// How often what was seen is sent on: sessions leave lines and wake nobody.
  private static let watchPause: Duration = .milliseconds(100)

  /// Sends lines of dialogues until the command goes away or the server ends. A command that doesn't read loses lines.
  private func watch(
    _ filter: DialogueFilter, of channel: any Channel, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
  ) async throws(ControlFault) {
    guard let hub = handler.dialogues else {
      throw ControlFault(.badRequest, "this server has no sessions that can be watched")
    }
    guard let watcher = hub.begin(filter) else {
      throw ControlFault(.busy, "\(DialogueHub.maximumWatchers) commands are watching; try again when one has ended")
    }
    defer { hub.end(watcher) }
    var beginning = ByteBuffer()
    try ControlProtocol.append(AnswerLine.answer(.watching), to: &beginning)
    try await flush(&beginning, to: outbound)
    while channel.isActive, !Task.isCancelled {
      let (lines, lost) = hub.take(watcher)
      var batch = ByteBuffer()
      if lost > 0 { try ControlProtocol.append(AnswerLine.answer(.linesLost(lost)), to: &batch) }
      for line in lines {
        try ControlProtocol.append(AnswerLine.answer(.dialogue(line)), to: &batch)
        if batch.readableBytes >= ControlServer.batchOctets { try await flush(&batch, to: outbound) }
      }
      if batch.readableBytes > 0 { try await flush(&batch, to: outbound) }
      try? await Task.sleep(for: ControlServer.watchPause)
    }
  }

  private func flush(
    _ batch: inout ByteBuffer, to outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
  ) async throws(ControlFault) {
    do {
      try await outbound.write(batch)
      batch = ByteBuffer()
    } catch {
      throw ControlFault(.connectionLost, "the command has gone: \(error)")
    }
  }

  private func request(from inbound: NIOAsyncChannelInboundStream<ByteBuffer>) async throws(ControlFault)
    -> ControlRequest
  {
    var lines = LineReader(maximumOctets: ControlProtocol.maximumRequestOctets)
    do {
      for try await bytes in inbound {
        lines.add(bytes)
        if let line = try lines.next() {
          return try ControlRequest(ControlProtocol.read(RequestRecord.self, from: line))
        }
      }
    } catch let fault as ControlFault {
      throw fault
    } catch {
      throw ControlFault(.connectionLost, "the request ended in the middle: \(error)")
    }
    throw ControlFault(.connectionLost, "the request ended in the middle")
  }
}
