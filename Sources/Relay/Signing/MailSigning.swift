public import DNSRecords
public import MailAuthentication
public import MailMessage
public import MailQueue
public import MailSyntax
public import NIOCore
import Synchronization

/// Where the keys are kept between restarts, for this server and for the commands beside it.
public protocol DKIMKeyStore: Sendable {
  func load() throws(DKIMKeyStoreFault) -> DKIMKeyring
  /// Reads, changes and writes with nobody else in between, whole or not at all.
  func change(_ edit: (inout DKIMKeyring) -> Void) throws(DKIMKeyStoreFault) -> DKIMKeyring
}

public struct DKIMKeyStoreFault: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// Signs what this house's domains send, and sees each key on its way: it signs as soon as the DNS shows its record, and
/// is forgotten once nothing that it signed can be on its way any more.
///
/// Mail is signed as it is accepted, when all that was to be added or taken out is; nothing changes it behind that
/// (RFC 6376 §5.3).
public final class MailSigning: Sendable {
  /// Between two looks at the DNS while a key waits for its record.
  public static let waitingInterval: Duration = .seconds(120)
  /// And while all signs: a record that is gone is noticed so late at the most.
  public static let restingInterval: Duration = .seconds(3_600)
  /// Of one look.
  public static let lookUpTime: Duration = .seconds(20)

  private struct State {
    var keyring: DKIMKeyring
    /// Asked for only where there is a key to look after.
    var resolver: @Sendable () -> (any Resolver)? = { nil }
    var afterlife: Duration
    /// What was last said of a domain's records.
    var complaints: [DomainName: String] = [:]
  }

  private let store: any DKIMKeyStore
  private let converter: any IDNAConverter
  private let clock: any MailClock
  private let events: any EventSink
  private let state: Mutex<State>
  private let changed = Signal()

  /// - Throws: where the keys can't be read: mail that should be signed must not go without.
  public init(
    store: any DKIMKeyStore, converter: any IDNAConverter, clock: any MailClock, events: any EventSink
  ) throws(DKIMKeyStoreFault) {
    self.store = store
    self.converter = converter
    self.clock = clock
    self.events = events
    state = Mutex(State(keyring: try store.load(), afterlife: .zero))
  }

  /// - Parameters:
  ///   - resolver: shows whether records are there; without one no key begins to sign, and none is forgotten.
  ///   - giveUpAfter: the life of a message in the queue.
  public func replace(resolver: @escaping @Sendable () -> (any Resolver)?, giveUpAfter: Duration) {
    state.withLock { state in
      state.resolver = resolver
      state.afterlife = DKIMSelector.afterlife(ofQueue: giveUpAfter)
    }
    changed.raise()
  }

  /// Takes what a command has changed.
  ///
  /// - Returns: how many keys there are.
  public func reread() throws(DKIMKeyStoreFault) -> Int {
    let keyring = try store.load()
    state.withLock { $0.keyring = keyring }
    changed.raise()
    return keyring.selectors.count
  }

  public var keyring: DKIMKeyring { state.withLock { $0.keyring } }

  /// How a message is signed; not at all where none of its authors has a key.
  public func signings(for header: HeaderSection) -> [DKIMSigning] {
    let keyring = keyring
    guard !keyring.selectors.isEmpty, let authors = try? DMARCAuthors(header, converter: converter) else { return [] }
    return keyring.signings(for: authors.domains)
  }

  /// The signatures of a message that is here whole, to be put above it. None where none of its authors has a key.
  public func fields(for message: ByteBuffer, now: UTCInstant) throws(MessageSigningFault) -> ByteBuffer {
    var scanner = HeaderScanner()
    var progress = scanner.append(message)
    if case .incomplete = progress { progress = scanner.finish() }
    guard case .complete(let header, let body) = progress, var signature = try MessageSignature(header, by: self)
    else { return ByteBuffer() }
    signature.append(body)
    return try signature.finish(now: now)
  }

  /// Looks after the keys until it is cancelled.
  public func run() async {
    while !Task.isCancelled {
      let isWaiting = await look()
      let wait = isWaiting ? MailSigning.waitingInterval : MailSigning.restingInterval
      _ = await clock.within(wait) { [changed] in await changed.wait() }
    }
  }

