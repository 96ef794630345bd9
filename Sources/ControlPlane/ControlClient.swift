public import NIOCore
public import NIOPosix

/// Asks a running server through its control socket.
public enum ControlClient {
  /// The answers to one request. Faults are the server's own, or `.nobodyListens`, `.notPermitted`, `.connectionLost`.
  public static func call(
    _ request: ControlRequest, socketPath: String,
    on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) async throws(ControlFault) -> [ControlAnswer] {
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
      return try await connection.executeThenClose { inbound, outbound in
        // A server that refuses before it has read everything may have closed; what it said is there to read.
        try? await outbound.write(line)
        return try await answers(from: inbound)
      }
    } catch let fault as ControlFault {
      throw fault
    } catch {
      throw SocketPlace.fault(error, socketPath)
    }
  }

  private static func answers(
    from inbound: NIOAsyncChannelInboundStream<ByteBuffer>
  ) async throws(ControlFault) -> [ControlAnswer] {
    var lines = LineReader(maximumOctets: ControlProtocol.maximumAnswerOctets)
    var answers: [ControlAnswer] = []
    do {
      for try await bytes in inbound {
        lines.add(bytes)
        while let line = try lines.next() {
          switch try ControlProtocol.read(AnswerLine.self, from: line) {
          case .answer(let answer): answers.append(answer)
          case .end: return answers
          case .fault(let fault): throw fault
          }
          guard answers.count <= ControlProtocol.maximumAnswers else {
            throw ControlFault(.failed, "the server gives more than \(ControlProtocol.maximumAnswers) answers")
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
