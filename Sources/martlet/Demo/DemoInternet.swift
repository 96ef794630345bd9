import Certificates
import DNSRecords
import Diagnosis
import Foundation
import MailSyntax

/// The plan of the demonstration's internet: who is where, what the DNS says of it, and who stands in the way.
struct DemoInternet: Sendable {
  let destinations: [DemoDestination]
  /// Every mail server listens on it, as all of the world's do on 25; so each has an address of its own.
  let port: UInt16
  let policyPort: UInt16
  let authorities: DemoAuthorities
  private let chains: [DemoServer: DemoAuthorities.Chain]

  static let policyHost = IPAddress.v4(0x7f00_0008)
  /// Nobody listens there.
  static let nobody = IPAddress.v4(0x7f00_0009)
  private static let firstServer: UInt32 = 0x7f00_0002
  private static let firstAttacker: UInt32 = 0x7f00_000b

  /// - Throws: `Absence` where this system lacks the addresses.
  init(_ destinations: [DemoDestination], now: UTCInstant) throws {
    self.destinations = destinations
    let addresses = DemoServer.allCases.map(DemoInternet.address) + (0..<destinations.count).map(DemoInternet.attacker)
    guard let port = Loopback.freePort(on: addresses), let policyPort = Loopback.freePort(on: [DemoInternet.policyHost])
    else {
      throw Absence(description: "it needs 127.0.0.2 to 127.0.0.\(10 + destinations.count), which this system lacks")
    }
    self.port = port
    self.policyPort = policyPort
    authorities = try DemoAuthorities(now: now)
    var chains: [DemoServer: DemoAuthorities.Chain] = [:]
    for server in DemoServer.allCases {
      let names = destinations.filter { $0.promise.server == server }.map(\.mailHost)
      chains[server] = try authorities.chain(of: server, for: names)
    }
    self.chains = chains
  }

  struct Absence: Error, CustomStringConvertible { let description: String }

  static func address(of server: DemoServer) -> IPAddress {
    .v4(firstServer + UInt32(DemoServer.allCases.firstIndex(of: server) ?? 0))
  }
  private static func attacker(_ index: Int) -> IPAddress { .v4(firstAttacker + UInt32(index)) }

  func chain(of server: DemoServer) -> DemoAuthorities.Chain? { chains[server] }

  // MARK: Those in the way

  /// One before each destination's server; the harmless one listens.
  func openAttackers() async throws -> [DemoDestination: AttackProxy] {
    var proxies: [DemoDestination: AttackProxy] = [:]
    do {
      for (index, destination) in destinations.enumerated() {
        proxies[destination] = try await AttackProxy.open(
          listening: SocketEndpoint(address: DemoInternet.attacker(index), port: port),
          before: SocketEndpoint(address: DemoInternet.address(of: destination.promise.server), port: port),
          attack: try attack(on: destination))
      }
      return proxies
    } catch {
      for proxy in proxies.values { await proxy.close() }
      throw error
    }
  }

  private func attack(on destination: DemoDestination) throws -> Attack {
    switch destination.attack.interception {
    case .listen: .none
    case .strip: .stripSTARTTLS()
    case .refuse: .refuseSTARTTLS
    case .refuseEHLO: .refuseEHLO
    case .inject: .injectBehind220()
    case .show(let certificate):
      switch certificate {
      case .forged, .attackersOwn: .forgeCertificate(try authorities.identity(certificate, for: destination))
      case .expired: .expiredCertificate(try authorities.identity(certificate, for: destination))
      case .wrongName: .wrongName(try authorities.identity(certificate, for: destination))
      }
    }
  }

  // MARK: What the DNS says

  func zones() throws -> DemoZones {
    var zones = DemoZones(unsigned: DemoPromise.allCases.filter { !$0.isSigned }.map(\.rawValue))
    for (index, destination) in destinations.enumerated() {
      zones.add(.exchanger(try DomainName(destination.exchanger)), at: try DomainName(destination.domain))
      zones.add(.address(DemoInternet.attacker(index)), at: try DomainName(destination.exchanger))
      if let record = try record(for: destination) { zones.add(.tlsa(record), at: try service(destination.exchanger)) }
      if destination.attack == .tlsaFailing { zones.breakSignature(ofTLSAAt: try service(destination.exchanger)) }
      guard policy(of: destination) != nil else { continue }
      zones.add(.text("v=STSv1; id=\(DemoInternet.policyID)"), at: try DomainName("_mta-sts.\(destination.domain)"))
      let isDown = destination.attack == .policyKept || destination.attack == .policyUnknown
      zones.add(
        .address(isDown ? DemoInternet.nobody : DemoInternet.policyHost), at: try DomainName(destination.policyHost))
    }
    return zones
  }

  /// RFC 6698 §3.
  private func service(_ host: String) throws -> DomainName { try DomainName("_\(port)._tcp.\(host)") }

  private func record(for destination: DemoDestination) throws -> TLSARecord? {
    if destination.attack == .forgedMX {
      // Proven, and it fits what the attacker shows: whoever asks DANE alone is satisfied.
      return TLSARecord(
        usage: 2, selector: 0, matchingType: 1, association: try authorities.mallory.issued.certificateDigest())
    }
    switch destination.promise {
    case .daneEE:
      return try chains[.ownKey].map {
        TLSARecord(usage: 3, selector: 1, matchingType: 1, association: try $0.leaf.publicKeyDigest())
      }
    case .daneTA:
      return TLSARecord(
        usage: 2, selector: 0, matchingType: 1, association: try authorities.vouched.issued.certificateDigest())
    case .enforce, .testing, .selfSigned, .plain, .strict: return nil
    }
  }

  // MARK: What the policy hosts say

  static let policyID = "20261123"
  /// Of the policies that the relay has kept.
  static let yesterdaysID = "20261122"
  static let maxAge = Duration.seconds(604_800)

  /// RFC 8461 §3.2.
  func policy(of destination: DemoDestination) -> String? {
    let mode: String
    switch destination.promise {
    case .enforce: mode = "enforce"
    case .testing: mode = "testing"
    case .daneEE, .daneTA, .selfSigned, .plain, .strict: return nil
    }
    let age = DemoInternet.maxAge.components.seconds
    return "version: STSv1\nmode: \(mode)\nmx: \(destination.mailHost)\nmax_age: \(age)\n"
  }

  func openPolicyHost() async throws -> DemoPolicyHost {
    var answers: [String: DemoPolicyHost.Answer] = [:]
    for destination in destinations {
      guard let policy = policy(of: destination) else { continue }
      let original = DemoDestination(promise: destination.promise, attack: .listening)
      answers[destination.policyHost] =
        destination.attack == .policyRedirected
        ? .redirect(to: "https://\(original.policyHost):\(policyPort)\(DemoPolicyHost.path)") : .policy(policy)
    }
    let chain = try authorities.chain(by: authorities.believed, for: answers.keys.sorted())
    return try await DemoPolicyHost.start(
      at: SocketEndpoint(address: DemoInternet.policyHost, port: policyPort), chainPEM: chain.pem,
      keyPEM: chain.leaf.keyPEM, answers: answers)
  }
}
