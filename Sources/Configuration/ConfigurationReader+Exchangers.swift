import MailSyntax
import Relay

/// What the section `outbound` says of mail to the hosts of other domains.
extension ConfigurationReader {
  mutating func readExchangers(in outbound: Section) -> Configuration.Exchangers {
    var exchangers = Configuration.Exchangers()
    guard let section = open("mx", in: outbound) else { return exchangers }
    if let port = read(Keys.exchangerPort, in: section).flatMap({ UInt16(exactly: $0) }) { exchangers.port = port }
    exchangers.ownNames = (readList(Keys.ownNames, in: section) ?? []).map(\.value)
    if let count = read(Keys.hostConnections, in: section) { exchangers.perHost.general.atOnce = count }
    exchangers.perHost.general.perMinute = read(Keys.hostPace, in: section)
    exchangers.perDomain.general.perMinute = read(Keys.domainPace, in: section)
    exchangers.perDomain.rules = readTraffic("domains", Keys.domainDeliveries, Keys.ownDomainPace, in: section)
    exchangers.perHost.rules = readTraffic("hosts", Keys.ownHostConnections, Keys.ownHostPace, in: section)
    return exchangers
  }

  private mutating func readTraffic(
    _ name: String, _ atOnce: Key<Int>, _ perMinute: Key<Int>, in exchangers: Section
  ) -> DomainTable<TrafficLimit.Rule> {
    var rules = DomainTable<TrafficLimit.Rule>()
    forEachDomain(under: name, in: exchangers) { reader, entry, place, domain, isBelow in
      guard
        let section = reader.section(
          entry.value, path: "outbound.mx.\(name).NAME", place: place, at: entry.position)
      else { return }
      rules.set(
        TrafficLimit.Rule(
          atOnce: reader.read(atOnce, in: section), perMinute: reader.read(perMinute, in: section)),
        for: domain, below: isBelow)
    }
    return rules
  }

  mutating func readFloors(in outbound: Section) -> DestinationRules {
    var rules = DestinationRules()
    guard let section = open("tls", in: outbound) else { return rules }
    if let floor = read(Keys.floor, in: section) { rules.floor = floor }
    if let conduct = read(Keys.onDowngrade, in: section) { rules.onDowngrade = conduct }
    forEachDomain(under: Keys.floors.name, in: section) { reader, entry, place, domain, isBelow in
      guard let floor = reader.value(of: entry.value, as: Keys.floors.form, called: place) else { return }
      rules.floors.set(floor.value, for: domain, below: isBelow)
      // `domains` is read before.
      guard !isBelow, reader.routes.named.contains(domain) else { return }
      reader.warn(
        "\(place): it has no effect, for mail for a domain of ours doesn't leave by the route mx", at: entry.position,
        "take it out; LMTP on another host is asked for verified TLS anyway")
    }
    return rules
  }

  /// A section whose keys are domains, or a `.` and a domain for all below it.
  private mutating func forEachDomain(
    under name: String, in parent: Section,
    _ read: (inout ConfigurationReader, YAMLEntry, _ place: String, DomainName, _ isBelow: Bool) -> Void
  ) {
    guard let entry = parent.entry(name),
      let domains = freeSection(
        entry.value, path: parent.path(of: name), place: parent.place(of: name), at: entry.position)
    else { return }
    var places: [String: FilePosition] = [:]
    for entry in domains.entries where entry.earlier == nil {
      let isBelow = entry.name.hasPrefix(".")
      do {
        let domain = try ValueForm<DomainName>.domain.read(isBelow ? String(entry.name.dropFirst()) : entry.name)
        let place = domains.place(of: entry.name)
        // Names are the same in small letters and in capitals; of two values the weaker might count unseen.
        if let earlier = places.updateValue(entry.position, forKey: (isBelow ? "." : "") + domain.folded) {
          fault(
            "\(place): this domain stands twice; the first is at \(earlier)", at: entry.position, "leave one of them")
        } else {
          read(&self, entry, place, domain, isBelow)
        }
      } catch {
        fault("\(domains.place): \(error.text)", at: entry.position, error.remedy ?? "give a domain, or . and a domain")
      }
    }
  }

  mutating func readSources(in outbound: Section) -> Configuration.Egress {
    var egress = Configuration.Egress()
    guard let entry = outbound.entry("sources") else { return egress }
    guard case .list(let items) = entry.value.content else {
      fault(
        "outbound.sources: here stands \(entry.value.kind), not a list", at: entry.value.position,
        "begin each with `- address: ADDRESS`, and put `ehlo: NAME` under it")
      return egress
    }
    for (number, item) in items.enumerated() {
      let place = "outbound.sources[\(number)]"
      guard let section = section(item, path: "outbound.sources[]", place: place, at: item.position) else { continue }
      let address = readPlaced(Keys.sourceAddress, in: section)
      let name = read(Keys.sourceName, in: section)
      guard let address else { continue }
      let source = Configuration.Egress.Source(address: address.value, ehlo: name)
      let field: WritableKeyPath<Configuration.Egress, Configuration.Egress.Source?> =
        switch address.value {
        case .v4: \.v4
        case .v6: \.v6
        }
      guard egress[keyPath: field] == nil else {
        fault(
          "\(place): a second address of the same family", at: address.position,
          "leave one of IPv4 and one of IPv6")
        continue
      }
      egress[keyPath: field] = source
      note(Configuration.place(ofSource: address.value), at: address.position)
    }
    return egress
  }

  /// A section of rules that nothing asks for: a likely slip, and no harm.
  mutating func warnOfUnused(_ name: String, route: Keys.RouteName, in section: Section) {
    guard let entry = section.entry(name) else { return }
    warn(
      "outbound.\(name): it has no effect, for the route is \(route.rawValue)", at: entry.position,
      "write route: mx, or take \(name) out")
  }
}
