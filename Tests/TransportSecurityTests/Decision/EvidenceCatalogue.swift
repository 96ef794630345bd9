import DNSRecords
import MailSyntax
import TransportSecurity

/// Every value that each kind of evidence can have, by a name for the table.
enum EvidenceCatalogue {
  static let host = constantName("mx.example.net")
  static let other = constantName("mx.example.org")

  static let wishes: [(name: String, value: TLSWish)] = [
    ("-", .unstated), ("require", .required), ("waive", .notRequired),
  ]
  static let exchangers: [(name: String, value: DNSSECState)] = [("secure", .secure), ("insecure", .insecure)]
  static let floors: [TLSFloor] = TLSFloor.allCases
  static let tlsa: [(name: String, value: TLSAEvidence)] = [
    ("none", .absent), ("unsought", .notSought(reason: "its addresses aren't proven")),
    ("failed", .failed(reason: "SERVFAIL")), ("unusable", .published(set(usage: 1))),
    ("usable", .published(set(usage: 3))),
  ]
  static let sts: [(name: String, value: STSEvidence)] = [
    ("none", .absent), ("unavailable", .unavailable(STSTrouble(.stsPolicyFetchError, "404"))),
    ("mode none", policy(.none, [])), ("testing", policy(.testing, [host])),
    ("testing, other", policy(.testing, [other])),
    ("enforce", policy(.enforce, [host])), ("enforce, other", policy(.enforce, [other])),
  ]
  static let histories: [(name: String, value: SteadyTLS?)] = [
    ("none", nil), ("enc alert", steady(.encrypted, .alert)), ("ver alert", steady(.verified, .alert)),
    ("enc hold", steady(.encrypted, .hold)), ("ver hold", steady(.verified, .hold)),
  ]

  static func evidence(
    _ floor: TLSFloor, _ wish: TLSWish = .unstated, _ exchangers: DNSSECState, _ tlsa: TLSAEvidence, _ sts: STSEvidence,
    _ history: SteadyTLS? = nil
  ) -> TLSEvidence {
    var evidence = TLSEvidence(host: host, floor: OperatorFloor(floor, origin: "outbound.tls.floor"))
    evidence.wish = wish
    evidence.exchangers = exchangers
    evidence.tlsa = tlsa
    evidence.sts = sts
    evidence.history = history
    return evidence
  }

  /// All of them.
  static var all: [TLSEvidence] {
    var all: [TLSEvidence] = []
    for floor in floors {
      for wish in wishes {
        for exchangers in exchangers {
          for tlsa in tlsa {
            for sts in sts {
              for history in histories {
                all.append(evidence(floor, wish.value, exchangers.value, tlsa.value, sts.value, history.value))
              }
            }
          }
        }
      }
    }
    return all
  }

  private static func set(usage: UInt8) -> TLSASet {
    TLSASet(
      base: host,
      records: [TLSARecord(usage: usage, selector: 1, matchingType: 1, association: Array(repeating: 7, count: 32))])
  }

  private static func policy(_ mode: STSPolicy.Mode, _ hosts: [DomainName]) -> STSEvidence {
    .inForce(
      KnownSTSPolicy(
        policy: STSPolicy(mode: mode, maxAge: .seconds(604_800), patterns: hosts.map { STSPattern("\($0)") }),
        recordID: "1", fetchedAt: UTCInstant(seconds: 0)))
  }

  private static func steady(_ level: SteadyTLS.Level, _ conduct: SteadyTLS.Conduct) -> SteadyTLS {
    SteadyTLS(level, since: UTCInstant(seconds: 0), conduct: conduct)
  }

  private static func constantName(_ text: String) -> DomainName {
    guard let name = try? DomainName(text) else { preconditionFailure("\(text) is a name") }
    return name
  }
}
