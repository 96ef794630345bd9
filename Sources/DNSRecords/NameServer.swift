public import MailSyntax

extension SocketEndpoint {
  /// Where name servers listen (RFC 1035 §4.2).
  public static let nameServerPort: UInt16 = 53

  /// Reads `192.0.2.53`, `2001:db8::53@5353`: an address, with `@` and a port where that isn't 53.
  public init?(nameServer text: some StringProtocol) {
    let parts = text.split(separator: "@", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let address = IPAddress(parts[0]) else { return nil }
    guard parts.count == 2 else {
      self.init(address: address, port: SocketEndpoint.nameServerPort)
      return
    }
    guard parts[1].utf8.allSatisfy(\.isASCIIDigit), let port = UInt16(parts[1]), port > 0 else { return nil }
    self.init(address: address, port: port)
  }

  /// As `init(nameServer:)` reads it.
  public var nameServerText: String { "\(address)@\(port)" }
}
