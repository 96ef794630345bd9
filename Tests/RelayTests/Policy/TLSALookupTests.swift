import DNSRecords
import MailSyntax
import Relay
import Synchronization
import Testing
import TransportSecurity

/// Writes down what a zone is asked, in order.
private final class AskedZone: Resolver {
  let zone: ZoneResolver
  private let questions = Mutex<[String]>([])
  var asked: [String] { questions.withLock { $0 } }

  init(_ zone: ZoneResolver) { self.zone = zone }
  private func note(_ question: String) { questions.withLock { $0.append(question) } }

  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> {
    note("MX \(name)")
    return await zone.mailExchangers(of: name)
  }
  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    note("address \(name)")
    return await zone.addresses(of: name, family: family)
  }
  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> { await zone.texts(of: name) }
  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> {
    note("TLSA \(name)")
    return await zone.tlsaRecords(of: name)
  }
  func names(of address: IPAddress) async -> DNSAnswer<DomainName> { await zone.names(of: address) }
  func alias(of name: DomainName) async -> DNSAnswer<DomainName> {
    note("CNAME \(name)")
    return await zone.alias(of: name)
  }
}

@Suite("Looking TLSA records up")
struct TLSALookupTests {
  private let host = constantName("mx.example.test")
  private let end = constantName("real.example.net")
  private let record = TLSARecord(
    usage: 3, selector: 1, matchingType: 1, association: Array(repeating: 1, count: 32))

  private func set<Record>(_ record: Record, at name: DomainName, _ security: DNSSECState) -> DNSAnswer<Record> {
    .records(
      DNSRecordSet(records: [record], canonicalName: name, security: security, timeToLive: .seconds(60)))
  }

  private func find(_ change: (inout ZoneResolver) -> Void, port: UInt16 = 25) async -> (TLSAEvidence, [String]) {
    var zone = ZoneResolver()
    change(&zone)
    let resolver = AskedZone(zone)
    let evidence = await TLSALookup(resolver).evidence(for: host, port: port)
    return (evidence, resolver.asked)
  }

  private func service(_ base: DomainName, port: UInt16 = 25) -> DomainName { constantName("_\(port)._tcp.\(base)") }

  @Test("DANE-008, DANE-009: the addresses are asked for first, then TLSA at the port that will be used")
  func order() async {
    let (evidence, asked) = await find(
      {
        $0.add(host, at: [.v4(1)], security: .secure)
        $0.set(set(record, at: service(host, port: 2525), .secure), for: service(host, port: 2525))
      }, port: 2525)
    #expect(evidence == .published(TLSASet(base: host, records: [record])))
    #expect(asked == ["address mx.example.test", "address mx.example.test", "TLSA _2525._tcp.mx.example.test"])
  }

  @Test("DANE-008: of a host whose addresses aren't proven no TLSA records are asked for")
  func insecureAddress() async {
    let (evidence, asked) = await find {
      $0.add(host, at: [.v4(1)])
      $0.set(set(record, at: service(host), .secure), for: service(host))
    }
    #expect(evidence == .notSought(reason: "its addresses aren't proven by DNSSEC"))
    #expect(asked == ["address mx.example.test", "address mx.example.test"])
  }

  @Test("DANE-011: without TLSA records, and with records that aren't proven, there are none")
  func absent() async {
    for answer in [
      DNSAnswer<TLSARecord>.none(.secure), .noSuchName(.secure), .noSuchName(.insecure),
      set(record, at: service(host), .insecure),
    ] {
      let (evidence, _) = await find {
        $0.add(host, at: [.v4(1)], security: .secure)
        $0.set(answer, for: service(host))
      }
      #expect(evidence == .absent)
    }
  }

