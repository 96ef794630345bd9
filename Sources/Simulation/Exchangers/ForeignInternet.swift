import DNSRecords
import MailSyntax
import OrderedCollections
import TransportSecurity

/// The domains that aren't ours and the hosts that take their mail, drawn from the seed: MX records of several and of
/// equal preferences, hosts that domains share, hosts without address, our own name among them, and domains that take
/// no mail at all.
struct ForeignInternet: Sendable {
  let own: DomainName
  private(set) var domains: OrderedDictionary<DomainName, ForeignDomain> = [:]
  private(set) var hosts: OrderedDictionary<DomainName, MailHost> = [:]
  private var hostsByAddress: [IPAddress: MailHost] = [:]

  /// Domains of one host each, which is in one mood until the faults stop.
  init(_ moods: OrderedDictionary<DomainName, HostMood>, faultsEnd: Uptime, own: DomainName) throws {
    self.own = own
    for (name, mood) in moods {
      let host = MailHost(
        try DomainName("mx.\(name)"), at: try addresses(1, isDual: false), nature: .verified, key: newKey,
        moods: [(faultsEnd, mood)], faultsEnd: faultsEnd)
      host.takesAnyMail = true
      add(host)
      try add("\(name)", [(10, host.name)])
    }
  }

  /// All that can be: see above.
  init(_ random: SeededRandom, now: Uptime, faultsEnd: Uptime, own: DomainName) throws {
    self.own = own
    func moods() -> [(until: Uptime, mood: HostMood)] {
      var moods: [(until: Uptime, mood: HostMood)] = []
      var until = now
      while until < faultsEnd {
        until = until + .seconds(60 + random.below(1_800))
        moods.append((until, HostMood.draw(random)))
      }
      return moods
    }
    let natures: [TLSConduct] = [
      .verified, .verified, .verified, .verified, .verified, .unverified, .unverified, .notOffered, .refused, .broken,
    ]
    let pool = try (0..<10).map { try DomainName("h\($0).hosts.example") }
    for name in pool + [try DomainName("implicit.example")] {
      let key = newKey
      let host = MailHost(
        name, at: try addresses(1 + random.below(3), isDual: random.chance(40)), nature: random.pick(natures),
        key: key, tlsa: random.chance(40) ? TLSAPublication.draw(for: key, from: now, to: faultsEnd, random) : nil,
        moods: moods(), faultsEnd: faultsEnd)
      host.servesDemandingDomain = host.tlsa?.last.records.isEmpty == false
      add(host)
    }
    let attackers = try MailHost(
      DomainName(Attacker.hostName), at: addresses(1, isDual: false), nature: .verified, key: .attackers,
      tlsa: Phases(always: TLSAPublication(records: [HostKey.attackers.record])), moods: [], faultsEnd: faultsEnd)
    add(attackers)
    // Behind another name it is ourselves that answer.
    add(
      try MailHost(
        DomainName("mirror.hosts.example"), at: try addresses(1, isDual: false), greetingName: own, nature: .verified,
        key: newKey, moods: [], faultsEnd: faultsEnd))
    add(
      MailHost(
        own, at: try addresses(1, isDual: true), nature: .verified, key: newKey, moods: [], faultsEnd: faultsEnd))
    for number in 0..<9 { add(try drawn("d\(number).example", from: pool, random)) }
    for name in ["away.example", "far.example", "shop.example"] { add(try drawn(name, from: pool, random)) }
    // What one domain demands holds on the connections of another, too: they share their hosts.
    add(ForeignDomain(name: try DomainName("bank.example"), mail: try mail(of: "d0.example"), floor: .verified))
    add(ForeignDomain(name: try DomainName("clinic.example"), mail: try mail(of: "d1.example"), floor: .encrypt))
    add(ForeignDomain(name: try DomainName("implicit.example"), mail: .implicit))
    add(ForeignDomain(name: try DomainName("nothing.example"), mail: .nothing))
    add(ForeignDomain(name: try DomainName("gone.example"), mail: .noSuchName))
    add(ForeignDomain(name: try DomainName("null.example"), mail: .exchangers([.init(preference: 0, exchange: .null)])))
    try add("circle.example", [(10, own), (20, pool[random.below(10)])])
    try add("mirror.example", [(10, try DomainName("mirror.hosts.example"))])
    for domain in domains.values {
      var domain = domain
      // Another than its neighbour with the same hosts has, if any.
      domain.isSigned = random.chance(40)
      domain.isSteady = random.chance(10) && domain.hosts(own: own).contains { hosts[$0] != nil }
      domain.sts = STSPublication.draw(for: domain.hosts(own: own), from: now, to: faultsEnd, random)
      domains[domain.name] = domain
      guard domain.floor != .opportunistic || domain.sts.last != .none || domain.isSteady else { continue }
      for host in domain.hosts(own: own) { hosts[host]?.servesDemandingDomain = true }
    }
  }

