import DNSRecords
import MailAuthentication
import MailSyntax
import Synchronization

/// A DNS of one zone file, and a clock that each look-up moves on.
final class SPFStage: Resolver, MailClock {
  private let zone: ZoneResolver
  private let step: Duration
  private let asked = Mutex<[String]>([])

  init(_ zone: String, failing: [String] = [], each step: Duration = .zero) throws {
    let names = try failing.map { try DomainName($0) }
    self.zone = try ZoneFile(Array(zone.utf8)).resolver(failing: names)
    self.step = step
  }

  /// "TXT example.org", in the order of the questions.
  var questions: [String] { asked.withLock { $0 } }

  var now: UTCInstant { UTCInstant(seconds: 1_700_000_000) }
  var uptime: Uptime { Uptime(nanoseconds: asked.withLock { Int64($0.count) } * step.nanoseconds) }
  func sleep(until deadline: Uptime) async {}

  private func note(_ question: String) { asked.withLock { $0.append(question) } }

  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> {
    note("MX \(name)")
    return await zone.mailExchangers(of: name)
  }
  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    note("\(family == .v4 ? "A" : "AAAA") \(name)")
    return await zone.addresses(of: name, family: family)
  }
  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> {
    note("TXT \(name)")
    return await zone.texts(of: name)
  }
  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> { await zone.tlsaRecords(of: name) }
  func names(of address: IPAddress) async -> DNSAnswer<DomainName> {
    note("PTR \(address)")
    return await zone.names(of: address)
  }
  func alias(of name: DomainName) async -> DNSAnswer<DomainName> { await zone.alias(of: name) }

  func outcome(
    of sender: String = "joe@example.org", from address: String = "192.0.2.3", helo: String = "mail.example.org",
    bounds: SPFCheck.Bounds = SPFCheck.Bounds(), converter: any IDNAConverter = UnchangedNames()
  ) async throws -> SPFOutcome {
    let check = SPFCheck(
      resolver: self, converter: converter, clock: self, receiver: try DomainName("mx.example.net"), bounds: bounds)
    guard let client = IPAddress(address) else { throw MailSyntaxError.badDomain }
    let mailbox = sender.isEmpty ? nil : try Mailbox(sender)
    return await check.outcome(of: .mailFrom(mailbox, from: client, helo: helo))
  }
}
