public import MailSyntax
import SMTPSessions

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension SurroundingsCheck {
  /// Where connections come from, and where clients come to: addresses that this machine must have.
  func checkAddresses(_ report: inout Report) {
    let egress = report.configuration.outbound.egress
    for source in [egress.v4, egress.v6].compactMap({ $0 }) {
      guard let reason = bind(source.address) else { continue }
      report.add(
        .error, "\(source.address): no connection can come from here: \(reason)",
        at: Configuration.place(ofSource: source.address), "outbound.sources",
        remedy: "name an address of this machine, as `ip address` shows them, or take the entry out")
    }
    guard willListen else { return }
    for listener in report.configuration.listeners {
      var seen: Set<IPAddress> = []
      for endpoint in listener.addresses where seen.insert(endpoint.address).inserted {
        guard let reason = bind(endpoint.address) else { continue }
        report.add(
          .error, "\(endpoint.address): nobody can be listened to here: \(reason)",
          at: "listen.\(listener.role.rawValue)",
          remedy:
            "name an address of this machine, as `ip address` shows them, or the port alone: \":\(endpoint.port)\"")
      }
    }
  }
}

extension Configuration {
  /// The place of an entry of `outbound.sources`, whatever its number.
  static func place(ofSource address: IPAddress) -> String { "outbound.sources.\(address)" }
}

/// The addresses of this machine, by trying.
public enum SystemAddresses {
  /// Why no socket can have the address; nil where one can. A port is chosen by the system, so it is no matter who
  /// listens.
  @Sendable public static func trouble(binding address: IPAddress) -> String? {
    #if canImport(Glibc)
      let stream = Int32(SOCK_STREAM.rawValue)
    #else
      let stream = SOCK_STREAM
    #endif
    let descriptor = socket(family(of: address), stream, 0)
    guard descriptor >= 0 else { return words(for: errno, of: address) }
    defer { close(descriptor) }
    let result =
      switch address {
      case .v4(let value): bindV4(descriptor, value)
      case .v6(let high, let low): bindV6(descriptor, high: high, low: low)
      }
    return result == 0 ? nil : words(for: errno, of: address)
  }

  private static func family(of address: IPAddress) -> Int32 {
    switch address {
    case .v4: AF_INET
    case .v6: AF_INET6
    }
  }

  private static func bindV4(_ descriptor: Int32, _ value: UInt32) -> Int32 {
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_addr.s_addr = value.bigEndian
    return withUnsafePointer(to: &place) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  private static func bindV6(_ descriptor: Int32, high: UInt64, low: UInt64) -> Int32 {
    var place = sockaddr_in6()
    place.sin6_family = sa_family_t(AF_INET6)
    withUnsafeMutableBytes(of: &place.sin6_addr) { octets in
      octets.storeBytes(of: high.bigEndian, as: UInt64.self)
      octets.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
    }
    return withUnsafePointer(to: &place) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
  }

  private static func words(for errorNumber: Int32, of address: IPAddress) -> String {
    switch errorNumber {
    case EADDRNOTAVAIL: "this machine has no such address"
    case EAFNOSUPPORT: "this machine has no \(family(of: address) == AF_INET ? "IPv4" : "IPv6")"
    case _: strerror(errorNumber).map { String(cString: $0) } ?? "error \(errorNumber)"
    }
  }
}
