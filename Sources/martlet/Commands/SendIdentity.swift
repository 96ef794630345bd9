import Foundation
import MailSyntax
import NIOCore

/// Who a client on this machine says it is. Source: RFC 5321 §4.1.4.
enum OwnIdentity {
  static var current: HostIdentity { choose(hostName, address) }

  /// The machine's full name; an address of its own where it has none that others could look up.
  static func choose(_ name: DomainName?, _ address: IPAddress?) -> HostIdentity {
    if let name, name.isFullyQualified, name.isASCII { return .name(name) }
    return .literal(AddressLiteral(address ?? Loopback.v4))
  }

  /// By gethostname(2): Foundation's would ask the DNS.
  private static var hostName: DomainName? {
    var octets = [CChar](repeating: 0, count: DomainName.maximumOctets + 1)
    guard gethostname(&octets, octets.count - 1) == 0 else { return nil }
    return try? DomainName(String(decoding: octets.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }

  private static var address: IPAddress? {
    let devices = (try? System.enumerateDevices()) ?? []
    return devices.lazy.compactMap { $0.address?.ipAddress.flatMap { IPAddress($0) } }.first { address in
      guard case .v4(let value) = address else { return false }
      return value >> 24 != 127
    }
  }
}
