import Testing

@testable import Configuration

/// A text behind a configuration that is right, and the findings it brings, each as `line:column: severity: text` and
/// the remedy. Lines count from the first of `more`.
struct FaultRow: Sendable, CustomTestStringConvertible {
  let more: String
  let without: String?
  let expected: [String]
  init(_ more: String, without: String? = nil, _ expected: String...) {
    self.more = more
    self.without = without
    self.expected = expected
  }
  var testDescription: String { more.split(separator: "\n").joined(separator: " ⏎ ") }
}

@Suite("Faults")
struct FaultTests {
  private func check(_ row: FaultRow, _ location: SourceLocation = #_sourceLocation) {
    let offset = configuration(without: row.without).split(separator: "\n").count
    let seen = findings(configuration(row.more, without: row.without)).map { finding in
      let position = finding.position.map { "\($0.line - offset):\($0.column)" } ?? "-"
      return "\(position): \(finding.severity.rawValue): \(finding.text) / \(finding.remedy ?? "")"
    }
    #expect(seen == row.expected, sourceLocation: location)
  }

  @Test("the base of all rows has no finding")
  func base() { #expect(findings(configuration()) == []) }

  static let keys: [FaultRow] = [
    FaultRow("hostnme: x", "1:1: error: hostnme: there is no such key / did you mean 'hostname'?"),
    FaultRow(
      "queue:\n  giveUpAfter: 5d",
      """
      2:3: error: queue.giveUpAfter: there is no such key / did you mean 'give_up_after'?
      """),
    FaultRow(
      "queue:\n  message_size: 5 MiB",
      "2:3: error: queue.message_size: there is no such key / 'message_size' belongs under limits"),
    FaultRow(
      "log:\n  zebra: 1", "2:3: error: log.zebra: there is no such key / the keys here are format"),
    FaultRow(
      "hostname: two.example.com",
      "1:1: error: hostname: this key stands twice; the first is at 1:1 / leave one of them"),
    FaultRow(
      "queue:\n  history: 1d\n  'history': 2d\n  \"history\": 3d\n  histori: 1d",
      "3:3: error: queue.history: this key stands twice; the first is at 12:3 / leave one of them",
      "4:3: error: queue.history: this key stands twice; the first is at 12:3 / leave one of them",
      "5:3: error: queue.histori: there is no such key / did you mean 'history'?"),
    FaultRow(
      "outbound:\n  route: mx\n  tls: {domains: {Far.example: dane, far.EXAMPLE: opportunistic}}", without: "outbound",
      "3:38: error: outbound.tls.domains.far.EXAMPLE: this domain stands twice; the first is at 11:19 / leave one of them"
    ),
    FaultRow(
      "", without: "hostname",
      """
      -8:1: error: hostname is missing / add hostname: a fully qualified host name, as mail.example.com
      """),
    FaultRow(
      "limits: 5",
      """
      1:9: error: limits: here stands one value, not a section / give keys, each with its value
      """),
    FaultRow(
      "limits: [5]",
      """
      1:9: error: limits: here stands a list, not a section / give keys, each with its value
      """),
    FaultRow(
      "drain_time: [5s]",

      """
      1:13: error: drain_time: here stands a list, not one value / give a duration from 0s to 10m, as \
      500ms, 30s, 5m, 4h or 5d
      """),
    FaultRow(
      "drain_time:",

      """
      1:12: error: drain_time: nothing stands behind the key / give a duration from 0s to 10m, as 500ms, \
      30s, 5m, 4h or 5d, or take the key out
      """),
    FaultRow("limits:"),
    FaultRow("limits:\n  # recipients: 5\nlog:\n  format: json"),
  ]

  static let values: [FaultRow] = [
    FaultRow(
      "hostname: mail", without: "hostname",

      """
      1:11: error: hostname: 'mail' is not fully qualified (RFC 5321 §2.3.5) / give a fully qualified \
      host name, as mail.example.com
      """),
    FaultRow(
      "hostname: 192.0.2.1", without: "hostname",

      """
      1:11: error: hostname: '192.0.2.1' is an address and not a host name / give a fully qualified host \
      name, as mail.example.com
      """),
    FaultRow(
      "hostname: mail_.-x.org", without: "hostname",

      """
      1:11: error: hostname: 'mail_.-x.org' is not a host name: the domain is not made of letters, digits \
      and inner hyphens between dots / give a fully qualified host name, as mail.example.com
      """),
    FaultRow(
      "hostname: bücher.example", without: "hostname",

      """
      1:11: error: hostname: 'bücher.example' has letters outside ASCII / write its ASCII form, which \
      begins with xn--
      """),
    FaultRow(
      "users: ~/users.json",
      """
      1:8: error: users: '~/users.json' begins with ~, which only a shell knows / write the folder out
      """),
    FaultRow(
      "log:\n  format: jsn", "2:11: error: log.format: 'jsn' is not one of text, json / did you mean 'json'?"),
    FaultRow(
      "queue:\n  history: 7",

      """
      2:12: error: queue.history: '7' is no duration: a duration is a whole number with ms, s, m, h or d \
      / give a duration from 0s to 366d, as 500ms, 30s, 5m, 4h or 5d
      """),
    // YAML 1.1 would read the first as 90 seconds in base 60 and the second as eight.
    FaultRow(
      "queue:\n  history: 1:30\n  route_concurrency: 010",

      """
      2:12: error: queue.history: '1:30' is no duration: a duration is a whole number with ms, s, m, h or \
      d / give a duration from 0s to 366d, as 500ms, 30s, 5m, 4h or 5d
      """),
    FaultRow(
      "queue:\n  space_floor: 1 GB",

      """
      2:16: error: queue.space_floor: '1 GB' is no size: a size is a whole number of bytes, or one with \
      KiB, MiB, GiB or TiB / give a size from 16 MiB to 1 TiB, as 50 MiB or a number of bytes
      """),
    FaultRow(
      "queue:\n  retry: [5m, 1ms, 2h]\n  retry_jitter: 60%",
      "2:15: error: queue.retry: 1ms is less than 1s / give a duration from 1s to 7d, as 500ms, 30s, 5m, 4h or 5d",
      "3:17: error: queue.retry_jitter: 60% is more than 50% / give a percentage from 0% to 50%"),
    FaultRow(
      "queue:\n  retry: []",

      """
      2:10: error: queue.retry: a retry schedule has at least one delay / give a list, each item a \
      duration from 1s to 7d, as 500ms, 30s, 5m, 4h or 5d
      """),
    FaultRow("queue:\n  retry: 10m\n  retry_jitter: 0"),
    FaultRow(
      "queue:\n  route_concurrency: many",
      "2:22: error: queue.route_concurrency: 'many' is not a whole number / give a whole number from 1 to 1000"),
    FaultRow(
      "queue:\n  route_concurrency: -1",
      "2:22: error: queue.route_concurrency: '-1' is not a whole number / give a whole number from 1 to 1000"),
    FaultRow(
      "queue:\n  give_up_after: 1h\n  retry: 2h",

      """
      2:3: warning: a message is given up after 1h, so nobody is told of a delay after 4h / make \
      delay_report_after shorter than give_up_after
      """,
      "3:3: error: queue.retry: the first wait of 2h is longer than give_up_after / make it shorter than 1h"),
    // Order of the file, not of the reading.
    FaultRow(
      "log:\n  format: xml\nlimits:\n  recipients: x\nusers: ''",
      "2:11: error: log.format: 'xml' is not one of text, json / give text or json",
      "4:15: error: limits.recipients: 'x' is not a whole number / give a whole number from 100 to 100000",
      "5:8: error: users: the text is empty / give a path"),
  ]

  static let limits: [FaultRow] = [
    // SMTP-033 and its like: RFC 5321 §4.5.3.1 names the least of each. DSN-003: with DSN a command line has more.
    FaultRow(

      """
      limits:\n  recipients: 99\n  command_line_octets: 1035\n  text_line_octets: 999\n  command_time: \
      4m\n  message_size: 65535
      """,

      """
      2:15: error: limits.recipients: 99 is less than 100, the least that RFC 5321 §4.5.3.1.8 allows / \
      give a whole number from 100 to 100000
      """,

      """
      3:24: error: limits.command_line_octets: 1035 is less than 1036, the least that RFC 3461 §5.4 \
      allows / give a whole number from 1036 to 65536
      """,

      """
      4:21: error: limits.text_line_octets: 999 is less than 1000, the least that RFC 5321 §4.5.3.1.6 \
      allows / give a whole number from 1000 to 65536
      """,

      """
      5:17: error: limits.command_time: 4m is less than 5m, the least that RFC 5321 §4.5.3.2.7 allows / \
      give a duration from 5m to 1d, as 500ms, 30s, 5m, 4h or 5d
      """,

      """
      6:17: error: limits.message_size: 65535 bytes is less than 64 KiB, the least that RFC 5321 \
      §4.5.3.1.7 allows / give a size from 64 KiB to 4 GiB, as 50 MiB or a number of bytes
      """),
    FaultRow(
      "limits:\n  authentication_failures: 2\n  content_idle_time: 2m",

      """
      2:28: error: limits.authentication_failures: 2 is less than 3, the least that RFC 4954 §9 allows / \
      give a whole number from 3 to 100
      """,

      """
      3:22: error: limits.content_idle_time: 2m is less than 3m, the least that RFC 5321 §4.5.3.2.5 \
      allows / give a duration from 3m to 1d, as 500ms, 30s, 5m, 4h or 5d
      """),
    FaultRow(

      """
      limits:\n  recipients: 100\n  command_line_octets: 1036\n  text_line_octets: 1000\n  command_time: \
      5m\n  message_size: 64 KiB
      """),
    FaultRow(
      "limits:\n  content_idle_time: 2h",

      """
      2:3: error: limits: content_idle_time is longer than content_time, the time for all of a message / \
      make content_time the longer one
      """),
    FaultRow(
      "limits:\n  connections: 10",

      """
      2:3: warning: 200 connections of one address are more than the 10 in all / make \
      connections_per_address smaller
      """),
  ]

  static let listeners: [FaultRow] = [
    FaultRow(
      "", without: "listen",
      """
      -7:1: error: listen: there is no listener / add listen with submissions, submission or relay, as \
      submissions: :465
      """),
    FaultRow(
      "listen:", without: "listen",
      """
      1:1: error: listen: there is no listener / add listen with submissions, submission or relay, as \
      submissions: :465
      """),
    FaultRow(
      "listen:\n  submision: :587", without: "listen",
      "2:3: error: listen.submision: there is no such key / did you mean 'submission'?"),
    FaultRow(
      "listen:\n  submissions: [465, 'localhost:465', '::1:465', ':0', '[127.0.0.1]:465']", without: "listen",
      "2:17: error: listen.submissions: '465' names no port / write :465 for every address",

      """
      2:22: error: listen.submissions: 'localhost' is not an IP address / give an address and a port, as \
      192.0.2.1:465, [2001:db8::1]:465 or :465
      """,
      "2:39: error: listen.submissions: '::1' is not an IP address / write an IPv6 address in brackets: [::1]:465",

      """
      2:50: error: listen.submissions: '0' is not a port from 1 to 65535 / give an address and a port, as \
      192.0.2.1:465, [2001:db8::1]:465 or :465
      """,

      """
      2:56: error: listen.submissions: '[127.0.0.1]' is not an IP address / give an address and a port, \
      as 192.0.2.1:465, [2001:db8::1]:465 or :465
      """),
    FaultRow(

      """
      listen:\n  submissions: ['127.0.0.1:465', '[::1]:465']\n  submission: ['127.0.0.1:465', ':465']
      """, without: "listen",

      """
      3:16: error: listen.submission: 127.0.0.1:465 is listened on by submissions already / give each \
      listener ports of its own
      """,

      """
      3:33: error: listen.submission: 0.0.0.0:465 is covered by 127.0.0.1:465, which is listened on by \
      submissions already / give each listener ports of its own
      """,

      """
      3:33: error: listen.submission: [::]:465 is covered by [::1]:465, which is listened on by \
      submissions already / give each listener ports of its own
      """),
    FaultRow(
      "listen:\n  submissions: {}", without: "listen",

      """
      2:3: error: listen.submissions: it has neither an address nor an inherited socket / give an address \
      and a port, as 192.0.2.1:465, [2001:db8::1]:465 or :465
      """),
    FaultRow(

      """
      listen:\n  submissions:\n    inherited: smtps\n    proxy_from: [10.0.0.0/33, 10.0.0.1, nowhere]
      """, without: "listen",

      """
      4:18: error: listen.submissions.proxy_from: '33' is not a length of prefix from 0 to 32 / give a \
      network, as 192.0.2.0/24 or 2001:db8::/32
      """,

      """
      4:41: error: listen.submissions.proxy_from: 'nowhere' is not a network / give a network, as \
      192.0.2.0/24 or 2001:db8::/32
      """),
    FaultRow(
      "", without: "tls",

      """
      -2:3: error: listen.submissions: submission needs a certificate, and none is named / add \
      tls.certificates with a chain and a key
      """),
    FaultRow(
      "tls:\n  certificates:\n    chain: c.pem", without: "tls",

      """
      3:5: error: tls.certificates: here stands a section, not a list / begin each certificate with `- \
      chain: FILE`, and put `key: FILE` under it
      """),
    FaultRow(
      "tls:\n  certificates:\n    - chain: c.pem\n      keys: k.pem", without: "tls",
      "3:7: error: tls.certificates[0].key is missing / add key: a path",
      "4:7: error: tls.certificates[0].keys: there is no such key / did you mean 'key'?"),
    FaultRow(
      "listen:\n  relay: :25", without: "listen",

      """
      2:3: error: listen.relay: other servers may send to our domains alone, and none is named / name the \
      domain under domains, or take listen.relay out
      """),
    FaultRow(
      "", without: "outbound",
      """
      -7:1: error: mail can go nowhere: there are no domains and no outbound route / add domains, or an \
      outbound section with a route
      """),
  ]

  @Test("keys that are unknown, doubled, missing, of the wrong kind", arguments: keys)
  func keyFaults(_ row: FaultRow) { check(row) }
  @Test("values that can't be read or are out of bounds", arguments: values)
  func valueFaults(_ row: FaultRow) { check(row) }
  @Test("limits under what an RFC asks for name the RFC", arguments: limits)
  func limitFaults(_ row: FaultRow) { check(row) }
  @Test("listeners and certificates", arguments: listeners)
  func listenerFaults(_ row: FaultRow) { check(row) }
  @Test("domains, aliases and deliveries", arguments: domains)
  func domainFaults(_ row: FaultRow) { check(row) }
  @Test("the outbound route", arguments: outbound)
  func outboundFaults(_ row: FaultRow) { check(row) }
}
