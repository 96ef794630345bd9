import Foundation
import MailQueue
import MailSyntax
import Relay
import SMTPSessions
import Testing
import TransportSecurity

@testable import Configuration

@Suite("Configuration file")
struct ConfigurationFileTests {
  @Test("every key of the table is read: a section in the place of its value is a fault there")
  func everyKeyIsRead() {
    for key in ConfigurationKey.all {
      let components = key.path.split(separator: ".").map { part in
        part == "NAME" ? "example.com" : part == "ROLE" ? "submissions" : String(part)
      }
      var lines: [String] = []
      var indent = 0
      for component in components {
        lines.append(String(repeating: " ", count: indent) + component.replacing("[]", with: "") + ":")
        indent += 2
        guard component.hasSuffix("[]") else { continue }
        lines.append(String(repeating: " ", count: indent) + "-")
        indent += 2
      }
      lines.append(String(repeating: " ", count: indent) + "none: [[]]")
      let name = components.joined(separator: ".").replacing("[]", with: "[0]")
      let named = findings(lines.joined(separator: "\n")).filter { $0.severity == .error && $0.text.hasPrefix(name) }
      #expect(named.contains { ($0.position?.line ?? 0) >= lines.count }, "\(key.path) is not read")
    }
  }

  @Test("values arrive where they belong")
  func values() throws {
    let file = try parse(
      configuration(
        """
        users: ./who.json
        listen:
          submissions: ['192.0.2.1:465', '[2001:db8::1]:465']
          submission: :587
          relay:
            addresses: '127.0.0.1:25'
            inherited: [a, b]
            proxy_from: 10.0.0.0/8
        outbound:
          route: smarthost
          sources: [{address: 2001:db8::1}, {address: 192.0.2.9, ehlo: out.example.com}]
          smarthost:
            host: Smtp.Example.net
            tls: starttls
            user: me
            password_file: secrets/p
            chunking: false
        domains:
          example.com:
            recipients: [Anna, '"b c"']
            aliases: {info: [anna, x@example.net]}
            catch_all: anna
            abuse: y@example.net
            recipient_delimiter: none
            postmaster: anna
            deliver: {maildir: mail/%d/%n}
          example.org:
            recipients: [postmaster]
            deliver: {lmtp: 'unix:run/lmtp'}
          example.net:
            recipients: [postmaster, x, y]
            deliver: {lmtp: '[::1]:24'}
          a.example.net:
            postmaster: anna@example.com
            deliver: {lmtp: 'dovecot:24'}
        limits: {message_size: 1 MiB, connections: 300, command_time: 6m}
        log: {format: json}
        drain_time: 500ms
        """, without: "listen"
      ).replacing("outbound:\n  route: discard\n", with: ""))
    let configuration = file.configuration
    #expect(file.warnings == [])
    #expect(configuration.usersFile == "/etc/martlet/who.json")
    #expect(configuration.certificates == [.init(chain: "/etc/martlet/c.pem", key: "/etc/martlet/k.pem")])
    #expect(
      configuration.listeners.map { $0.addresses.map(\.description) } == [
        ["192.0.2.1:465", "[2001:db8::1]:465"], ["0.0.0.0:587", "[::]:587"], ["127.0.0.1:25"],
      ])
    #expect(configuration.listeners[2].inherited == ["a", "b"])
    #expect(configuration.listeners[2].trustedProxies == ["10.0.0.0/8"])
    #expect(configuration.outbound.egress.v6?.address.description == "2001:db8::1")
    #expect(configuration.outbound.egress.v4?.ehlo?.description == "out.example.com")
    #expect(
      configuration.outbound.route
        == .smarthost(
          Configuration.Smarthost(
            host: try DomainName("smtp.example.net"), port: 587, tls: .starttls,
            authentication: .password(user: "me", passwordFile: "/etc/martlet/secrets/p"), usesChunking: false)))
    let domain = configuration.domains[0]
    #expect(domain.recipients == ["Anna", "b c"])
    #expect(domain.aliases.map { $0.targets.map(\.description) } == [["anna@example.com", "x@example.net"]])
    #expect(domain.catchAll?.description == "anna@example.com")
    #expect(domain.abuse?.description == "y@example.net")
    #expect(domain.recipientDelimiter == nil)
    #expect(
      configuration.domains.map(\.deliver) == [
        .maildir(path: "/etc/martlet/mail/%d/%n"), .lmtp(.unixSocket(path: "/etc/martlet/run/lmtp")),
        .lmtp(.address(SocketEndpoint(address: .v6(high: 0, low: 1), port: 24))),
        .lmtp(.host(try DomainName("dovecot"), port: 24)),
      ])
    #expect(configuration.domains.map(\.recipientDelimiter) == [nil, "+", "+", "+"])
    #expect(configuration.limits.session.messageSize == .mebibytes(1))
    #expect(configuration.limits.session.commandTime == .seconds(360))
    #expect(configuration.log.format == .json)
    #expect(configuration.drainTime == .milliseconds(500))
  }

  @Test("every limit changes its own field alone")
  func limits() throws {
    var seen: Set<Configuration.Limits> = [Configuration.Limits()]
    for key in Keys.limitRows {
      let value = key.form.contains("a size") ? "64 MiB" : key.form.contains("a duration") ? "50m" : "4321"
      let value2 = key.name == "authentication_failures" ? "7" : value
      let limits = try parse(configuration("limits: {\(key.name): \(value2)}")).configuration.limits
      #expect(seen.insert(limits).inserted, "\(key.path)")
    }
  }

  @Test("local domains have the routes of their names, and mail finds its way")
  func routes() throws {
    let configuration = try parse(
      configuration(
        """
        domains:
          Example.com:
            recipients: [anna]
            aliases: {info: anna}
            postmaster: anna
            deliver: discard
        """)
    ).configuration
    let anna = ResolvedRecipient(
      address: try Mailbox("anna@Example.com"), route: RouteKey(rawValue: "domain/example.com"))
    let routing = try configuration.routing()
    for name in ["anna", "INFO", "postmaster", "abuse"] {
      #expect(routing.route(try Mailbox("\(name)@example.com"), reach: .ownDomains) == .deliver([anna]))
    }
    #expect(configuration.outboundRoute == .route(RouteKey(rawValue: "outbound")))
    let elsewhere = try Mailbox("x@example.net")
    #expect(
      routing.route(elsewhere, reach: .anywhere)
        == .deliver([ResolvedRecipient(address: elsewhere, route: .outbound)]))
  }

  @Test("the route to mail servers of other domains, with floors by domain, the closest rule first")
  func exchangers() throws {
    let file = try parse(
      configuration(
        """
        outbound:
          route: mx
          tls:
            floor: opportunistic
            domains: {example.net: verified, .example.net: encrypt, .b.example.net: verified}
          mx:
            own_names: [mx.example.com, mx2.example.com]
            host_connections: 3
            host_per_minute: 60
            port: 2525
            domains: {big.example: {deliveries: 5, per_minute: 300}, .small.example: {per_minute: 6}}
            hosts: {.mx.big.example: {connections: 2}}
        """, without: "outbound"))
    let outbound = file.configuration.outbound
    #expect(file.warnings == [] && outbound.route == .exchangers)
    #expect(outbound.exchangers.ownNames.map(\.description) == ["mx.example.com", "mx2.example.com"])
    #expect(outbound.exchangers.port == 2525)
    var perDomain = TrafficLimit()
    perDomain.rules.set(TrafficLimit.Rule(atOnce: 5, perMinute: 300), for: try DomainName("big.example"))
    perDomain.rules.set(TrafficLimit.Rule(perMinute: 6), for: try DomainName("small.example"), below: true)
    var perHost = TrafficLimit(atOnce: 3, perMinute: 60)
    perHost.rules.set(TrafficLimit.Rule(atOnce: 2), for: try DomainName("mx.big.example"), below: true)
    #expect(outbound.exchangers.perDomain == perDomain && outbound.exchangers.perHost == perHost)
    let floors = ["example.net", "a.example.net", "a.b.example.net", "b.example.net", "notexample.net"].map {
      outbound.rules.floor(for: .name(try! DomainName($0))).floor
    }
    #expect(floors == [.verified, .encrypt, .verified, .encrypt, .opportunistic])
  }

  @Test("a finding is written with file, line and column, and its remedy below")
  func rendering() {
    #expect(
      findings(configuration("lgo: 1")).map(\.description) == [
        "m.yaml:\(firstLine):1: error: lgo: there is no such key\n  did you mean 'log'?"
      ])
  }

  @Test("a file is read from its folder, and one that can't be read is a fault")
  func files() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-\(UInt64.random(in: 0 ... .max))")
      .path()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Data(configuration().utf8).write(to: URL(filePath: "\(folder)/m.yaml"))
    let file = try ConfigurationFile.load(path: "\(folder)/m.yaml")
    #expect(file.configuration.certificates.first?.chain == "\(folder)/c.pem")
    #expect(file.position(of: "tls.certificates[0].chain") == FilePosition(line: 7, column: 7))

    #expect(throws: ConfigurationFaults.self) { try ConfigurationFile.load(path: "\(folder)/none.yaml") }
    #expect(throws: ConfigurationFaults.self) { try ConfigurationFile.load(path: folder) }
    try Data([0x61, 0x0a, 0x62, 0xff, 0x63]).write(to: URL(filePath: "\(folder)/m.yaml"))
    do {
      _ = try ConfigurationFile.load(path: "\(folder)/m.yaml")
      Issue.record("it was read")
    } catch {
      #expect(error.description == "\(folder)/m.yaml:2:2: error: the file is not UTF-8\n  save it as UTF-8")
    }
  }

  @Test("an empty file names all that it must have")
  func empty() {
    let texts = findings("").map(\.text)
    #expect(texts.contains("hostname is missing"))
    #expect(texts.contains("data is missing"))
    #expect(texts.contains("listen: there is no listener"))
  }
}
