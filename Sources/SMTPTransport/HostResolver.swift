public import MailSyntax
import NIOCore
import NIOPosix
public import SMTPSessions

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Finds the addresses of a host. The dialer bounds the time it takes.
public protocol HostResolver: Sendable {
  /// In the order to try them. Throws `.noSuchHost` or `.resolutionFailed`.
  func addresses(of name: DomainName) async throws(DialFault) -> [IPAddress]
}

/// What the machine itself would find: getaddrinfo(3), on a thread that may wait.
public struct SystemHostResolver: HostResolver {
  /// More than a caller would try.
  public static let maximumAddresses = 32

  public init() {}

  public func addresses(of name: DomainName) async throws(DialFault) -> [IPAddress] {
    let text = name.description
    let outcome = try? await NIOThreadPool.singleton.runIfActive { SystemHostResolver.lookUp(text) }
    guard let outcome else { throw .resolutionFailed("\(text): the process is shutting down") }
    return try outcome.get()
  }

  private static func lookUp(_ name: String) -> Result<[IPAddress], DialFault> {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(name, nil, &hints, &list)
    guard status == 0 else {
      let reason = gai_strerror(status).map { String(cString: $0) } ?? "error \(status)"
      return .failure(
        status == EAI_NONAME ? .noSuchHost("\(name): \(reason)") : .resolutionFailed("\(name): \(reason)"))
    }
    defer { freeaddrinfo(list) }
    var found: [IPAddress] = []
    var entry = list
    while let present = entry, found.count < maximumAddresses {
      if let address = IPAddress(present.pointee.ai_addr), !found.contains(address) { found.append(address) }
      entry = present.pointee.ai_next
    }
    return found.isEmpty ? .failure(.noSuchHost("\(name): it has no address")) : .success(found)
  }
}

extension IPAddress {
  fileprivate init?(_ address: UnsafeMutablePointer<sockaddr>?) {
    guard let address else { return nil }
    // By NIO's value: the fields of the system's own belong to whichever module was loaded first.
    let socket: SocketAddress
    switch Int32(address.pointee.sa_family) {
    case AF_INET: socket = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { SocketAddress($0.pointee) }
    case AF_INET6: socket = address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { SocketAddress($0.pointee) }
    case _: return nil
    }
    guard let endpoint = SocketEndpoint(socket) else { return nil }
    self = endpoint.address
  }
}
