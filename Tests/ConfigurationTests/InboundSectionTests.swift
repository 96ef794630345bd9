import MailAuthentication
import MailSyntax
import Relay
import Testing

@testable import Configuration

@Suite("The section inbound")
struct InboundSectionTests {
  private static let relay = """
    listen:
      submissions: :465
      relay: {addresses: ":25", proxy_from: 198.51.100.1}
    domains:
      example.com: {postmaster: a@example.net, deliver: discard}

    """

  private func read(_ text: String) throws -> Configuration {
    try parse(configuration(Self.relay + text, without: "listen")).configuration
  }

  @Test("without it nobody is asked about anybody, and nothing needs a resolver")
  func off() throws {
    let configuration = try read("")
    #expect(configuration.inbound.lists.lists.isEmpty && !configuration.needsResolver)
  }

  @Test("lists are read with what counts and what is done, and need a resolver; proxies are never asked about")
  func lists() throws {
    let configuration = try read(
      """
      inbound:
        dns_lists:
          - zone: zen.example.org
            name: the Zen list
            answers: [127.0.0.2-127.0.0.11, 127.0.0.20]
          - {zone: bl.example.net, action: record}
        unchecked_networks: [192.0.2.0/24, "2001:db8:2::/48"]
      """)
    #expect(configuration.needsResolver)
    let lists = configuration.inbound.lists
    #expect(lists.lists.map(\.name) == ["the Zen list", "bl.example.net"])
    #expect(lists.lists.map(\.action) == [.refuse, .record])
    #expect(lists.lists[0].answers.map(\.description) == ["127.0.0.2-127.0.0.11", "127.0.0.20"])
    #expect(lists.lists[1].answers.isEmpty)
    #expect(lists.uncheckedNetworks.map(\.description) == ["192.0.2.0/24", "2001:db8:2::/48", "198.51.100.1/32"])
  }

  @Test("mail is watched unless somebody says otherwise, for all or for a domain, and that needs no proven resolver")
  func authentication() throws {
    let silent = try read("")
    #expect(silent.inbound.authentication == .monitor && silent.domains.map(\.authentication) == [nil])
    let spoken = try parse(
      configuration(
        Self.relay.replacing("deliver: discard", with: "deliver: discard, authentication: monitor")
          + "inbound: {authentication: enforce, unchecked_networks: 192.0.2.0/24}", without: "listen")
    ).configuration
    #expect(spoken.inbound.authentication == .enforce && spoken.domains.map(\.authentication) == [.monitor])
    #expect(!spoken.needsResolver)
    #expect(spoken.inbound.lists.uncheckedNetworks.map(\.description) == ["192.0.2.0/24", "198.51.100.1/32"])
    let (taken, names) = spoken.taken(over: silent)
    #expect(names.isEmpty && taken.inbound == spoken.inbound && taken.domains == spoken.domains)
  }

  @Test("a reload takes other lists")
  func reload() throws {
    let (running, new) = (try read(""), try read("inbound: {dns_lists: [{zone: bl.example.net}]}"))
    let (taken, names) = new.taken(over: running)
    #expect(names.isEmpty && taken.inbound == new.inbound)
  }

  private static let long = String(repeating: "a23456789.", count: 18) + "a234567890"

  @Test(
    "faults are told with their places",
    arguments: [
      ("inbound:\n  dns_list: x", "2:3: inbound.dns_list: there is no such key / did you mean 'dns_lists'?"),
      (
        "inbound:\n  dns_lists:\n    - {zone: bl.example.net, acton: record}",
        "3:30: inbound.dns_lists[0].acton: there is no such key / did you mean 'action'?"
      ),
      (
        "inbound:\n  dns_lists: bl.example.net",
        "2:14: inbound.dns_lists: here stands one value, not a list / begin each with `- zone: NAME`, and put its other "
          + "keys under it"
      ),
      (
        "inbound:\n  dns_lists:\n    - {zone: bl.example.net, action: refus}",
        "3:38: inbound.dns_lists[0].action: 'refus' is not one of refuse, record / did you mean 'refuse'?"
      ),
      (
        "inbound:\n  dns_lists:\n    - {zone: bl.example.net, answers: 192.0.2.1}",
        "3:39: inbound.dns_lists[0].answers: '192.0.2.1' is not a range within 127.0.0.0/8 (RFC 5782 §2.1) / give an "
          + "answer or a range of them, as 127.0.0.2 or 127.0.0.2-127.0.0.11"
      ),
      (
        "inbound:\n  dns_lists:\n    - {zone: \(long)}",
        "3:14: inbound.dns_lists[0].zone: with 190 octets there is no room for an address in front; 189 is the most / "
          + "give the zone of a list, as zen.example.org"
      ),
      (
        "inbound:\n  dns_lists:\n    - zone: bl.example.net\n    - zone: BL.example.net\n      name: other",
        "5:13: inbound.dns_lists[1]: a list of this zone or name stands above / leave one of them, or give each a name of "
          + "its own"
      ),
      (
        "inbound:\n  dns_lists: [\((0...8).map { "{zone: bl\($0).example.net}" }.joined(separator: ", "))]",
        "2:14: inbound.dns_lists: 9 lists are more than 8 / leave the best; each is asked about each client"
      ),
      (
        "inbound:\n  authentication: enfore",
        "2:19: inbound.authentication: 'enfore' is not one of monitor, enforce / did you mean 'enforce'?"
      ),
    ])
  func faults(_ text: String, _ expected: String) {
    let offset = configuration(Self.relay, without: "listen").split(separator: "\n").count
    let seen = findings(configuration(Self.relay + text, without: "listen")).map { finding in
      "\(finding.position.map { "\($0.line - offset):\($0.column)" } ?? "-"): \(finding.text) / \(finding.remedy ?? "")"
    }
    #expect(seen == [expected])
  }

  @Test("lists without a listener for other servers are warned of")
  func noRelay() {
    let found = findings(configuration("inbound:\n  dns_lists: [{zone: bl.example.net}]"))
    #expect(found.map(\.severity) == [.warning])
    #expect(found.first?.text == "inbound.dns_lists: it has no effect, for there is no listener `relay`")
  }
}
