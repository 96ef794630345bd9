import Certificates
import Configuration
import DNSRecords
import Foundation
import MailSyntax
import NIOCore
import Relay
import SMTPSessions
import SMTPTransport
import SystemWorld
import TransportSecurity

/// The second act: the server becomes a relay, and a zone says who takes the mail of other domains.
extension DemoTheatre {
  private static let relayName = "relay.example"

  /// Sends one message to each domain, and tells of each what became of it.
  func perform(_ domains: [DemoDomain]) async throws -> DemoRelayAct {
    let servers = DemoDomain.Server.allCases
    guard let port = Loopback.freePort(on: servers.map(\.address)) else {
      return .skipped("its mail servers need 127.0.0.2 to 127.0.0.4, which this system has not")
    }
    let ears = DemoEars()
    var authorities: [DemoDomain.Server: DevelopmentAuthority.Files] = [:]
    for server in servers where server.hasCertificate {
      authorities[server] = try DevelopmentAuthority.ensure(
        in: folder + "/\(server.hostName)-tls", for: .init(dnsNames: [server.hostName], addresses: []), now: clock.now)
    }
    let configurations = try servers.map {
      (name: $0.hostName, configuration: try receiver($0, of: domains, on: port, authorities[$0]))
    }
    let relay = try relayConfiguration(to: domains, on: port, trusting: authorities[.good])
    let zone = try DemoTheatre.zone(of: domains)
    return try await DemoTheatre.whileOpen(configurations[...], ears) { () async throws -> DemoRelayAct in
      let house = try await House.open(
        relay, resolver: zone, log: ears.listener(DemoTheatre.relayName), segmentSize: DevelopmentPlace.segmentSize)
      return try await house.whileRunning { () async throws -> DemoRelayAct in
        var crossings: [DemoCrossing] = []
        for domain in domains { crossings.append(await play(domain, through: house, ears)) }
        return .played(crossings)
      }
    }
  }

  /// Opens one house within the other, so that each is closed whatever becomes of the next.
  private static func whileOpen<Value: Sendable>(
    _ houses: ArraySlice<(name: String, configuration: Configuration)>, _ ears: DemoEars,
    _ body: () async throws -> Value
  ) async throws -> Value {
    guard let first = houses.first else { return try await body() }
    let house = try await House.open(
      first.configuration, log: ears.listener(first.name), segmentSize: DevelopmentPlace.segmentSize)
    return try await house.whileRunning { () async throws -> Value in
      try await whileOpen(houses.dropFirst(), ears, body)
    }
  }

  private func play(_ domain: DemoDomain, through house: House, _ ears: DemoEars) async -> DemoCrossing {
    var crossing = DemoCrossing(domain: domain)
    do {
      let start = clock.uptime
      let receiver = domain.server.hostName
      let letter = try DemoProgram.letter(
        to: domain.recipient, about: "Demonstration: to \(domain.name)", "Hello to another domain.\n", date: clock.now)
      let sent = Array(try letter.octets(allowsEightBit: true).readableBytesView)
      crossing.octets = sent.count
      let report = try await DemoProgram(place: server).submit(
        letter, to: domain.recipient, by: .implicit, usesChunking: true, through: house)
      switch domain.ending {
      case .inClear, .unproven, .proven:
        let told = try await ears.deliveries(of: domain.recipient, by: [DemoTheatre.relayName, receiver])
        crossing.endedAfter = told[1].at - start
        let arrival = try DemoArrival(
          octets: try DemoArrival.read(maildir: folder + "/maildir/\(domain.name)/reader"), sent: sent)
        try crossing.judge(arrival, submittedUnder: report.tls?.summary, recorded: told[0])
      case .waiting:
        let told = try await ears.attempt(for: domain.recipient).report
        crossing.endedAfter = told.at - start
        try crossing.judge(waiting: told, hasArrived: ears.hasAccepted(domain.recipient, by: receiver))
      }
    } catch {
      crossing.fault = DemoFault(error)
    }
    return crossing
  }

  // MARK: The houses and the DNS

  private func relayConfiguration(
    to domains: [DemoDomain], on port: UInt16, trusting authority: DevelopmentAuthority.Files?
  ) throws -> Configuration {
    var configuration = try configuration(of: server, named: DemoTheatre.relayName, outbound: .exchangers)
    configuration.dataFolder = server.folder + "/relay"
    configuration.trustRoots = authority.map { [$0.authority] } ?? []
    configuration.outbound.exchangers.port = port
    for domain in domains { configuration.outbound.rules.floors.set(domain.floor, for: try DomainName(domain.name)) }
    // The zone answers: the DNS is asked for nothing, not even for the proof that it validates.
    var dns = Configuration.DNS()
    dns.probe = ValidationProof(secure: [], bogus: [])
    configuration.dns = dns
    return configuration
  }

  private func receiver(
    _ server: DemoDomain.Server, of domains: [DemoDomain], on port: UInt16, _ tls: DevelopmentAuthority.Files?
  ) throws -> Configuration {
    let maildir = folder + "/maildir/%d/%n"
    var configuration = Configuration(
      hostName: try DomainName(server.hostName), dataFolder: folder + "/\(server.hostName)",
      listeners: [.init(role: .relay, addresses: [SocketEndpoint(address: server.address, port: port)])],
      certificates: tls.map { [.init(chainFile: $0.chain, keyFile: $0.key)] } ?? [],
      usersFile: folder + "/\(server.hostName)-users.json",
      domains: try domains.filter { $0.server == server }.map {
        .init(
          try DomainName($0.name), recipients: ["reader"], postmaster: try Mailbox($0.recipient),
          deliver: .maildir(path: maildir))
      },
      outbound: .init(.none))
    DemoTheatre.makeSmall(&configuration)
    return configuration
  }

  private static func zone(of domains: [DemoDomain]) throws -> ZoneResolver {
    var zone = ZoneResolver()
    for domain in domains {
      let host = try DomainName(domain.server.hostName)
      zone.add(try DomainName(domain.name), exchangers: [host])
      zone.add(host, at: [domain.server.address])
    }
    return zone
  }
}

/// What the second act has shown.
enum DemoRelayAct: Sendable {
  case played([DemoCrossing])
  /// Why it couldn't be.
  case skipped(String)

  var crossings: [DemoCrossing] {
    switch self {
    case .played(let crossings): crossings
    case .skipped: []
    }
  }
}
