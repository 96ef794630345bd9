import Foundation
import MailSyntax

/// The loopback addresses of this machine, and ports on them that nobody uses.
enum Loopback {
  static let v4 = IPAddress.v4(0x7f00_0001)
  static let v6 = IPAddress.v6(high: 0, low: 1)

  /// 127.0.0.1, and ::1 where the machine has it.
  static let addresses: [IPAddress] = bindV6(port: 0) == nil ? [v4] : [v4, v6]

  /// A port that is free on every loopback address at this moment. Who binds it later must still be ready to fail.
  static func freePort() -> UInt16 {
    for _ in 0..<64 {
      guard let port = bindV4(port: 0) else { continue }
      if addresses.count == 1 || bindV6(port: port) != nil { return port }
    }
    return 0
  }

  /// Binds and lets go again; the port that was had, or nil.
  private static func bindV4(port: UInt16) -> UInt16? {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    address.sin_port = port.bigEndian
    return probe(AF_INET, &address).map { UInt16(bigEndian: $0.sin_port) }
  }

  private static func bindV6(port: UInt16) -> UInt16? {
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_addr = in6addr_loopback
    address.sin6_port = port.bigEndian
    return probe(AF_INET6, &address).map { UInt16(bigEndian: $0.sin6_port) }
  }

  private static func probe<Address>(_ family: Int32, _ address: inout Address) -> Address? {
    let descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var length = socklen_t(MemoryLayout<Address>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    return isBound ? address : nil
  }
}
