import Foundation
import MailSyntax

/// The loopback addresses of this machine, and ports on them that nobody uses.
enum Loopback {
  static let v4 = IPAddress.v4(0x7f00_0001)
  static let v6 = IPAddress.v6(high: 0, low: 1)

  /// 127.0.0.1, and ::1 where the machine has it.
  static let addresses: [IPAddress] = trial(v6, port: 0) == nil ? [v4] : [v4, v6]

  /// A port that is free on every loopback address at this moment. Who binds it later must still be ready to fail.
  static func freePort() -> UInt16 { freePort(on: addresses) ?? 0 }

  /// A port that is free on each of these addresses at this moment; nil where an address isn't this machine's. Linux has
  /// all of 127.0.0.0/8, other systems 127.0.0.1 alone.
  static func freePort(on addresses: [IPAddress]) -> UInt16? {
    guard let first = addresses.first else { return nil }
    for _ in 0..<64 {
      guard let port = trial(first, port: 0) else { return nil }
      if addresses.dropFirst().allSatisfy({ trial($0, port: port) != nil }) { return port }
    }
    return nil
  }

  /// Binds and lets go again; the port that was had, or nil.
  private static func trial(_ address: IPAddress, port: UInt16) -> UInt16? {
    switch address {
    case .v4(let value):
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = value.bigEndian
      address.sin_port = port.bigEndian
      return probe(AF_INET, &address).map { UInt16(bigEndian: $0.sin_port) }
    case .v6(let high, let low):
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      withUnsafeMutableBytes(of: &address.sin6_addr) {
        $0.storeBytes(of: high.bigEndian, as: UInt64.self)
        $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
      }
      address.sin6_port = port.bigEndian
      return probe(AF_INET6, &address).map { UInt16(bigEndian: $0.sin6_port) }
    }
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