  /// One look at every key's record.
  ///
  /// - Returns: a key waits on.
  func look() async -> Bool {
    let (selectors, findResolver) = state.withLock { ($0.keyring.selectors, $0.resolver) }
    guard !selectors.isEmpty, let resolver = findResolver() else { return false }
    var complaints: [DomainName: String] = [:]
    for selector in selectors {
      guard !Task.isCancelled else { return false }
      let found = await clock.within(MailSigning.lookUpTime) { await selector.publication(by: resolver) }
      let publication = found ?? .unanswered("no answer in time")
      take(publication, of: selector)
      if complaints[selector.domain] == nil, let trouble = trouble(publication, of: selector) {
        complaints[selector.domain] = trouble
      }
    }
    tell(complaints, of: selectors.map(\.domain))
    return keyring.selectors.contains { $0.standing == .waiting }
  }

  private func take(_ publication: DKIMPublication, of selector: DKIMSelector) {
    let (now, afterlife) = (clock.now, state.withLock { $0.afterlife })
    var trial = keyring
    guard !trial.take(publication, of: selector.name, selector.domain, afterlife: afterlife, now: now).isEmpty else {
      return
    }
    var steps: [DKIMKeyring.Step] = []
    do throws(DKIMKeyStoreFault) {
      // By what is kept now: a command may have been there in between.
      let keyring = try store.change { kept in
        steps = kept.take(publication, of: selector.name, selector.domain, afterlife: afterlife, now: now)
      }
      state.withLock { $0.keyring = keyring }
    } catch {
      return events.record(
        MailEvent(
          .alarm, [.init("what", .text("dkim-keys-not-written")), .init("reason", .text("\(error)"))]))
    }
    for step in steps { events.record(MailEvent(step)) }
  }

  /// What is wrong with a record that verifiers need. That nobody answers is no news of the record.
  private func trouble(_ publication: DKIMPublication, of selector: DKIMSelector) -> String? {
    switch selector.standing {
    case .waiting: return nil
    case .retired where selector.since + state.withLock({ $0.afterlife }) <= clock.now: return nil
    case .signing, .retired: break
    }
    switch publication {
    case .published, .unanswered: return nil
    case .absent: return "\(selector.name)._domainkey.\(selector.domain): the DNS has no such record"
    case .differs(let reason): return "\(selector.name)._domainkey.\(selector.domain): \(reason)"
    }
  }

  static let recordMissing = "dkim-record-missing"

  private func tell(_ complaints: [DomainName: String], of domains: [DomainName]) {
    let before = state.withLock { state in
      defer { state.complaints = complaints }
      return state.complaints
    }
    var told: Set<DomainName> = []
    for domain in domains where told.insert(domain).inserted && complaints[domain] != before[domain] {
      guard let complaint = complaints[domain] else {
        events.record(
          MailEvent(
            .alarm,
            [
              .init("what", .text("dkim-record-back")), .init("clears", .text(MailSigning.recordMissing)),
              .init("domain", .text("\(domain)")),
              .init("reason", .text("every record of the domain's keys is in the DNS again")),
            ]))
        continue
      }
      events.record(
        MailEvent(
          .alarm,
          [
            .init("what", .text(MailSigning.recordMissing)), .init("until-cleared", .flag(true)),
            .init("domain", .text("\(domain)")),
            .init("reason", .text("\(complaint); signatures made with this key verify nowhere")),
            .init("remedy", .text("publish what martlet dkim records \(domain) prints")),
          ]))
    }
  }
}

extension MailEvent {
  /// `dkim.selector-changed`.
  fileprivate init(_ step: DKIMKeyring.Step) {
    let standing =
      switch step.deed {
      case .beganSigning: "signing"
      case .retired: "retired"
      case .forgotten: "forgotten"
      }
    self.init(
      .selectorChanged,
      [
        Field("domain", .text("\(step.domain)")), Field("selector", .text("\(step.name)")),
        Field("standing", .text(standing)),
      ])
  }
}
