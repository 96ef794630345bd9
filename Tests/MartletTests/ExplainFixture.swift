import DNSRecords
import Diagnosis
import MailSyntax
import Relay
import SMTPGrammar
import SMTPSessions
import TransportSecurity

@testable import martlet

/// A policy that doesn't change.
struct FixedPolicy: STSPolicySource {
  let sts: STSEvidence
  func evidence(for domain: DomainName) async -> STSEvidence { sts }
  func recheck(_ domain: DomainName) async -> STSEvidence { sts }
}

/// One domain as the DNS, its policy and its hosts have it.
struct ExplainCase {
  struct StillClock: MailClock {
    var now: UTCInstant { Sample.now }
    var uptime: Uptime { Uptime(nanoseconds: 0) }
    func sleep(until deadline: Uptime) async {}
  }
  struct Zeroes: RandomSource { func next() -> UInt64 { 0 } }

  static func name(_ text: String) -> DomainName {
    guard let name = try? DomainName(text) else { preconditionFailure(text) }
    return name
  }
  static let domain = name("example.org")
  static let hosts = [name("mx1.example.org"), name("mx2.example.org")]
  static let digest = [UInt8](repeating: 0xab, count: 32)
  static let good = TLSARecord(usage: 3, selector: 1, matchingType: 1, association: digest)

  let name: String
  var zone = ZoneResolver()
  /// Nil where no policies are looked at.
  var sts: STSEvidence? = .absent
  var rules = DestinationRules()
  var wish = TLSWish.unstated
  var domain = MailDomain.name(ExplainCase.domain)
  var visits: [HostVisit?] = []

  init(_ name: String, mx: DNSSECState = .insecure, hosts: DNSSECState = .insecure, count: Int = 1) {
    self.name = name
    zone.add(ExplainCase.domain, exchangers: Array(ExplainCase.hosts.prefix(count)), security: mx)
    for (place, host) in ExplainCase.hosts.prefix(count).enumerated() {
      zone.add(host, at: [.v4(0xc000_0201 + UInt32(place))], security: hosts)
    }
  }

  mutating func publish(_ records: [TLSARecord], at host: DomainName = ExplainCase.hosts[0]) {
    let service = ExplainCase.name("_25._tcp.\(host)")
    zone.set(ExplainCase.set(records, at: service), for: service)
  }

  mutating func publish(_ text: String, at place: String) {
    zone.set(ExplainCase.set([Array(text.utf8)], at: ExplainCase.name(place)), for: ExplainCase.name(place))
  }

  mutating func announce(
    _ mode: STSPolicy.Mode, _ patterns: [String], days: Int64 = 30, trouble: STSTrouble? = nil
  ) {
    publish("v=STSv1; id=20261101;", at: "_mta-sts.example.org")
    let policy = STSPolicy(mode: mode, maxAge: .seconds(days * 86_400), patterns: patterns.map { STSPattern($0) })
    sts = .inForce(
      KnownSTSPolicy(policy: policy, recordID: "20261101", fetchedAt: Sample.now), trouble: trouble)
  }

  static func set<Record>(_ records: [Record], at name: DomainName) -> DNSAnswer<Record> {
    .records(
      DNSRecordSet(records: records, canonicalName: name, security: .secure, timeToLive: .seconds(300)))
  }

  /// What a host of ours shows.
  static func visit(
    _ verification: CertificateVerification = .verified(hostName: "mx1.example.org"), dane: DANEVerification? = nil,
    requireTLS: Bool = true
  ) -> HostVisit {
    let certificate = CertificateFacts(
      sha256Fingerprint: [UInt8](repeating: 0x11, count: 32), dnsNames: ["mx1.example.org"],
      verification: verification, dane: dane)
    var tls = TLSFacts(
      version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1301), group: NamedGroup(rawValue: 0x11ec),
      peerCertificate: certificate)
    tls.peerCertificate?.sha256OfPublicKey = [UInt8](repeating: 0xcd, count: 32)
    return HostVisit(
      peer: SocketEndpoint(address: .v4(0xc000_0201), port: 25), tls: tls, offersRequireTLS: requireTLS)
  }

  static func visit(_ stage: DialogueStage, _ cause: DialogueFault.Cause) -> HostVisit {
    HostVisit(
      peer: SocketEndpoint(address: .v4(0xc000_0201), port: 25), tls: nil, fault: DialogueFault(stage, cause))
  }

  func report() async -> ExplainReport {
    let settings = ExchangerSettings(
      egress: Egress(name: .name(ExplainCase.name("client.example"))), ownNames: [ExplainCase.name("client.example")],
      rules: rules)
    let survey = DestinationSurvey(
      settings, resolver: zone, memory: PolicyMemory(policies: sts.map { FixedPolicy(sts: $0) }),
      clock: StillClock(), random: Zeroes())
    return ExplainReport(explanation: Explanation(await survey.survey(domain, wish: wish), visits: visits))
  }
}

extension ExplainCase {
  /// Each has a golden text and golden JSON under Tests/Corpus/explanations.
  static let all: [ExplainCase] = [
    bare, enforce, unlisted, testing, unavailable, dane, daneForged, unusable, tlsaFailing, requireTLS,
    requireTLSUnproven, mandatoryDANE, floorVerified, nullMX, bogusMX, unanswered, literal, noAddress,
    liveMet, liveStripped, liveMismatch, liveUnproven, liveLacksRequireTLS, unreached, notLookedAt,
  ]

