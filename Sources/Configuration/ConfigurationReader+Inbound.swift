import MailAuthentication
import MailSyntax
import Relay
import SMTPSessions

/// What the section `inbound` says of mail from other servers.
extension ConfigurationReader {
  mutating func readInbound(in root: Section, listeners: [Configuration.Listener]) -> Configuration.Inbound {
    var inbound = Configuration.Inbound()
    inbound.authentication = .monitor
    guard let section = open("inbound", in: root) else { return inbound }
    if let mode = read(Keys.authentication, in: section) { inbound.authentication = mode }
    inbound.lists.lists = readLists(in: section)
    let unchecked = readList(Keys.uncheckedNetworks, in: section) ?? []
    let relays = listeners.filter { $0.role == .relay }
    let networks = unchecked.map(\.value) + relays.flatMap(\.trustedProxies)
    inbound.lists.uncheckedNetworks = networks.compactMap { IPNetwork($0) }

    if let entry = section.entry("dns_lists"), relays.isEmpty, !inbound.lists.lists.isEmpty {
      warn(
        "inbound.dns_lists: it has no effect, for there is no listener `relay`", at: entry.position,
        "add listen.relay, or take dns_lists out")
    }
    for name in [Keys.uncheckedNetworks.name, Keys.authentication.name] {
      guard let entry = section.entry(name), relays.isEmpty else { continue }
      warn(
        "inbound.\(name): it has no effect, for there is no listener `relay`", at: entry.position,
        "add listen.relay, or take it out")
    }
    return inbound
  }

  private mutating func readLists(in inbound: Section) -> [DNSList] {
    guard let entry = inbound.entry("dns_lists"), !entry.value.isNothing else { return [] }
    guard case .list(let items) = entry.value.content else {
      fault(
        "inbound.dns_lists: here stands \(entry.value.kind), not a list", at: entry.value.position,
        "begin each with `- zone: NAME`, and put its other keys under it")
      return []
    }
    if items.count > DNSListSettings.maximumLists {
      fault(
        "inbound.dns_lists: \(items.count) lists are more than \(DNSListSettings.maximumLists)",
        at: entry.value.position, "leave the best; each is asked about each client")
    }
    var lists: [DNSList] = []
    for (number, item) in items.enumerated() {
      let place = "inbound.dns_lists[\(number)]"
      note(place, at: item.position)
      guard let section = section(item, path: "inbound.dns_lists[]", place: place, at: item.position) else { continue }
      let zone = readPlaced(Keys.listZone, in: section)
      let name = readPlaced(Keys.listName, in: section)
      let answers = readList(Keys.listAnswers, in: section)?.map(\.value) ?? []
      let action = read(Keys.listAction, in: section) ?? .refuse
      guard let zone else { continue }
      let list = DNSList(zone: zone.value, name: name?.value, answers: answers, action: action)
      // Alarms go by the name.
      if lists.contains(where: { $0.zone == list.zone || $0.name == list.name }) {
        fault(
          "\(place): a list of this zone or name stands above", at: name?.position ?? zone.position,
          "leave one of them, or give each a name of its own")
        continue
      }
      lists.append(list)
    }
    return lists
  }
}
