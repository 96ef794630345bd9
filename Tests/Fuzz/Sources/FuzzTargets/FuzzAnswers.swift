import DNSRecords
import Dispatch
import MailAuthentication
import MailSyntax
import Synchronization

/// A zone in memory that counts its questions. Names that begin with `failing.` and `bogus.` have no answer, for a
/// reason that ends a line.
final class CountedZone: Resolver, MailClock {
  private let zone: ZoneResolver
  /// For every name whose TXT records the zone doesn't have.
  private let fallback: [[UInt8]]
  private let asked = Mutex(0)

  init(_ zone: ZoneResolver, fallback: [[UInt8]] = []) {
    self.zone = zone
    self.fallback = fallback
  }

  /// Nil where the octets are no zone file.
  convenience init?(_ octets: [UInt8]) {
    guard let file = try? ZoneFile(octets) else { return nil }
    self.init(file.resolver())
  }

  var questions: Int { asked.withLock { $0 } }

  let now = UTCInstant(seconds: 1_700_000_000)
  let uptime = Uptime(nanoseconds: 0)
  func sleep(until deadline: Uptime) async {}

  private func answer<Record>(_ name: String, _ found: DNSAnswer<Record>) -> DNSAnswer<Record> {
    asked.withLock { $0 += 1 }
    if name.hasPrefix("failing.") { return .failed(reason: "no\r\nanswer\u{85}") }
    if name.hasPrefix("bogus.") { return .bogus(reason: "bad\r\nsignature\u{2028}") }
    return found
  }

  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> {
    answer(name.folded, await zone.mailExchangers(of: name))
  }
  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    answer(name.folded, await zone.addresses(of: name, family: family))
  }
  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> {
    let found = answer(name.folded, await zone.texts(of: name))
    switch found {
    case .none, .noSuchName:
      guard !fallback.isEmpty else { return found }
      return .records(
        DNSRecordSet(
          records: fallback, canonicalName: name, security: .insecure, timeToLive: ZoneResolver.timeToLive))
    case .records, .failed, .bogus: return found
    }
  }
  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> {
    answer(name.folded, await zone.tlsaRecords(of: name))
  }
  func names(of address: IPAddress) async -> DNSAnswer<DomainName> { answer("", await zone.names(of: address)) }
  func alias(of name: DomainName) async -> DNSAnswer<DomainName> { answer(name.folded, await zone.alias(of: name)) }
}

/// Knows one name in two spellings.
struct OneName: IDNAConverter {
  func asciiForm(of name: DomainName) -> DomainName? {
    name.folded == "bücher.example" ? made(try DomainName("xn--bcher-kva.example")) : nil
  }
}

/// What a check comes to. Its answers are all at hand, so that what it does beside itself is done in no time.
func result<Value: Sendable>(of check: @Sendable @escaping () async -> Value) -> Value {
  let slot = Slot<Value>()
  let isDone = DispatchSemaphore(value: 0)
  Task.immediate {
    slot.set(await check())
    isDone.signal()
  }
  isDone.wait()
  guard let value = slot.taken else { fatalError("the check came to nothing") }
  return value
}

private final class Slot<Value: Sendable>: Sendable {
  private let value = Mutex<Value?>(nil)
  func set(_ value: Value) { self.value.withLock { $0 = value } }
  var taken: Value? { value.withLock { $0 } }
}

func check(_ steps: [AuthenticationStep]) {
  for step in steps {
    require(isOneLine(step.text), "a step is one line: \(step.text.debugDescription)")
    require(step.text.utf8.count <= 2_048, "a step is bounded")
  }
}