  static let bare = ExplainCase("bare", count: 2)

  static let enforce: ExplainCase = {
    var one = ExplainCase("enforce")
    one.announce(.enforce, ["*.example.org"])
    one.publish("v=TLSRPTv1; rua=mailto:tls@example.org", at: "_smtp._tls.example.org")
    return one
  }()

  static let unlisted: ExplainCase = {
    var one = ExplainCase("unlisted", count: 2)
    one.announce(.enforce, ["mx2.example.org"], days: 2)
    return one
  }()

  static let testing: ExplainCase = {
    var one = ExplainCase("testing", count: 2)
    one.announce(.testing, ["mx1.example.org"])
    one.visits = [visit(.failed(.expired))]
    return one
  }()

  static let unavailable: ExplainCase = {
    var one = ExplainCase("unavailable")
    one.publish("v=STSv1; id=20261101;", at: "_mta-sts.example.org")
    one.sts = .unavailable(STSTrouble(.stsPolicyFetchError, "https://mta-sts.example.org answers 404"))
    return one
  }()

  static let dane: ExplainCase = {
    var one = ExplainCase("dane", mx: .secure, hosts: .secure)
    one.publish([good])
    return one
  }()

  static let daneForged: ExplainCase = {
    var one = ExplainCase("dane-forgeable-mx", hosts: .secure)
    one.publish([good])
    return one
  }()

  static let unusable: ExplainCase = {
    var one = ExplainCase("unusable-tlsa", mx: .secure, hosts: .secure)
    one.publish([
      TLSARecord(usage: 1, selector: 1, matchingType: 1, association: digest), TLSARecord(data: [3]),
    ])
    return one
  }()

  static let tlsaFailing: ExplainCase = {
    var one = ExplainCase("tlsa-failing", mx: .secure, hosts: .secure)
    one.zone.set(DNSAnswer<TLSARecord>.failed(reason: "SERVFAIL"), for: name("_25._tcp.mx1.example.org"))
    return one
  }()

  static let requireTLS: ExplainCase = {
    var one = ExplainCase("requiretls", mx: .secure, hosts: .secure)
    one.wish = .required
    one.publish([good])
    return one
  }()

  static let requireTLSUnproven: ExplainCase = {
    var one = ExplainCase("requiretls-unproven")
    one.wish = .required
    return one
  }()

  static let mandatoryDANE: ExplainCase = {
    var one = ExplainCase("floor-dane", mx: .secure, hosts: .secure)
    one.rules = DestinationRules(floor: .dane)
    return one
  }()

  static let floorVerified: ExplainCase = {
    var one = ExplainCase("floor-verified")
    one.rules = DestinationRules(floor: .verified)
    return one
  }()

  static let nullMX: ExplainCase = {
    var one = ExplainCase("null-mx")
    one.zone.set(set([MailExchanger(preference: 0, exchange: .null)], at: domain), for: domain)
    return one
  }()

  static let bogusMX: ExplainCase = {
    var one = ExplainCase("bogus-mx")
    one.zone.set(DNSAnswer<MailExchanger>.bogus(reason: "signature expired"), for: domain)
    return one
  }()

  static let unanswered: ExplainCase = {
    var one = ExplainCase("unanswered")
    one.zone.set(DNSAnswer<MailExchanger>.failed(reason: "SERVFAIL"), for: domain)
    return one
  }()

  static let literal: ExplainCase = {
    var one = ExplainCase("address-literal")
    one.domain = .literal(AddressLiteral(.v4(0xc000_0207)))
    return one
  }()

  static let noAddress: ExplainCase = {
    var one = ExplainCase("no-address")
    one.zone.add(hosts[0], at: [])
    return one
  }()

  static let liveMet: ExplainCase = {
    var one = ExplainCase("live-met", dane)
    one.visits = [visit(dane: .matched(good, name: nil))]
    return one
  }()

  static let liveStripped: ExplainCase = {
    var one = ExplainCase("live-stripped", enforce)
    one.visits = [visit(.startTLS, .security(.notOffered))]
    return one
  }()

  static let liveMismatch: ExplainCase = {
    var one = ExplainCase("live-mismatch", dane)
    one.visits = [visit(dane: .failed(.tlsaMismatch(reason: "none of the records fits")))]
    return one
  }()

  static let liveUnproven: ExplainCase = {
    var one = ExplainCase("live-unproven", mx: .secure, hosts: .secure)
    one.visits = [visit(.failed(.notTrusted(reason: "it is self-signed")), requireTLS: false)]
    return one
  }()

  static let liveLacksRequireTLS: ExplainCase = {
    var one = ExplainCase("live-lacks-requiretls", requireTLS)
    one.visits = [visit(dane: .matched(good, name: nil), requireTLS: false)]
    return one
  }()

  static let unreached: ExplainCase = {
    var one = ExplainCase("live-unreached", bare)
    one.visits = [
      visit(.connect, .transport("192.0.2.1:25: no answer in time")),
      visit(.startTLS, .security(.notOffered)),
    ]
    return one
  }()

  static let notLookedAt: ExplainCase = {
    var one = ExplainCase("not-looked-at", unavailable)
    one.sts = nil
    return one
  }()

  /// Another under a name of its own.
  private init(_ name: String, _ other: ExplainCase) {
    self.name = name
    (zone, sts, rules) = (other.zone, other.sts, other.rules)
    (wish, domain, visits) = (other.wish, other.domain, other.visits)
  }
}
