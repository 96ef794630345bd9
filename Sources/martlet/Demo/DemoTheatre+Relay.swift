import Certificates
import Configuration
import DNSRecords
import Diagnosis
import Foundation
import MailSyntax
import NIOCore
import NIOPosix
import PolicyStorage
import PolicyTransport
import Relay
import SMTPSessions
import SMTPTransport
import SystemWorld
import TransportSecurity

/// The second act: the server becomes a relay on a small internet, and between it and every mail server stands somebody.
extension DemoTheatre {
  private static let relayName = "relay.example"

  /// Sends one message to every destination, and tells of each what became of it.
  ///
  /// - Parameter servesNames: a name server is started where there is one.
  func perform(_ expectations: [DemoExpectation], servesNames: Bool = true) async throws -> DemoRelayAct {
    let internet: DemoInternet
    do {
      internet = try DemoInternet(expectations.map(\.destination), now: clock.now)
    } catch let absence as DemoInternet.Absence {
      return .skipped("\(absence)")
    }
    let ears = DemoEars()
    let receivers = try DemoServer.allCases.map { (name: $0.hostName, configuration: try receiver($0, in: internet)) }
    let relay = try relayConfiguration(in: internet)
    return try await DemoStage.whileOpen(
      internet, in: folder + "/names", servesNames: servesNames
    ) { (stage) async throws -> DemoRelayAct in
      try await DemoTheatre.whileOpen(receivers[...], ears) { () async throws -> DemoRelayAct in
        try await keepYesterdaysPolicies(of: internet, in: relay.dataFolder)
        let loops = TransportLoops(group: MultiThreadedEventLoopGroup.singleton)
        defer { loops.shutDown() }
        let fetcher = try HTTPSPolicyFetcher(
          loops: loops, resolver: stage.names.resolver, roots: try TrustRoots.files(relay.trustRoots),
          port: internet.policyPort, now: { SystemClock().now })
        let house = try await House.open(
          relay, resolver: stage.names.resolver, policyFetcher: fetcher, log: ears.listener(DemoTheatre.relayName),
          segmentSize: DevelopmentPlace.segmentSize)
        return try await house.whileRunning { () async throws -> DemoRelayAct in
          try await play(expectations, on: stage, through: house, ears)
        }
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

  /// One message to all of them: the relay takes it once, and each domain has a delivery of its own.
  private func play(
    _ expectations: [DemoExpectation], on stage: DemoStage, through house: House, _ ears: DemoEars
  ) async throws -> DemoRelayAct {
    let recipients = expectations.map(\.destination.recipient)
    let start = clock.uptime
    let letter = try DemoProgram.letter(
      to: "readers@example", about: "Demonstration: to everybody", "For your eyes only.\n", date: clock.now)
    let sent = Array(try letter.octets(allowsEightBit: true).readableBytesView)
    let report = try await DemoProgram(place: server).submit(
      letter, to: recipients, by: .implicit, usesChunking: true, through: house)
    guard report.tls?.summary.hasSuffix(" verified \(DemoTheatre.hostName)") == true else {
      throw DemoFault.insecure("submitted under \(report.tls?.summary ?? "no TLS")")
    }
    let fates = try await ears.fates(of: recipients, by: DemoTheatre.relayName)
    let elapsed = clock.uptime - start
    var crossings: [DemoCrossing] = []
    for expectation in expectations {
      var crossing = DemoCrossing(expectation)
      do {
        try judge(&crossing, fates[expectation.destination.recipient], sent: sent, on: stage, ears)
      } catch {
        crossing.fault = DemoFault(error)
      }
      crossings.append(crossing)
    }
    return .played(crossings, names: stage.names.title, octets: sent.count, elapsed: elapsed)
  }

  private func judge(
    _ crossing: inout DemoCrossing, _ fate: DemoEars.Fate?, sent: [UInt8], on stage: DemoStage, _ ears: DemoEars
  ) throws {
    let destination = crossing.destination
    guard let fate, let attacker = stage.attackers[destination] else {
      throw DemoFault.notDelivered("nothing was told of it")
    }
    var arrival: DemoArrival?
    if fate.arrival != nil || ears.hasAccepted(destination.recipient, by: destination.promise.server.hostName) {
      arrival = try DemoArrival(
        octets: try DemoArrival.read(maildir: folder + "/maildir/\(destination.domain)/reader"), sent: sent)
    }
    if let fetches = destination.attack.fetches(under: destination.promise) {
      let seen = stage.policyHost.askedFor.count { $0 == destination.policyHost }
      guard seen == fetches else {
        throw DemoFault.unexpected("\(destination.policyHost) was asked \(seen) times for its policy")
      }
    }
    try crossing.judge(fate.relay, arrival: arrival, attacker: attacker.record)
  }

  /// What a relay has that has sent to these domains before: policies, fetched a day ago, under the id of that time. It
  /// opens its store as after any restart.
  private func keepYesterdaysPolicies(of internet: DemoInternet, in folder: String) async throws {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let store = try await SQLitePolicyStore.open(folder: folder, clock: clock, events: DemoEars().listener(""))
    let yesterday = UTCInstant(seconds: clock.now.seconds - 86_400)
    do {
      for destination in internet.destinations where destination.attack == .policyKept {
        let policy = STSPolicy(
          mode: .enforce, maxAge: DemoInternet.maxAge, patterns: [STSPattern(destination.mailHost)])
        try await store.put(
          StoredSTSPolicy(
            domain: try DomainName(destination.domain),
            known: KnownSTSPolicy(policy: policy, recordID: DemoInternet.yesterdaysID, fetchedAt: yesterday),
            usedAt: yesterday))
      }
    } catch {
      await store.close()
      throw error
    }
    await store.close()
  }

  // MARK: The houses

  private func relayConfiguration(in internet: DemoInternet) throws -> Configuration {
    var configuration = try configuration(of: server, named: DemoTheatre.relayName, outbound: .exchangers)
    configuration.dataFolder = server.folder + "/relay"
    let roots = folder + "/believed.pem"
    try internet.authorities.believed.issued.certificatePEM.write(toFile: roots, atomically: true, encoding: .utf8)
    configuration.trustRoots = [roots]
    configuration.outbound.exchangers.port = internet.port
    for destination in internet.destinations where destination.promise == .strict {
      configuration.outbound.rules.floors.set(.verified, for: try DomainName(destination.domain))
    }
    // The stage answers: the DNS is asked for nothing, not even for the proof that it validates.
    var dns = Configuration.DNS()
    dns.probe = ValidationProof(secure: [], bogus: [])
    configuration.dns = dns
    return configuration
  }

  private func receiver(_ server: DemoServer, in internet: DemoInternet) throws -> Configuration {
    let files = DevelopmentAuthority.Files(folder: folder + "/\(server.rawValue)-tls")
    if let chain = internet.chain(of: server) {
      try FileManager.default.createDirectory(
        atPath: folder + "/\(server.rawValue)-tls", withIntermediateDirectories: false)
      try chain.pem.write(toFile: files.chain, atomically: true, encoding: .utf8)
      try SecretFiles.replace(files.key, with: chain.leaf.keyPEM.withExposedBytes { $0 })
    }
    let address = DemoInternet.address(of: server)
    var configuration = Configuration(
      hostName: try DomainName(server.hostName), dataFolder: folder + "/\(server.hostName)",
      listeners: [.init(role: .relay, addresses: [SocketEndpoint(address: address, port: internet.port)])],
      certificates: internet.chain(of: server) == nil ? [] : [.init(chainFile: files.chain, keyFile: files.key)],
      usersFile: folder + "/\(server.hostName)-users.json",
      domains: try internet.destinations.filter { $0.promise.server == server }.map {
        .init(
          try DomainName($0.domain), recipients: ["reader"], postmaster: try Mailbox($0.recipient),
          deliver: .maildir(path: folder + "/maildir/%d/%n"))
      },
      outbound: .init(.none))
    DemoTheatre.makeSmall(&configuration)
    return configuration
  }
}

/// What the second act has shown.
enum DemoRelayAct: Sendable {
  /// - Parameters:
  ///   - names: who answered for them.
  ///   - octets: of the message.
  ///   - elapsed: from the program's first octet to the last word on the last recipient.
  case played([DemoCrossing], names: String, octets: Int, elapsed: Duration)
  /// Why it couldn't be.
  case skipped(String)

  var crossings: [DemoCrossing] {
    switch self {
    case .played(let crossings, _, _, _): crossings
    case .skipped: []
    }
  }
}