  @Test("DANE-004: TLSA records that nobody can give, or nobody may be believed about, fail and are never absent")
  func failure() async {
    for answer in [DNSAnswer<TLSARecord>.failed(reason: "SERVFAIL"), .bogus(reason: "SERVFAIL")] {
      let (evidence, _) = await find {
        $0.add(host, at: [.v4(1)], security: .secure)
        $0.set(answer, for: service(host))
      }
      #expect(evidence == .failed(reason: "_25._tcp.mx.example.test: SERVFAIL"))
    }
  }

  /// The chain goes over `between.example.org`, which has records of its own that nobody may heed.
  private func chain(_ zone: inout ZoneResolver, _ security: DNSSECState, firstStep: DNSSECState = .secure) {
    let between = constantName("between.example.org")
    for family in AddressFamily.allCases { zone.set(set(.v4(1), at: end, security), for: host, family: family) }
    zone.set(set(between, at: host, firstStep), for: host)
    zone.set(set(record, at: service(between), .secure), for: service(between))
  }

  @Test("DANE-010: of a proven chain the end is asked, then the host; a failure at the end is not mended by the host")
  func securedChain() async {
    let first = "TLSA _25._tcp.real.example.net"
    let second = "TLSA _25._tcp.mx.example.test"
    let none: DNSAnswer<TLSARecord> = .noSuchName(.secure)
    let table: [(end: DNSAnswer<TLSARecord>, host: DNSAnswer<TLSARecord>, TLSAEvidence, [String])] = [
      (
        set(record, at: end, .secure), set(record, at: host, .secure),
        .published(TLSASet(base: end, records: [record])), [first]
      ),
      (none, set(record, at: host, .secure), .published(TLSASet(base: host, records: [record])), [first, second]),
      (
        set(record, at: end, .insecure), set(record, at: host, .secure),
        .published(TLSASet(base: host, records: [record])), [first, second]
      ),
      (none, none, .absent, [first, second]),
      (
        .failed(reason: "timeout"), set(record, at: host, .secure),
        .failed(reason: "_25._tcp.real.example.net: timeout"), [first]
      ),
    ]
    for row in table {
      let (evidence, asked) = await find {
        chain(&$0, .secure)
        $0.set(row.end, for: service(end))
        $0.set(row.host, for: service(host))
      }
      #expect(evidence == row.2)
      #expect(Array(asked.dropFirst(2)) == row.3)
    }
  }

  @Test("DANE-005, DANE-010: of a chain that is proven at its first step alone the host has the records, its end never")
  func partlySecuredChain() async {
    for firstStep in [DNSSECState.secure, .insecure] {
      let (evidence, asked) = await find {
        chain(&$0, .insecure, firstStep: firstStep)
        $0.set(set(record, at: service(end), .secure), for: service(end))
        $0.set(set(record, at: service(host), .secure), for: service(host))
      }
      switch firstStep {
      case .secure:
        #expect(evidence == .published(TLSASet(base: host, records: [record])))
        #expect(asked.dropFirst(2) == ["CNAME mx.example.test", "TLSA _25._tcp.mx.example.test"])
      case .insecure:
        #expect(evidence == .notSought(reason: "neither its addresses nor its alias are proven by DNSSEC"))
        #expect(asked.dropFirst(2) == ["CNAME mx.example.test"])
      }
    }
  }

  @Test("address answers that are at hand are not asked for again")
  func atHand() async {
    let resolver = AskedZone(ZoneResolver())
    let evidence = await TLSALookup(resolver).evidence(
      for: host, port: 25, addresses: [set(.v4(1), at: host, .secure)])
    #expect(evidence == .absent)
    #expect(resolver.asked == ["TLSA _25._tcp.mx.example.test"])
  }

  @Test("a host whose name leaves no room for the service's labels has no TLSA records")
  func longName() async throws {
    let long = try DomainName(String(repeating: "a.", count: 123) + "test")
    let resolver = AskedZone(ZoneResolver())
    let evidence = await TLSALookup(resolver).evidence(
      for: long, port: 25, addresses: [set(.v4(1), at: long, .secure)])
    #expect(evidence == .absent)
    #expect(resolver.asked == [])
  }
}
