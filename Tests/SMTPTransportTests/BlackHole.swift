import MailSyntax
import NIOCore
import NIOPosix

@testable import SMTPTransport

/// A port of 127.0.0.1 that answers nobody: its queue of one is full, and nothing is ever taken out of it.
struct BlackHole: Sendable {
  let endpoint: SocketEndpoint
  private let server: any Channel

  init(on group: any EventLoopGroup) async throws {
    server = try await ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 0)
      .serverChannelOption(.autoRead, value: false)
      .bind(host: "127.0.0.1", port: 0).get()
    endpoint = SocketEndpoint(address: .v4(0x7f00_0001), port: UInt16(server.localAddress?.port ?? 0))
    let address = try endpoint.socketAddress()
    // The first is let in; the others wait in front of it until the hole is closed.
    _ = try await ClientBootstrap(group: group).connect(to: address).get()
    for _ in 0..<3 { _ = ClientBootstrap(group: group).connectTimeout(.minutes(1)).connect(to: address) }
  }

  func close() async throws { try await server.close() }
}
