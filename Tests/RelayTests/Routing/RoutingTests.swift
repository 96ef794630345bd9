import MailQueue
import MailSyntax
import Relay
import SMTPGrammar
import Testing

@Suite("Routing")
struct RoutingTests {
  static let local = RouteKey(rawValue: "domain/example.com")
  static let shop = RouteKey(rawValue: "domain/shop.example")
  static let outbound = RouteKey(rawValue: "outbound")

  static func mailbox(_ text: String) throws -> Mailbox { try Mailbox(text) }
  static func resolved(_ text: String, _ route: RouteKey = local) throws -> ResolvedRecipient {
    ResolvedRecipient(address: try Mailbox(text), route: route)
  }

  static func example(
    recipients: [LocalDomain.Recipient] = [.init("Anna"), .init("bob", delivery: RouteKey(rawValue: "lmtp"))],
    aliases: [LocalDomain.Alias] = [], catchAll: String? = nil, postmaster: String = "anna@example.com",
    abuse: String? = nil, delimiter: Character? = "+"
  ) throws -> LocalDomain {
    LocalDomain(
      name: try DomainName("example.com"), recipients: recipients, aliases: aliases,
      catchAll: try catchAll.map { try Mailbox($0) }, delivery: local, postmaster: try Mailbox(postmaster),
      abuse: try abuse.map { try Mailbox($0) }, recipientDelimiter: delimiter)
  }

  static func routing(_ domains: LocalDomain..., outbound: Routing.Outbound? = .route(outbound)) throws -> Routing {
    try Routing(domains: domains, outbound: outbound)
  }

