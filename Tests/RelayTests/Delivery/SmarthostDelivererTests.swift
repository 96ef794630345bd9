import MailQueue
import MailSyntax
import Relay
import SMTPGrammar
import SMTPSessions
import Testing
import TransportSecurity

@Suite("A smarthost", .timeLimit(.minutes(5)))
struct SmarthostDelivererTests {
  private func deliverer(
    _ server: ScriptedServer, _ tls: SmarthostDeliverer.TLSMode = .startTLS,
    _ credentials: SmarthostDeliverer.Credentials? = nil, pool: PoolLimits = PoolLimits()
  ) throws -> SmarthostDeliverer {
    var settings = SmarthostDeliverer.Settings(
      host: try DomainName("Smart.example"), port: 587, tls: tls, credentials: credentials,
      egress: Egress(name: .name(try DomainName("client.example"))))
    settings.pool = pool
    return SmarthostDeliverer(settings, dialer: server, random: CountingRandom())
  }

  @Test("a message goes by STARTTLS, AUTH and DATA, the queue's fields in front of the body")
  func startTLS() async throws {
    let server = ScriptedServer { _, line in ScriptedServer.agreeable(line, ehlo: ["STARTTLS", "AUTH PLAIN"]) }
    let smarthost = try deliverer(server, .startTLS, .password(user: "alice", Secret("wonderland")))
    let result = await smarthost.deliver(try DeliveryFixture(recipients: ["bob@far.example", "c@far.example"]).job())
    #expect(describe(result) == ["3 delivered", "4 delivered"])
    #expect(result.place.host == "Smart.example (192.0.2.1)")
    #expect(result.place.tls?.version == .v1_3)
    let connection = server.connections[0]
    #expect(connection.tls == .client(hostName: "smart.example", demand: .verified))
    #expect(
      connection.lines == [
        "EHLO client.example", "STARTTLS", "EHLO client.example", "AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=",
        "MAIL FROM:<alice@client.example> AUTH=<>", "RCPT TO:<bob@far.example>", "RCPT TO:<c@far.example>", "DATA",
      ])
    #expect(connection.messages == ["Received: here\r\n\r\nhi\r\n"])
  }

  /// The strictest of what a policy of the smarthost's domain could ask: so none is looked for, its own or its users'.
  @Test(
    "STS-022: a smarthost proves its own name by a trusted certificate, whoever the mail is for, and without that hears no envelope",
    arguments: [SmarthostDeliverer.TLSMode.startTLS, .implicit])
  func provesItself(mode: SmarthostDeliverer.TLSMode) async throws {
    let server = ScriptedServer { _, line in
      ScriptedServer.agreeable(line, ehlo: mode == .startTLS ? ["STARTTLS"] : [])
    }
    let recipients = ["bob@far.example", "c@elsewhere.example"]
    #expect(
      describe(try await deliverer(server, mode).deliver(try DeliveryFixture(recipients: recipients).job()))
        == ["3 delivered", "4 delivered"])
    #expect(server.connections.map(\.tls) == [.client(hostName: "smart.example", demand: .verified)])
    if mode == .startTLS {
      let stripped = ScriptedServer { _, line in ScriptedServer.agreeable(line, ehlo: []) }
      let result = describe(try await deliverer(stripped, mode).deliver(try DeliveryFixture().job()))
      #expect(!result.contains { $0.hasSuffix("delivered") }, "\(result)")
      #expect(stripped.connections.flatMap(\.lines).allSatisfy { !$0.hasPrefix("MAIL") })
    }
  }

  @Test("AUTH-018: mail goes as AUTH=<> to a server that has authenticated us, and without it to any other")
  func authParameter() async throws {
    for (offer, isKnown) in [(["AUTH PLAIN"], true), (["AUTH PLAIN"], false), ([], false)] {
      let server = ScriptedServer { _, line in ScriptedServer.agreeable(line, ehlo: offer) }
      let credentials = SmarthostDeliverer.Credentials.password(user: "alice", Secret("wonderland"))
      let smarthost = try deliverer(server, .implicit, isKnown ? credentials : nil)
      #expect(describe(await smarthost.deliver(try DeliveryFixture().job())) == ["3 delivered"])
      let mail = server.connections[0].lines.first { $0.hasPrefix("MAIL") }
      #expect(mail == "MAIL FROM:<alice@client.example>\(isKnown ? " AUTH=<>" : "")")
    }
  }

  @Test("a server that offers AUTH and refuses AUTH= gets the mail without it, once")
  func authParameterRefused() async throws {
    for (refusal, messages) in [("555 5.5.4 unknown parameter", 1), ("501 syntax", 1), ("550 5.7.1 no", 0)] {
      let server = ScriptedServer { _, line in
        if line.hasPrefix("MAIL"), line.hasSuffix("AUTH=<>") { return .say("\(refusal)\r\n") }
        return ScriptedServer.agreeable(line, ehlo: ["AUTH PLAIN"])
      }
      let smarthost = try deliverer(server, .implicit, .password(user: "alice", Secret("wonderland")))
      let result = await smarthost.deliver(try DeliveryFixture().job())
      #expect(describe(result).allSatisfy { $0.hasSuffix("delivered") } == (messages == 1))
      #expect(server.connections.map(\.messages.count) == [messages])
      #expect(server.connections[0].lines.count { $0.hasPrefix("MAIL") } == 1 + messages)
    }
  }

  @Test("8BIT-001: eight bits arrive as they were where they are offered a way, and go nowhere else")
  func eightBit() async throws {
    for isOffered in [true, false] {
      let server = ScriptedServer { _, line in ScriptedServer.agreeable(line, ehlo: isOffered ? ["8BITMIME"] : []) }
      let job = try DeliveryFixture(body: ["\r\ngr\u{fc}n \u{20ac}\r\n"], bodyType: .eightBitMIME).job()
      let result = try await deliverer(server, .implicit).deliver(job)
      #expect(describe(result) == [isOffered ? "3 delivered" : "3 mail unsupported 5.6.3"])
      let mail = server.connections[0].lines.first { $0.hasPrefix("MAIL") }
      #expect(mail == (isOffered ? "MAIL FROM:<alice@client.example> BODY=8BITMIME" : nil))
      #expect(server.connections[0].messages == (isOffered ? ["Received: here\r\n\r\ngr\u{fc}n \u{20ac}\r\n"] : []))
    }
  }

  @Test(
    "DSN-004, DSN-005: what the sender asked for is passed on where DSN is offered, its case too, and nowhere else",
    arguments: [true, false])
  func reportsPassedOn(isOffered: Bool) async throws {
    let server = ScriptedServer { _, line in ScriptedServer.agreeable(line, ehlo: isOffered ? ["DSN"] : []) }
    let asked = DeliveryFixture(
      envelopeID: "QQ31+4=xY", reportContent: .headers, notify: [.success, .delay],
      originalRecipient: OriginalRecipient(addressType: "RFC822", address: "Bob+List@Far.Example"))
    let silent = DeliveryFixture()
    let smarthost = try deliverer(server, .implicit)
    let result = await smarthost.deliver(try asked.job())
    #expect(result.outcomes.map(\.outcome) == [.delivered("250 2.0.0 queued", reportsPassedOn: isOffered)])
    _ = await smarthost.deliver(try silent.job())
    let said = server.connections.flatMap(\.lines).filter { $0.hasPrefix("MAIL") || $0.hasPrefix("RCPT") }
    #expect(
      said == [
        "MAIL FROM:<alice@client.example>" + (isOffered ? " RET=HDRS ENVID=QQ31+2B4+3DxY" : ""),
        "RCPT TO:<bob@far.example>"
          + (isOffered ? " NOTIFY=SUCCESS,DELAY ORCPT=RFC822;Bob+2BList@Far.Example" : ""),
        // Nothing is made up for a sender who asked for nothing.
        "MAIL FROM:<alice@client.example>", "RCPT TO:<bob@far.example>",
      ])
  }

  @Test("RTLS-002, RTLS-006: a smarthost that offers REQUIRETLS is asked for it, and one that doesn't gets nothing")
  func requireTLS() async throws {
    for isOffered in [true, false] {
      let server = ScriptedServer { _, line in ScriptedServer.agreeable(line, ehlo: isOffered ? ["REQUIRETLS"] : []) }
      let result = try await deliverer(server, .implicit).deliver(try DeliveryFixture(tlsWish: .required).job())
      #expect(describe(result) == [isOffered ? "3 delivered" : "3 mail unsupported 5.7.30"])
      let mail = server.connections[0].lines.first { $0.hasPrefix("MAIL") }
      #expect(mail == (isOffered ? "MAIL FROM:<alice@client.example> REQUIRETLS" : nil))
    }
  }

  @Test("RTLS-009: a report about such mail goes to a smarthost that lacks REQUIRETLS, without it")
  func reportWithoutRequireTLS() async throws {
    for isOffered in [true, false] {
      let server = ScriptedServer { _, line in ScriptedServer.agreeable(line, ehlo: isOffered ? ["REQUIRETLS"] : []) }
      let job = try DeliveryFixture(tlsWish: .required, hasSender: false).job()
      #expect(describe(try await deliverer(server, .implicit).deliver(job)) == ["3 delivered"])
      let mail = server.connections[0].lines.first { $0.hasPrefix("MAIL") }
      #expect(mail == "MAIL FROM:<>\(isOffered ? " REQUIRETLS" : "")")
    }
  }

  @Test("UTF8-004: a name of ours outside ASCII is never said in EHLO; as A-label it is")
  func internationalName() async throws {
    for (name, said) in [("m\u{e4}il.example", nil), ("xn--mil-pla.example", "EHLO xn--mil-pla.example")] {
      let server = ScriptedServer { _, line in ScriptedServer.agreeable(line) }
      let smarthost = SmarthostDeliverer(
        SmarthostDeliverer.Settings(
          host: try DomainName("smart.example"), port: 465, tls: .implicit, credentials: nil,
          egress: Egress(name: .name(try DomainName(name)))), dialer: server, random: CountingRandom())
      let result = await smarthost.deliver(try DeliveryFixture().job())
      #expect(describe(result) == [said == nil ? "3 greeting local" : "3 delivered"])
      #expect(server.connections[0].lines.first { $0.hasPrefix("EHLO") } == said)
      #expect(server.connections[0].lines.allSatisfy { $0.utf8.allSatisfy { $0 < 0x80 } })
    }
  }

  @Test("what a server refuses behind the handshake is recorded with its address and its TLS")
  func refusedBehindTheHandshake() async throws {
    let server = ScriptedServer { _, line in
      if line.hasPrefix("AUTH") { return .say("535 5.7.8 no\r\n") }
      return ScriptedServer.agreeable(line, ehlo: ["STARTTLS", "AUTH PLAIN"])
    }
    let smarthost = try deliverer(server, .startTLS, .password(user: "alice", Secret("wonderland")))
    let result = await smarthost.deliver(try DeliveryFixture().job())
    #expect(describe(result) == ["3 auth reply 535"])
    #expect(result.place.tls?.version == .v1_3)
    #expect(result.place.host == "Smart.example (192.0.2.1)")
  }

  @Test("implicit TLS begins with the handshake")
  func implicit() async throws {
    let server = ScriptedServer { _, line in ScriptedServer.agreeable(line) }
    let result = try await deliverer(server, .implicit).deliver(try DeliveryFixture().job())
    #expect(describe(result) == ["3 delivered"])
    #expect(server.connections[0].lines.first == "EHLO client.example")
    #expect(server.connections[0].tls != nil)
  }

  @Test("a server that doesn't offer STARTTLS gets neither password nor message")
  func stripped() async throws {
    let server = ScriptedServer { _, line in ScriptedServer.agreeable(line, ehlo: ["AUTH PLAIN"]) }
    let smarthost = try deliverer(server, .startTLS, .password(user: "alice", Secret("wonderland")))
    #expect(describe(await smarthost.deliver(try DeliveryFixture().job())) == ["3 starttls security"])
    #expect(server.connections[0].lines.allSatisfy { $0.hasPrefix("EHLO") || $0 == "QUIT" })
  }

  @Test("a certificate that proves nothing ends it at the handshake")
  func unverified() async throws {
    let server = ScriptedServer(verified: false) { _, line in ScriptedServer.agreeable(line, ehlo: ["STARTTLS"]) }
    let smarthost = try deliverer(server, .startTLS, .password(user: "alice", Secret("wonderland")))
    #expect(describe(await smarthost.deliver(try DeliveryFixture().job())) == ["3 handshake security"])
    #expect(server.connections[0].lines == ["EHLO client.example", "STARTTLS"])
  }

  @Test("a connection is used again, and left after its last transaction")
  func reuse() async throws {
    let server = ScriptedServer { _, line in ScriptedServer.agreeable(line) }
    let smarthost = try deliverer(server, .implicit, pool: PoolLimits(maximumTransactions: 2))
    for _ in 0..<3 { #expect(describe(await smarthost.deliver(try DeliveryFixture().job())) == ["3 delivered"]) }
    #expect(server.connections.map(\.messages.count) == [2, 1])
    await smarthost.close()
    await server.allEnd()
    #expect(server.connections.allSatisfy { $0.lines.last == "QUIT" })
  }

  @Test("a connection that died while it was idle isn't used again")
  func stale() async throws {
    let server = ScriptedServer { _, line in ScriptedServer.agreeable(line) }
    let smarthost = try deliverer(server, .implicit)
    #expect(describe(await smarthost.deliver(try DeliveryFixture().job())) == ["3 delivered"])
    server.drop(0)
    #expect(describe(await smarthost.deliver(try DeliveryFixture().job())) == ["3 delivered"])
    #expect(server.connections.map(\.messages.count) == [1, 1])
  }

  @Test(
    "a reused connection that dies before MAIL is answered costs nothing but a new one",
    arguments: ["421 4.4.2 idle\r\n", ""])
  func crossing(farewell: String) async throws {
    let mails = Counter()
    let server = ScriptedServer { _, line in
      guard line.hasPrefix("MAIL"), mails.next() == 2 else {
        return ScriptedServer.agreeable(line)
      }
      return farewell.isEmpty ? .close : .say(farewell)
    }
    let smarthost = try deliverer(server, .implicit)
    for _ in 0..<2 { #expect(describe(await smarthost.deliver(try DeliveryFixture().job())) == ["3 delivered"]) }
    #expect(server.connections.map(\.messages.count) == [1, 1])
  }

  @Test("a fresh connection that dies at MAIL is a fault, and isn't tried again")
  func freshDeath() async throws {
    let server = ScriptedServer { _, line in line.hasPrefix("MAIL") ? .close : ScriptedServer.agreeable(line) }
    let result = try await deliverer(server, .implicit).deliver(try DeliveryFixture().job())
    #expect(describe(result) == ["3 mail transport"])
    #expect(server.connections.count == 1)
  }

  @Test("a connection lost behind the final dot is not tried again: that would make a second copy")
  func lostBehindTheDot() async throws {
    let dots = Counter()
    let server = ScriptedServer { _, line in
      line == "." && dots.next() == 2 ? .close : ScriptedServer.agreeable(line)
    }
    let smarthost = try deliverer(server, .implicit)
    #expect(describe(await smarthost.deliver(try DeliveryFixture().job())) == ["3 delivered"])
    #expect(describe(await smarthost.deliver(try DeliveryFixture().job())) == ["3 final-reply transport"])
    #expect(server.connections.count == 1)
  }

  @Test("SMTP-035, LIM-001: more than a hundred recipients go in several transactions, fewer where the server says so")
  func manyRecipients() async throws {
    for (ehlo, expected) in [(["PIPELINING"], [100, 100, 1]), (["PIPELINING", "LIMITS RCPTMAX=90"], [90, 90, 21])] {
      let server = ScriptedServer { _, line in ScriptedServer.agreeable(line, ehlo: ehlo) }
      let fixture = DeliveryFixture(recipients: (0..<201).map { "user\($0)@far.example" })
      let result = try await deliverer(server, .implicit).deliver(try fixture.job())
      #expect(result.outcomes.map(\.number) == Array(3..<204))
      #expect(describe(result).allSatisfy { $0.hasSuffix("delivered") })
      let counts = server.connections[0].lines.split { $0 == "DATA" }
        .map { $0.count { $0.hasPrefix("RCPT") } }
      #expect(counts == expected)
    }
  }

  @Test("a body that can't be read is our own fault, and the server gets no final dot")
  func unreadableBody() async throws {
    let server = ScriptedServer { _, line in ScriptedServer.agreeable(line) }
    let fixture = DeliveryFixture(fault: .stopped(reason: "fsync failed"))
    let result = try await deliverer(server, .implicit).deliver(try fixture.job())
    #expect(describe(result) == ["3 content local"])
    #expect(server.connections[0].messages.isEmpty)
  }

  @Test("no token, no connection; a token goes out by XOAUTH2")
  func tokens() async throws {
    struct Source: AccessTokenSource {
      let result: Result<Secret, AccessTokenFault>
      func token() async throws(AccessTokenFault) -> Secret { try result.get() }
    }
    let server = ScriptedServer { _, line in ScriptedServer.agreeable(line, ehlo: ["AUTH XOAUTH2"]) }
    let bad = try deliverer(server, .implicit, .token(user: "alice", Source(result: .failure(.init("exit 1")))))
    #expect(describe(await bad.deliver(try DeliveryFixture().job())) == ["3 auth local"])
    #expect(server.connections.isEmpty)
    let good = try deliverer(server, .implicit, .token(user: "alice", Source(result: .success(Secret("tok")))))
    #expect(describe(await good.deliver(try DeliveryFixture().job())) == ["3 delivered"])
    #expect(server.connections[0].lines.contains { $0.hasPrefix("AUTH XOAUTH2 ") })
  }

  @Test("no more connections than the limit, and every job has its turn")
  func bounded() async throws {
    let server = ScriptedServer { _, line in ScriptedServer.agreeable(line) }
    let smarthost = try deliverer(server, .implicit, pool: PoolLimits(maximumConnections: 2))
    await withTaskGroup { group in
      for _ in 0..<20 { group.addTask { describe(await smarthost.deliver(try! DeliveryFixture().job())) } }
      for await result in group { #expect(result == ["3 delivered"]) }
    }
    #expect(server.connections.count <= 2)
    #expect(server.connections.reduce(0) { $0 + $1.messages.count } == 20)
  }

  @Test("a cancelled job that waits for its turn ends, and takes nobody's turn")
  func cancelledWaiting() async throws {
    let server = ScriptedServer { _, line in
      ["MAIL", "RCPT", "DATA"].contains(line.prefix(4)) ? .nothing : ScriptedServer.agreeable(line)
    }
    let smarthost = try deliverer(server, .implicit, pool: PoolLimits(maximumConnections: 1))
    let results = await withTaskGroup(of: [String].self) { group in
      for _ in 0..<3 { group.addTask { describe(await smarthost.deliver(try! DeliveryFixture().job())) } }
      while server.connections.first?.lines.last?.hasPrefix("DATA") != true { await Task.yield() }
      group.cancelAll()
      return await group.reduce(into: []) { $0 += $1 }
    }
    #expect(results.sorted() == ["3 connect transport", "3 connect transport", "3 mail transport"])
    #expect(server.connections.count == 1)
  }
}