  private var newKey: HostKey { HostKey(ofHost: hosts.count) }

  /// A host of the attacker's, whatever the DNS is made to say.
  var attackersHost: MailHost? { hosts.values.first { $0.key == .attackers } }

  func host(at address: IPAddress) -> MailHost? { hostsByAddress[address] }

  // MARK: Drawing

  private func drawn(_ name: String, from pool: [DomainName], _ random: SeededRandom) throws -> ForeignDomain {
    let preferences: [UInt16] = [5, 10, 10, 20]
    var records = (0..<1 + random.below(4)).map { _ in
      MailExchanger(preference: random.pick(preferences), exchange: .host(random.pick(pool)))
    }
    if random.chance(20) {
      records.append(.init(preference: 5, exchange: .host(try DomainName("hollow.hosts.example"))))
    }
    if random.chance(15) { records.append(.init(preference: 10, exchange: .unusable("*.hosts.example"))) }
    if random.chance(10) { records.append(.init(preference: 0, exchange: .null)) }
    // We are one of its hosts, and not the best.
    if random.chance(20) { records.append(.init(preference: 15, exchange: .host(own))) }
    if !records.contains(where: { $0.preference < 15 && ForeignInternet.isIn(pool, $0) }) {
      records.append(.init(preference: 10, exchange: .host(random.pick(pool))))
    }
    return ForeignDomain(
      name: try DomainName(name), mail: .exchangers(records),
      floor: random.pick([.opportunistic, .opportunistic, .opportunistic, .opportunistic, .encrypt, .verified]))
  }

  private static func isIn(_ pool: [DomainName], _ record: MailExchanger) -> Bool {
    guard case .host(let name) = record.exchange else { return false }
    return pool.contains(name)
  }

  private func mail(of name: String) throws -> ForeignDomain.Mail {
    domains[try DomainName(name)]?.mail ?? .nothing
  }

  private mutating func add(_ name: String, _ exchangers: [(UInt16, DomainName)]) throws {
    add(
      ForeignDomain(
        name: try DomainName(name),
        mail: .exchangers(exchangers.map { MailExchanger(preference: $0, exchange: .host($1)) })))
  }

  private mutating func add(_ domain: ForeignDomain) { domains[domain.name] = domain }

  private mutating func add(_ host: MailHost) {
    hosts[host.name] = host
    for address in host.addresses { hostsByAddress[address] = host }
  }

  /// Addresses that no host has yet.
  private func addresses(_ count: Int, isDual: Bool) throws -> [IPAddress] {
    let first = UInt32(hosts.count) * 16
    let four = (0..<UInt32(count)).map { IPAddress.v4(0xcb00_7100 + first + $0) }
    guard isDual else { return four }
    return [IPAddress.v6(high: 0x2001_0db8_0000_0000, low: UInt64(first))] + four
  }
}
