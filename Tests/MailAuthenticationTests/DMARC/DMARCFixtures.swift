import DNSRecords
import MailAuthentication
import MailMessage
import MailSyntax
import NIOCore
import Synchronization
import Testing

/// A zone of policy records that remembers what it was asked.
final class AskedZone: Resolver {
  private let zone: ZoneResolver
  private let asked = Mutex<[String]>([])

  init(_ zone: ZoneResolver) { self.zone = zone }

  /// Records by the domain they are about; a domain that stands in `present` is in the DNS.
  init(
    _ records: [String: [String]], present: [String] = [], failing: [String] = [], bogus: [String] = []
  ) throws {
    var zone = ZoneResolver()
    for (domain, texts) in records.sorted(by: { $0.key < $1.key }) {
      let name = try DomainName("_dmarc.\(domain)")
      let set = DNSRecordSet(
        records: texts.map { Array($0.utf8) }, canonicalName: name, security: .insecure,
        timeToLive: ZoneResolver.timeToLive)
      zone.set(.records(set), for: name)
    }
    for domain in present { zone.set(DNSAnswer<[UInt8]>.none(.insecure), for: try DomainName(domain)) }
    for name in failing { zone.set(DNSAnswer<[UInt8]>.failed(reason: "SERVFAIL"), for: try DomainName(name)) }
    for name in bogus { zone.set(DNSAnswer<[UInt8]>.bogus(reason: "bad signature"), for: try DomainName(name)) }
    self.zone = zone
  }

  /// The names asked for, in their order.
  var names: [String] { asked.withLock { $0 } }

  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> { await zone.mailExchangers(of: name) }
  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    await zone.addresses(of: name, family: family)
  }
  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> {
    asked.withLock { $0.append(name.description) }
    return await zone.texts(of: name)
  }
  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> { await zone.tlsaRecords(of: name) }
  func names(of address: IPAddress) async -> DNSAnswer<DomainName> { await zone.names(of: address) }
  func alias(of name: DomainName) async -> DNSAnswer<DomainName> { await zone.alias(of: name) }
}

/// Knows one name in two spellings.
struct OneIDNA: IDNAConverter {
  func asciiForm(of name: DomainName) -> DomainName? {
    name.folded == "bücher.example" ? try? DomainName("xn--bcher-kva.example") : nil
  }
}

enum MailFixture {
  /// A header section read whole; the test fails when it can't be.
  static func section(_ text: String) throws -> HeaderSection { try section(ByteBuffer(string: text)) }

  static func section(_ bytes: ByteBuffer) throws -> HeaderSection {
    var scanner = HeaderScanner()
    var progress = scanner.append(bytes)
    if progress == .incomplete { progress = scanner.finish() }
    guard case .complete(let header, _) = progress else { throw Unreadable() }
    return header
  }

  struct Unreadable: Error {}
}

extension DMARCInput {
  /// Domains that passed.
  static func passing(spf: String? = nil, dkim: String...) throws -> DMARCInput {
    var signatures: [DKIM] = []
    for domain in dkim { signatures.append(DKIM(domain: try DomainName(domain), passed: true)) }
    var checked: SPF?
    if let spf { checked = SPF(domain: try DomainName(spf), passed: true) }
    return DMARCInput(spf: checked, dkim: signatures)
  }
}

extension AskedZone {
  /// What DMARC comes to for mail from `a@author`.
  func evaluate(_ author: String, _ input: DMARCInput) async throws -> DMARCOutcome {
    try await evaluate(from: "a@\(author)", input)
  }

  func evaluate(
    from value: String, _ input: DMARCInput, converter: any IDNAConverter = UnchangedNames()
  ) async throws -> DMARCOutcome {
    let header = try MailFixture.section("From: \(value)\r\n\r\n")
    return await DMARCEvaluation(resolver: self, converter: converter).evaluate(header, input)
  }
}
