public import NIOCore
public import NIOPosix
internal import Synchronization

/// Asks a running server through its control socket.
public enum ControlClient {
  /// The answers to one request. Faults are the server's own, or `.nobodyListens`, `.notPermitted`, `.connectionLost`.
  public static func call(
    _ request: ControlRequest, socketPath: String,
    on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) async throws(ControlFault) -> [ControlAnswer] {
    let answers = AnswerList()
    try await call(request, socketPath: socketPath, on: group) { answer throws(ControlFault) in
      try answers.add(answer)
    }
    return answers.all
  }

  /// Gives each answer to `take` as it comes, until the server ends them or the task is cancelled.
  public static func call(
    _ request: ControlRequest, socketPath: String,
    on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
    _ take: @Sendable (ControlAnswer) throws(ControlFault) -> Void
  ) async throws(ControlFault) {
    var line = ByteBuffer()
    try ControlProtocol.append(request.record, to: &line)
    guard line.readableBytes <= ControlProtocol.maximumRequestOctets else {
      throw ControlFault(.badRequest, "a request has at most \(ControlProtocol.maximumRequestOctets) octets")
    }
    let place = try SocketPlace(socketPath)
    do {
      let connection = try await ClientBootstrap(group: group)
        .connect(unixDomainSocketPath: place.address) { channel in
          channel.eventLoop.makeCompletedFuture {
            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
          }
        }
      try await connection.executeThenClose { inbound, outbound in
        // A server that refuses before it has read everything may have closed; what it said is there to read.
        try? await outbound.write(line)
        try await answers(from: inbound, take)
      }
    } catch let fault as ControlFault {
      throw fault
    } catch {
      throw SocketPlace.fault(error, socketPath)
    }
  }

  private static func answers(
    from inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ take: (ControlAnswer) throws(ControlFault) -> Void
  ) async throws(ControlFault) {
    var lines = LineReader(maximumOctets: ControlProtocol.maximumAnswerOctets)
    do {
      for try await bytes in inbound {
        lines.add(bytes)
        while let line = try lines.next() {
          switch try ControlProtocol.read(AnswerLine.self, from: line) {
          case .answer(let answer): try take(answer)
          case .end: return
          case .fault(let fault): throw fault
          }
        }
      }
    } catch let fault as ControlFault {
      throw fault
    } catch {
      throw lost
    }
    throw lost
  }

  private static let lost = ControlFault(
    .connectionLost, "the server ended in the middle of its answer; look at the queue before you ask again")
}

/// The answers of one call, of bounded number.
private final class AnswerList: Sendable {
  private let list = Mutex<[ControlAnswer]>([])
  var all: [ControlAnswer] { list.withLock { $0 } }

  func add(_ answer: ControlAnswer) throws(ControlFault) {
    let count = list.withLock { list in
      list.append(answer)
      return list.count
    }
    guard count <= ControlProtocol.maximumAnswers else {
      throw ControlFault(.failed, "the server gives more than \(ControlProtocol.maximumAnswers) answers")
    }
  }
}
