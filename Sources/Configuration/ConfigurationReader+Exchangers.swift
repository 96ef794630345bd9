import MailSyntax
import Relay

/// What the section `outbound` says of mail to the hosts of other domains.
extension ConfigurationReader {
  mutating func readExchangers(in outbound: Section) -> Configuration.Exchangers {
    var exchangers = Configuration.Exchangers()
    guard let section = open("mx", in: outbound) else { return exchangers }
    if let port = read(Keys.exchangerPort, in: section).flatMap({ UInt16(exactly: $0) }) { exchangers.port = port }
    exchangers.ownNames = (readList(Keys.ownNames, in: section) ?? []).map(\.value)
    if let count = read(Keys.hostConnections, in: section) { exchangers.hostConnections = count }
    exchangers.pace = Pace(perDomain: read(Keys.domainPace, in: section), perHost: read(Keys.hostPace, in: section))
    return exchangers
  }

  mutating func readFloors(in outbound: Section) -> DestinationRules {
    var rules = DestinationRules()
    guard let section = open("tls", in: outbound) else { return rules }
    if let floor = read(Keys.floor, in: section) { rules.floor = floor }
    guard let entry = section.entry(Keys.floors.name),
      let domains = freeSection(
        entry.value, path: Keys.floors.row.path, place: section.place(of: Keys.floors.name), at: entry.position)
    else { return rules }
    for entry in domains.entries where entry.earlier == nil {
      let isBelow = entry.name.hasPrefix(".")
      let domain: DomainName
      do {
        domain = try ValueForm<DomainName>.domain.read(isBelow ? String(entry.name.dropFirst()) : entry.name)
      } catch {
        fault("\(domains.place): \(error.text)", at: entry.position, error.remedy ?? "give a domain, or . and a domain")
        continue
      }
      guard let floor = value(of: entry.value, as: Keys.floors.form, called: domains.place(of: entry.name)) else {
        continue
      }
      rules.set(floor.value, for: domain, below: isBelow)
    }
    return rules
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
