import MailSyntax
import Relay
import TransportSecurity

extension Keys {
  static let floor = Key<TLSFloor>(
    "outbound.tls.floor", .choice, default: TLSFloor.opportunistic.rawValue,
    "The least that mail on the route `mx` goes by. `opportunistic`: TLS wherever it can be had, and in clear only where "
      + "it can't, which is recorded with the reason. `encrypt`: TLS, whoever answers. `verified`: TLS with a certificate "
      + "that proves the mail server's name, or DANE proven from the MX record on. `dane`: DANE so proven, and nothing "
      + "else. What can't be sent so safely waits; it never falls back. What the domain publishes holds beside it.")
  static let floors = Key<TLSFloor>(
    "outbound.tls.domains", .choice, default: "none",
    "A section: each key is a recipients' domain, or `.` and a domain for all below it, and behind it stands its floor."
  )
  static let onDowngrade = Key<SteadyTLS.Conduct>(
    "outbound.tls.on_downgrade", .choice, default: SteadyTLS.Conduct.alert.rawValue,
    "What follows where a domain's mail servers have steadily spoken TLS, or proven their names, and one suddenly shows "
      + "less. `alert`: the mail goes, and the event `tls.downgrade` says it. `hold`: beside that it waits, for a day at "
      + "the longest; delivery reports never do.")
  static let exchangerPort = Key(
    "outbound.mx.port", .count(1...65_535), default: "25", "Another port than everybody's, for a laboratory.")
  static let ownNames = Key(
    "outbound.mx.own_names", .hostName, isList: true, default: "none",
    "Further names that MX records have for this machine, beside `hostname`: mail is never sent to them, nor to hosts "
      + "that are no better (RFC 5321 section 5.1).")
  static let hostConnections = Key(
    "outbound.mx.host_connections", .count(1...1_000), default: "20",
    "Connections at the same time to one mail server, for however many domains.")
  static let hostPace = Key(
    "outbound.mx.host_per_minute", .count(1...1_000_000), default: "unbounded",
    "Deliveries a minute that begin to one mail server.")
  static let domainPace = Key(
    "outbound.mx.domain_per_minute", .count(1...1_000_000), default: "unbounded",
    "Deliveries a minute that begin to one domain.")
  static let domainDeliveries = Key(
    "outbound.mx.domains.NAME.deliveries", .count(1...1_000), default: "`queue.route_concurrency`",
    "Deliveries at the same time to this domain; with a `.` before the name, to each one below it.")
  static let ownDomainPace = Key(
    "outbound.mx.domains.NAME.per_minute", .count(1...1_000_000), default: "`outbound.mx.domain_per_minute`",
    "Deliveries a minute that begin to this domain.")
  static let ownHostConnections = Key(
    "outbound.mx.hosts.NAME.connections", .count(1...1_000), default: "`outbound.mx.host_connections`",
    "Connections at the same time to this mail server; with a `.` before the name, to each one whose name is below it.")
  static let ownHostPace = Key(
    "outbound.mx.hosts.NAME.per_minute", .count(1...1_000_000), default: "`outbound.mx.host_per_minute`",
    "Deliveries a minute that begin to this mail server.")
}