  @Test("a recipient of ours is found without ASCII case and delivered under its configured name")
  func ownRecipient() throws {
    let routing = try Self.routing(try Self.example())
    #expect(
      routing.route(try Self.mailbox("ANNA@Example.COM"), reach: .ownDomains)
        == .deliver([
          try Self.resolved("Anna@example.com")
        ]))
    #expect(
      routing.route(try Self.mailbox("bob@example.com"), reach: .ownDomains)
        == .deliver([
          try Self.resolved("bob@example.com", RouteKey(rawValue: "lmtp"))
        ]))
  }

  @Test("letters outside ASCII are matched in their own case")
  func internationalLocalPart() throws {
    let routing = try Self.routing(try Self.example(recipients: [.init("anna"), .init("jörg")]))
    #expect(
      routing.route(try Self.mailbox("jörg@example.com"), reach: .ownDomains)
        == .deliver([
          try Self.resolved("jörg@example.com")
        ]))
    #expect(routing.route(try Self.mailbox("JÖRG@example.com"), reach: .ownDomains) == .unknownUser)
  }

  @Test("a stranger to our domain is refused in the session (DSN-017)")
  func unknownUser() throws {
    let routing = try Self.routing(try Self.example())
    for reach in [RoutingReach.ownDomains, .anywhere] {
      let answer = routing.route(try Self.mailbox("nobody@example.com"), reach: reach)
      #expect(answer == .unknownUser)
      #expect(answer.refusal?.description == "550 5.1.1 no such user here")
    }
  }

  @Test("another server may not relay through us; a user may (SMTP-053)")
  func relaying() throws {
    let routing = try Self.routing(try Self.example())
    let foreign = try Self.mailbox("x@elsewhere.example")
    #expect(routing.route(foreign, reach: .ownDomains) == .notOurs)
    #expect(routing.route(foreign, reach: .ownDomains).refusal?.code.rawValue == 550)
    #expect(
      routing.route(foreign, reach: .anywhere) == .deliver([ResolvedRecipient(address: foreign, route: Self.outbound)]))
    let literal = try Self.mailbox("x@[192.0.2.1]")
    #expect(routing.route(literal, reach: .ownDomains) == .notOurs)
    let inward = try Self.routing(try Self.example(), outbound: nil)
    #expect(inward.route(foreign, reach: .anywhere) == .noRoute)
    #expect(inward.route(foreign, reach: .anywhere).refusal?.description.hasPrefix("550 5.4.4") == true)
  }

  @Test("mail to exchangers has a route for each destination, that of an alias too")
  func exchangers() throws {
    let domain = try Self.example(aliases: [
      .init("all", targets: [try Self.mailbox("a@One.example"), try Self.mailbox("b@[192.0.2.1]")])
    ])
    let routing = try Self.routing(domain, outbound: .exchangers)
    let key = { RouteKey(rawValue: $0) }
    #expect(
      routing.route(try Self.mailbox("x@TWO.example"), reach: .anywhere)
        == .deliver([try Self.resolved("x@TWO.example", key("mx/two.example"))]))
    #expect(routing.route(try Self.mailbox("x@two.example"), reach: .ownDomains) == .notOurs)
    #expect(
      routing.route(try Self.mailbox("all@example.com"), reach: .ownDomains)
        == .deliver([
          try Self.resolved("a@One.example", key("mx/one.example")),
          try Self.resolved("b@[192.0.2.1]", key("mx/[192.0.2.1]")),
        ]))
  }

  @Test("what goes elsewhere keeps the case of its local part (SMTP-004)")
  func foreignCase() throws {
    let mailbox = try Self.mailbox("MiXed@Elsewhere.Example")
    guard case .deliver(let recipients) = try Self.routing(try Self.example()).route(mailbox, reach: .anywhere) else {
      Issue.record("no route")
      return
    }
    #expect(recipients.map(\.address.description) == ["MiXed@Elsewhere.Example"])
  }

  @Test(
    "postmaster is there at every domain in any case, and without a domain (SMTP-017)",
    arguments: ["PostMaster", "postmaster", "POSTMASTER"])
  func postmaster(name: String) throws {
    let shop = LocalDomain(
      name: try DomainName("shop.example"), recipients: [.init("carl")], delivery: Self.shop,
      postmaster: try Mailbox("anna@example.com"))
    let routing = try Self.routing(try Self.example(), shop)
    for domain in ["example.com", "shop.example"] {
      #expect(
        routing.route(try Self.mailbox("\(name)@\(domain)"), reach: .ownDomains)
          == .deliver([
            try Self.resolved("Anna@example.com")
          ]))
    }
    #expect(routing.route(.postmaster, reach: .ownDomains) == .deliver([try Self.resolved("Anna@example.com")]))
    #expect(routing.primaryPostmaster == [try Self.resolved("Anna@example.com")])
  }

  @Test("abuse goes to the postmaster unless somebody else is named")
  func abuse() throws {
    #expect(
      try Self.routing(try Self.example()).route(try Self.mailbox("abuse@example.com"), reach: .ownDomains)
        == .deliver([try Self.resolved("Anna@example.com")]))
    #expect(
      try Self.routing(try Self.example(abuse: "desk@elsewhere.example"))
        .route(try Self.mailbox("Abuse@example.com"), reach: .ownDomains)
        == .deliver([try Self.resolved("desk@elsewhere.example", Self.outbound)]))
  }

  @Test("an alias leads to all its ends, here and elsewhere, each once (SMTP-052)")
  func aliases() throws {
    let routing = try Self.routing(
      try Self.example(aliases: [
        .init("Team", targets: [try Mailbox("leads@example.com"), try Mailbox("x@elsewhere.example")]),
        .init("leads", targets: [try Mailbox("ANNA@example.com"), try Mailbox("bob+work@example.com")]),
        .init("all", targets: [try Mailbox("team@example.com"), try Mailbox("leads@example.com")]),
      ]))
    let expected = RoutingAnswer.deliver([
      try Self.resolved("Anna@example.com"), try Self.resolved("bob+work@example.com", RouteKey(rawValue: "lmtp")),
      try Self.resolved("x@elsewhere.example", Self.outbound),
    ])
    #expect(routing.route(try Self.mailbox("team@example.com"), reach: .ownDomains) == expected)
    #expect(routing.route(try Self.mailbox("all@example.com"), reach: .ownDomains) == expected)
  }

  @Test("an alias that names itself keeps a copy in the recipient of that name")
  func aliasWithCopy() throws {
    let routing = try Self.routing(
      try Self.example(aliases: [
        .init("anna", targets: [try Mailbox("anna@example.com"), try Mailbox("bob@example.com")])
      ]))
    #expect(
      routing.route(try Self.mailbox("Anna@example.com"), reach: .ownDomains)
        == .deliver([
          try Self.resolved("Anna@example.com"), try Self.resolved("bob@example.com", RouteKey(rawValue: "lmtp")),
        ]))
  }

  @Test("a tag behind the delimiter reaches the person and is kept")
  func subaddress() throws {
    let routing = try Self.routing(
      try Self.example(aliases: [.init("team", targets: [try Mailbox("anna@example.com")])]))
    #expect(
      routing.route(try Self.mailbox("aNNa+News+2@example.com"), reach: .ownDomains)
        == .deliver([
          try Self.resolved("Anna+News+2@example.com")
        ]))
    #expect(
      routing.route(try Self.mailbox("team+x@example.com"), reach: .ownDomains)
        == .deliver([
          try Self.resolved("Anna@example.com")
        ]))
    #expect(
      routing.route(try Self.mailbox("anna+\u{301}x@example.com"), reach: .ownDomains)
        == .deliver([
          try Self.resolved("Anna+\u{301}x@example.com")
        ]))
    #expect(routing.route(try Self.mailbox("+x@example.com"), reach: .ownDomains) == .unknownUser)
    let without = try Self.routing(try Self.example(delimiter: nil))
    #expect(without.route(try Self.mailbox("anna+x@example.com"), reach: .ownDomains) == .unknownUser)
    let dash = try Self.routing(try Self.example(delimiter: "-"))
    #expect(
      dash.route(try Self.mailbox("anna-x@example.com"), reach: .ownDomains)
        == .deliver([
          try Self.resolved("Anna-x@example.com")
        ]))
  }

  @Test("an accented name of ours is known in one piece and in two, and goes by the name as it is configured")
  func accents() throws {
    let target = try Mailbox("x@there.example")
    let routing = try Self.routing(try Self.example(aliases: [.init("jos\u{e9}", targets: [target])]))
    for spelling in ["jos\u{e9}", "jose\u{301}", "JOSe\u{301}"] {
      let path = ForwardPath.mailbox(try Mailbox("\(spelling)@example.com"))
      #expect(routing.alias(path) == (try Mailbox("jos\u{e9}@example.com")))
    }
    #expect(routing.alias(.mailbox(try Mailbox("jose@example.com"))) == nil)
  }

  @Test("a catch-all takes what nobody else takes, and only where it is asked for")
  func catchAll() throws {
    let routing = try Self.routing(try Self.example(catchAll: "bob@example.com"))
    #expect(
      routing.route(try Self.mailbox("whoever@example.com"), reach: .ownDomains)
        == .deliver([
          try Self.resolved("bob@example.com", RouteKey(rawValue: "lmtp"))
        ]))
  }

  @Test("every mistake in the domains is told at once")
  func faults() throws {
    let domain = try Self.example(
      recipients: [.init("anna"), .init("ANNA")],
      aliases: [
        .init("a", targets: [try Mailbox("b@example.com")]), .init("b", targets: [try Mailbox("a@example.com")]),
        .init("gone", targets: [try Mailbox("nobody@example.com")]), .init("none", targets: []),
        .init("out", targets: [try Mailbox("x@elsewhere.example")]),
      ])
    let error = #expect(throws: RoutingFaults.self) {
      try Routing(domains: [domain, domain], outbound: nil)
    }
    let text = error?.description ?? ""
    for part in [
      "the domain example.com is configured twice", "ANNA@example.com is configured twice",
      "leads round in a circle at", "gone@example.com leads to nobody@example.com", "none@example.com names nobody",
      "out@example.com leads to x@elsewhere.example, which is not ours",
    ] {
      #expect(text.contains(part), "\(part) is missing in \(text)")
    }
  }

  @Test("a chain of aliases is bounded, and many ways to one alias cost no more than one")
  func bounds() throws {
    func chain(_ length: Int, width: Int) throws -> LocalDomain {
      var aliases: [LocalDomain.Alias] = []
      for step in 0..<length {
        aliases.append(
          .init(
            "a\(step)",
            targets: Array(
              repeating: try Mailbox(step == length - 1 ? "anna@example.com" : "a\(step + 1)@example.com"),
              count: width)))
      }
      return try Self.example(aliases: aliases)
    }
    _ = try Self.routing(try chain(Routing.maximumAliasDepth, width: 50))
    #expect(throws: RoutingFaults.self) { try Self.routing(try chain(Routing.maximumAliasDepth + 1, width: 1)) }
    let wide = LocalDomain.Alias(
      "wide",
      targets: try (0...Routing.maximumAliasTargets).map { try Mailbox("u\($0)@elsewhere.example") })
    #expect(throws: RoutingFaults.self) { try Self.routing(try Self.example(aliases: [wide])) }
  }
}
