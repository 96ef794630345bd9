import DNSRecords
import MailSyntax
import SMTPSessions

extension ValueForm<DomainName> {
  /// A name of a machine: in ASCII, for it goes into EHLO, certificates and the DNS.
  static var hostName: ValueForm {
    ValueForm("a fully qualified host name, as mail.example.com") { (text) throws(Refusal) in
      let name = try readDomain(text, "a host name")
      guard name.isASCII else {
        throw Refusal("'\(text)' has letters outside ASCII", remedy: "write its ASCII form, which begins with xn--")
      }
      return name
    }
  }

  /// A next hop's name: fully qualified, or this machine.
  static var nextHop: ValueForm {
    ValueForm("a fully qualified host name, as smtp.example.net, or localhost") { (text) throws(Refusal) in
      if text.lowercasedASCII() == "localhost", let name = try? DomainName(text) { return name }
      return try hostName.read(text)
    }
  }

  static var domain: ValueForm {
    ValueForm("a domain, as example.com") { (text) throws(Refusal) in try readDomain(text, "a domain") }
  }

  /// RFC 5321 §2.3.5: fully qualified names alone, and no aliases of the local network.
  private static func readDomain(_ text: String, _ what: String) throws(Refusal) -> DomainName {
    guard IPAddress(text) == nil else { throw Refusal("'\(text)' is an address and not \(what)") }
    let name: DomainName
    do {
      name = try DomainName(text)
    } catch {
      throw Refusal("'\(text)' is not \(what): \(error)")
    }
    guard name.isFullyQualified else { throw Refusal("'\(text)' is not fully qualified (RFC 5321 §2.3.5)") }
    return name
  }
}

extension ValueForm<IPAddress> {
  static var address: ValueForm {
    ValueForm("an address, as 192.0.2.1 or 2001:db8::1") { (text) throws(Refusal) in
      guard let address = IPAddress(text) else { throw Refusal("'\(text)' is not an IP address") }
      return address
    }
  }
}

extension ValueForm<String> {
  /// A network in CIDR form, kept as text.
  static var network: ValueForm {
    ValueForm("a network, as 192.0.2.0/24 or 2001:db8::/32") { (text) throws(Refusal) in
      let parts = text.split(separator: "/", omittingEmptySubsequences: false)
      guard (1...2).contains(parts.count), let address = IPAddress(parts[0]) else {
        throw Refusal("'\(text)' is not a network")
      }
      guard parts.count == 2 else { return text }
      let width =
        switch address {
        case .v4: 32
        case .v6: 128
        }
      guard parts[1].utf8.allSatisfy(\.isASCIIDigit), let length = Int(parts[1]), length <= width else {
        throw Refusal("'\(parts[1])' is not a length of prefix from 0 to \(width)")
      }
      return text
    }
  }
}

extension ValueForm<[SocketEndpoint]> {
  /// `:port` means every address of both families.
  static var endpoints: ValueForm {
    ValueForm("an address and a port, as 192.0.2.1:465, [2001:db8::1]:465 or :465") { (text) throws(Refusal) in
      let (host, port) = try splitPort(text)
      guard !host.isEmpty else {
        return [.v4(0), .v6(high: 0, low: 0)].map { SocketEndpoint(address: $0, port: port) }
      }
      guard let address = readAddress(host) else {
        throw Refusal(
          "'\(host)' is not an IP address",
          remedy: IPAddress(host) == nil ? nil : "write an IPv6 address in brackets: [\(host)]:\(port)")
      }
      return [SocketEndpoint(address: address, port: port)]
    }
  }
}

extension ValueForm<SocketEndpoint> {
  static var nameServer: ValueForm {
    ValueForm("an address, as 192.0.2.53 or 2001:db8::53, with @PORT where it isn't 53") { (text) throws(Refusal) in
      guard let server = SocketEndpoint(nameServer: text) else {
        throw Refusal("'\(text)' is no name server's address")
      }
      return server
    }
  }
}

extension ValueForm<DialTarget> {
  static var lmtpTarget: ValueForm {
    ValueForm("unix:/path or a host and a port, as 127.0.0.1:24, [::1]:24 or mail.example.com:24") {
      (text) throws(Refusal) in
      if text.hasPrefix("unix:") {
        return .unixSocket(path: try ValueForm<String>.path.read(String(text.dropFirst("unix:".count))))
      }
      let (host, port) = try splitPort(text)
      // RFC 2033 §5: LMTP is never spoken on port 25.
      guard port != 25 else { throw Refusal("port 25 is SMTP's; RFC 2033 §5 keeps LMTP off it") }
      if let address = readAddress(host) { return .address(SocketEndpoint(address: address, port: port)) }
      do {
        return .host(try DomainName(host), port: port)
      } catch {
        throw Refusal("'\(host)' is no host: \(error)")
      }
    }
  }
}

/// What stands before the last colon, and the port behind it.
private func splitPort(_ text: String) throws(Refusal) -> (host: String, port: UInt16) {
  guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else {
    let isPort = !text.isEmpty && text.utf8.allSatisfy(\.isASCIIDigit)
    throw Refusal("'\(text)' names no port", remedy: isPort ? "write :\(text) for every address" : nil)
  }
  let digits = text[text.utf8.index(after: colon)...]
  guard digits.utf8.allSatisfy(\.isASCIIDigit), let port = UInt16(digits), port > 0 else {
    throw Refusal("'\(digits)' is not a port from 1 to 65535")
  }
  return (String(text[..<colon]), port)
}

/// IPv4 bare, IPv6 in brackets.
private func readAddress(_ text: String) -> IPAddress? {
  if text.hasPrefix("["), text.hasSuffix("]") {
    guard let address = IPAddress(text.dropFirst().dropLast()), case .v6 = address else { return nil }
    return address
  }
  guard let address = IPAddress(text), case .v4 = address else { return nil }
  return address
}

/// Somebody mail goes to, as a domain's section names them.
enum Addressee: Hashable, Sendable {
  case mailbox(Mailbox)
  /// In the domain of the section.
  case localPart(String)

  func mailbox(in domain: DomainName) -> Mailbox {
    switch self {
    case .mailbox(let mailbox): mailbox
    case .localPart(let localPart): Mailbox(localPart: localPart, domain: .name(domain))
    }
  }
}

extension ValueForm<Addressee> {
  static var addressee: ValueForm {
    ValueForm("an address, as anna@example.com, or the local part of one in the same domain") {
      (text) throws(Refusal) in
      guard text.utf8.contains(UInt8(ascii: "@")) else { return .localPart(try readLocalPart(text)) }
      do {
        return .mailbox(try Mailbox(text))
      } catch {
        throw Refusal("'\(text)' is not an address: \(error)")
      }
    }
  }
}

extension ValueForm<String> {
  static var localPart: ValueForm {
    ValueForm("what stands before the @") { (text) throws(Refusal) in
      if let mailbox = try? Mailbox(text) {
        throw Refusal(
          "'\(text)' has its domain with it", remedy: "write \(mailbox.localPart) in the section of its domain")
      }
      return try readLocalPart(text)
    }
  }
}

private func readLocalPart(_ text: String) throws(Refusal) -> String {
  do {
    return try Mailbox("\(text)@localhost").localPart
  } catch {
    throw Refusal("'\(text)' is not a local part: \(error)")
  }
}
