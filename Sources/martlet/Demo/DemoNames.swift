import DNSRecords

/// Who answers for the names of the demonstration's internet.
enum DemoNames: Sendable {
  /// nsd, over real sockets, and our own resolver that validates what it says.
  case server(DemoNameServer)
  /// A zone in this process, which says what validation would come to; and why.
  case inProcess(any Resolver, reason: String)

  /// - Parameter serves: where it doesn't, no name server is started.
  static func open(_ zones: DemoZones, in folder: String, serves: Bool) async throws -> DemoNames {
    guard serves else { return .inProcess(zones.resolver, reason: "as it was asked for") }
    do {
      return .server(try await DemoNameServer.start(zones, in: folder))
    } catch {
      try Task.checkCancellation()
      return .inProcess(zones.resolver, reason: "\(error)")
    }
  }

  func close() async {
    switch self {
    case .server(let server): await server.stop()
    case .inProcess: break
    }
  }

  var resolver: any Resolver {
    switch self {
    case .server(let server): server.resolver
    case .inProcess(let resolver, _): resolver
    }
  }

  var title: String {
    switch self {
    case .server: "nsd with a zone signed on the spot, validated by Martlet's own resolver"
    case .inProcess(_, let reason): "a zone in this process (\(reason))"
    }
  }
}
