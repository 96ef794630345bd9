import ArgumentParser
import MailSyntax
import SASLMechanisms
import SMTPSessions

/// How a submission's channel comes to TLS.
enum SendSecurity: String, CaseIterable, ExpressibleByArgument, Sendable {
  /// RFC 8314 §3.3.
  case implicit
  /// RFC 3207.
  case starttls
  case none

  var customaryPort: UInt16 {
    switch self {
    case .implicit: 465
    case .starttls: 587
    case .none: 25
    }
  }

  /// As a table shows it.
  var title: String {
    switch self {
    case .implicit: "implicit"
    case .starttls: "STARTTLS"
    case .none: "none"
    }
  }
}

/// A server as a person names it: `HOST`, `HOST:PORT`, `192.0.2.1:25`, `[2001:db8::1]:25`.
struct SendTarget: Hashable, Sendable, CustomStringConvertible {
  enum Host: Hashable, Sendable {
    case name(DomainName)
    case address(IPAddress)
  }

  let host: Host
  let port: UInt16

  init(host: Host, port: UInt16) {
    self.host = host
    self.port = port
  }

  init(_ text: String, defaultPort: UInt16) throws(ValidationError) {
    if let address = IPAddress(text) {
      self.init(host: .address(address), port: defaultPort)
      return
    }
    let (name, port) = try SendTarget.divide(text)
    if name.hasPrefix("["), name.hasSuffix("]"), let address = IPAddress(name.dropFirst().dropLast()) {
      self.init(host: .address(address), port: port ?? defaultPort)
    } else if let address = IPAddress(name) {
      self.init(host: .address(address), port: port ?? defaultPort)
    } else {
      do throws(MailSyntaxError) {
        self.init(host: .name(try DomainName(name)), port: port ?? defaultPort)
      } catch {
        throw ValidationError("--server \(text): \(error); write HOST:PORT, such as mail.example.org:465.")
      }
    }
  }

  private static func divide(_ text: String) throws(ValidationError) -> (name: Substring, port: UInt16?) {
    guard let colon = text.lastIndex(of: ":"), text.last != "]" else { return (text[...], nil) }
    guard let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
      throw ValidationError("--server \(text): behind the colon stands a port, 1 to 65535.")
    }
    return (text[..<colon], port)
  }

  var dialTarget: DialTarget {
    switch host {
    case .name(let name): .host(name, port: port)
    case .address(let address): .address(SocketEndpoint(address: address, port: port))
    }
  }

  /// What the certificate must prove (RFC 9525 §6.1): the name, or the address where there is none.
  var referenceName: String {
    switch host {
    case .name(let name): name.folded
    case .address(let address): address.description
    }
  }

  /// What the OAuth mechanisms say of the server; an address says nothing.
  var exchangeServer: ClientExchange.Server? {
    switch host {
    case .name(let name): ClientExchange.Server(host: name, port: port)
    case .address: nil
    }
  }

  var description: String { dialTarget.description }
}
