import DNSRecords
import MailSyntax

/// The policy records of the names asked about in one evaluation. Each name is asked about once.
///
/// Bound: `maximumQueries` names for each author's domain, so that no message makes a resolver work for hours, and that
/// nobody else who is named in the From field uses up what is an author's.
struct DMARCLookups {
  /// A walk takes eight at most; names above one another are shared by walks.
  static let maximumQueries = 60
  /// Faults of one record that are told.
  static let maximumFaults = 8

  enum Finding: Hashable {
    case record(DMARCRecord)
    /// Nothing that counts as a record: for people, why.
    case absent(String)
    /// Nobody could say for now.
    case failed(String)
    /// Too many names were asked about already.
    case exhausted
  }

  private let resolver: any Resolver
  private var known: [DomainName: Finding] = [:]
  private var existences: [DomainName: Existence] = [:]
  private var queries = 0
  /// What was found, in the order it was asked for.
  var steps: [AuthenticationStep] = []

  init(resolver: any Resolver) { self.resolver = resolver }

  /// The next author's domain has a bound of its own.
  mutating func beginAuthor() { queries = 0 }

  /// The record of a domain, at `_dmarc.` below it.
  mutating func finding(at domain: DomainName) async -> Finding {
    if let finding = known[domain] { return finding }
    let finding = await lookUp(domain)
    if finding != .exhausted { known[domain] = finding }
    let told: String
    switch finding {
    case .record(let record): told = ": \(FieldText.sanitised(record.text, allowsUTF8: true))"
    case .absent(let reason): told = " \(reason)"
    case .failed(let reason): told = " could not be looked up: \(reason)"
    case .exhausted: told = " was not looked up: \(DMARCLookups.maximumQueries) names were already"
    }
    steps.append(AuthenticationStep("_dmarc.\(domain)\(told)", "RFC 9989 §4.10", depth: 1))
    if case .record(let record) = finding {
      for fault in record.faults.prefix(DMARCLookups.maximumFaults) {
        steps.append(AuthenticationStep("in it, \(fault)", "RFC 9989 §4.8", depth: 2))
      }
    }
    return finding
  }

  private mutating func lookUp(_ domain: DomainName) async -> Finding {
    // A name too long to stand in the DNS has no record there.
    guard let name = try? DomainName("_dmarc", under: domain) else { return .absent("is too long for a name") }
    guard queries < DMARCLookups.maximumQueries else { return .exhausted }
    queries += 1
    switch await resolver.texts(of: name) {
    case .records(let set): return DMARCLookups.finding(in: set.records)
    case .none: return .absent("has no TXT record")
    case .noSuchName: return .absent("does not exist")
    case .failed(let reason), .bogus(let reason): return .failed(FieldText.sanitised(reason, allowsUTF8: true))
    }
  }

  /// RFC 9989 §4.10, steps 2 and 6: others' records are dropped, and several of this kind are all dropped.
  static func finding(in texts: [[UInt8]]) -> Finding {
    let candidates = texts.filter { DMARCRecord.isRecord($0) }
    guard let first = candidates.first else { return .absent("has TXT records, and none begins with v=DMARC1;") }
    guard candidates.count == 1 else {
      return .absent("has \(candidates.count) records that begin with v=DMARC1; and so none that counts")
    }
    do throws(DMARCRecordFault) {
      return .record(try DMARCRecord(first))
    } catch {
      return .absent("has a record that doesn't count: \(error)")
    }
  }

  /// Whether a domain is in the DNS at all.
  enum Existence: Hashable {
    case exists, doesNotExist
    case unknown(String)
  }

  /// RFC 9989 §3.2.13, §A.4: only NXDOMAIN says that a domain doesn't exist; one question of any type can tell.
  mutating func existence(of domain: DomainName) async -> Existence {
    if let existence = existences[domain] { return existence }
    let existence: Existence
    switch await resolver.texts(of: domain) {
    case .records, .none: existence = .exists
    case .noSuchName: existence = .doesNotExist
    case .failed(let reason), .bogus(let reason):
      existence = .unknown(FieldText.sanitised(reason, allowsUTF8: true))
    }
    existences[domain] = existence
    return existence
  }
}
