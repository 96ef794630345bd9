import DNSRecords
import MailQueue
import MailSyntax
import SMTPSessions
import Simulation
import Synchronization
import TransportSecurity

@testable import Relay

/// A small internet in memory: names in a zone, a scripted server at each address, and what was dialled.
final class ScriptedInternet: Dialer, EventSink {
  static let domain = constantName("far.example")

  private let servers: [IPAddress: ScriptedServer]
  private let dialled = Mutex<[String]>([])
  private let recorded = Mutex<[MailEvent]>([])
  let zone: ZoneResolver

  init(_ servers: [String: ScriptedServer], zone: ZoneResolver) {
    self.servers = Dictionary(uniqueKeysWithValues: servers.map { (IPAddress($0.key)!, $0.value) })
    self.zone = zone
  }

  /// `mx1.far.example`, `mx2.…` at 192.0.2.1, 192.0.2.2, … in this order of preference.
  convenience init(_ servers: ScriptedServer...) { self.init(servers) }

  convenience init(_ servers: [ScriptedServer], exchangers security: DNSSECState = .insecure) {
    var zone = ZoneResolver()
    let hosts = servers.indices.map { constantName("mx\($0 + 1).far.example") }
    zone.add(ScriptedInternet.domain, exchangers: hosts, security: security)
    for (place, host) in hosts.enumerated() { zone.add(host, at: [IPAddress("192.0.2.\(place + 1)")!]) }
    self.init(
      Dictionary(uniqueKeysWithValues: servers.enumerated().map { ("192.0.2.\($0 + 1)", $1) }), zone: zone)
  }

  var addressesDialled: [String] { dialled.withLock { $0 } }
  var events: [MailEvent] { recorded.withLock { $0 } }
  func record(_ event: MailEvent) { recorded.withLock { $0.append(event) } }

  func deliverer(
    rules: DestinationRules = DestinationRules(), resolver: (any Resolver)? = nil,
    memory: PolicyMemory = PolicyMemory(), _ change: (inout ExchangerSettings) -> Void = { _ in }
  ) -> ExchangerDeliverer {
    var settings = ExchangerSettings(
      egress: Egress(name: .name(constantName("client.example"))), ownNames: [constantName("client.example")],
      rules: rules)
    change(&settings)
    return ExchangerDeliverer(
      settings, resolver: resolver ?? zone, memory: memory, dialer: self, clock: StillClock(),
      random: SeededRandom(seed: 1),
      events: self)
  }

  func dial(
    _ target: DialTarget, from egress: Egress, timeout: Duration,
    delegate: @escaping @Sendable (any Wire, DialledPeer) -> any WireDelegate
  ) async throws(DialFault) -> DialledPeer {
    guard case .addresses(let endpoints) = target else { throw .unreachable("\(target): not an address") }
    for endpoint in endpoints {
      dialled.withLock { $0.append(endpoint.address.description) }
      guard let server = servers[endpoint.address] else { continue }
      _ = try await server.dial(target, from: egress, timeout: timeout, delegate: delegate)
      return DialledPeer(endpoint: endpoint)
    }
    // There is no IPv6 here.
    guard endpoints.contains(where: { $0.address.family == .v4 }) else { throw .unreachable("no route") }
    throw .unanswered("no answer in time")
  }
}

/// A zone that its owner changes.
final class ChangingZone: Resolver {
  private let zone: Mutex<ZoneResolver>
  init(_ zone: ZoneResolver) { self.zone = Mutex(zone) }

  func change(_ body: (inout ZoneResolver) -> Void) { zone.withLock { body(&$0) } }
  private var now: ZoneResolver { zone.withLock { $0 } }

  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> { await now.mailExchangers(of: name) }
  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    await now.addresses(of: name, family: family)
  }
  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> { await now.texts(of: name) }
  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> { await now.tlsaRecords(of: name) }
  func names(of address: IPAddress) async -> DNSAnswer<DomainName> { await now.names(of: address) }
  func alias(of name: DomainName) async -> DNSAnswer<DomainName> { await now.alias(of: name) }
}

/// Where time stands still.
struct StillClock: MailClock {
  let now = UTCInstant(seconds: 1_700_000_000)
  let uptime = Uptime(nanoseconds: 0)
  func sleep(until: Uptime) async {}
}

extension ScriptedServer {
  /// A mail server as many: it takes everything, and offers STARTTLS where it has TLS.
  static func mailHost(
    _ name: String, tls: TLS = .verified, keyDigest: [UInt8] = Array(repeating: 1, count: 32), offering: [String] = [],
    answering special: @escaping @Sendable (String) -> Response? = { _ in nil }
  ) -> ScriptedServer {
    ScriptedServer(verified: tls == .verified, hostName: name, failsHandshake: tls == .broken, keyDigest: keyDigest) {
      _, line in
      if let response = special(line) { return response }
      if tls == .refused, line == "STARTTLS" { return .say("454 4.7.0 not now\r\n") }
      switch line.prefix(4) {
      case "": return .say("220 \(name) ESMTP\r\n")
      case "EHLO":
        return .say(
          "250-\(name)\r\n" + (tls == .none ? "" : "250-STARTTLS\r\n")
            + offering.map { "250-\($0)\r\n" }.joined() + "250 8BITMIME\r\n")
      case _: return ScriptedServer.agreeable(line)
      }
    }
  }

  enum TLS { case none, refused, broken, selfSigned, verified }

  var messages: [String] { connections.flatMap(\.messages) }
  /// Whether an envelope went over a connection without TLS.
  var heardMailInClear: Bool {
    connections.contains { $0.tls == nil && $0.lines.contains { $0.hasPrefix("MAIL") } }
  }
}

/// A name that a test writes out.
func constantName(_ text: String) -> DomainName {
  guard let name = try? DomainName(text) else { preconditionFailure("\(text) is no name") }
  return name
}
