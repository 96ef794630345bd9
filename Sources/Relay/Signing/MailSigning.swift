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
  public enum Kind: Hashable, Sendable {
    /// It could not be read or written.
    case unavailable
    case notPermitted
    /// What it holds are no keys.
    case damaged
  }

  public let description: String
  public let kind: Kind
  public init(_ description: String, _ kind: Kind = .unavailable) {
    self.description = description
    self.kind = kind
  }
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
  /// Held while the store and what is known of it change together: else what a command has taken away could come back.
  private let changing = Mutex(())
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
    let count = try changing.withLock { _ throws(DKIMKeyStoreFault) in
      let keyring = try store.load()
      state.withLock { $0.keyring = keyring }
      return keyring.count
    }
    changed.raise()
    return count
  }

  public var keyring: DKIMKeyring { state.withLock { $0.keyring } }

  /// Domains of one message that sign it, each with its keys.
  public static let maximumSigners = 4

  /// How a message is signed; not at all where none of its authors has a key.
  public func signings(for header: HeaderSection) throws(MessageSigningFault) -> [DKIMSigning] {
    let keyring = keyring
    guard !keyring.isEmpty, let from = header.first("from"),
      let authors = try? AddressList.parse(octets: header.unfoldedValue(of: from), allowsUTF8: true)
    else { return [] }
    var signers: [DomainName] = []
    for name in Set(authors.mailboxes.compactMap(\.domain.name)) {
      guard let signer = keyring.signer(of: converter.canonicalForm(of: name)), !signers.contains(signer) else {
        continue
      }
      guard signers.count < MailSigning.maximumSigners else {
        throw .unsignable("its authors are of more than \(MailSigning.maximumSigners) domains that sign here")
      }
      signers.append(signer)
    }
    return keyring.signings(for: signers.sorted { $0.folded < $1.folded })
  }

  /// The signatures of a message that is here whole, to be put above it. None where none of its authors has a key.
  public func fields(for message: ByteBuffer, now: UTCInstant) throws(MessageSigningFault) -> ByteBuffer {
    guard case .complete(let header, let body) = HeaderScanner.read(message),
      var signature = try MessageSignature(header, by: self)
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
    let waits = { [self] in keyring.selectors.contains { $0.standing == .waiting } }
    guard !selectors.isEmpty, let resolver = findResolver() else {
      tell([:], unknown: [])
      return waits()
    }
    var complaints: [DomainName: String] = [:]
    var unknown: Set<DomainName> = []
    for batch in stride(from: 0, to: selectors.count, by: MailSigning.looksAtOnce) {
      for (selector, publication) in await look(
        selectors[batch..<min(batch + MailSigning.looksAtOnce, selectors.count)], resolver)
      {
        guard !Task.isCancelled else { return false }
        take(publication, of: selector)
        if case .unanswered = publication { unknown.insert(selector.domain) }
        if let trouble = trouble(publication, of: selector) {
          let told = complaints[selector.domain]
          // What signs today comes first.
          let order = selector.standing == .signing ? [trouble, told] : [told, trouble]
          complaints[selector.domain] = order.compactMap(\.self).joined(separator: "; ")
        }
      }
    }
    tell(complaints, unknown: unknown)
    return waits()
  }

  /// Records that are looked for at the same time.
  static let looksAtOnce = 16

  private func look(
    _ selectors: ArraySlice<DKIMSelector>, _ resolver: any Resolver
  ) async -> [(DKIMSelector, DKIMPublication)] {
    await withTaskGroup(of: (Int, DKIMPublication).self) { group in
      for (place, selector) in zip(selectors.indices, selectors) {
        group.addTask { [clock] in
          let found = await clock.within(MailSigning.lookUpTime) { await selector.publication(by: resolver) }
          return (place, found ?? .unanswered("no answer in time"))
        }
      }
      let found = await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
      return selectors.indices.compactMap { place in found[place].map { (selectors[place], $0) } }
    }
  }

  private func take(_ publication: DKIMPublication, of selector: DKIMSelector) {
    let (now, afterlife) = (clock.now, state.withLock { $0.afterlife })
    var trial = keyring
    guard !trial.take(publication, of: selector.name, selector.domain, afterlife: afterlife, now: now).isEmpty else {
      return
    }
    let steps: [DKIMKeyring.Step]
    do throws(DKIMKeyStoreFault) {
      // By what is kept now: a command may have been there in between.
      steps = try changing.withLock { _ throws(DKIMKeyStoreFault) in
        var steps: [DKIMKeyring.Step] = []
        let keyring = try store.change { kept in
          steps = kept.take(publication, of: selector.name, selector.domain, afterlife: afterlife, now: now)
        }
        state.withLock { $0.keyring = keyring }
        return steps
      }
    } catch {
      return events.record(
        MailEvent(
          .alarm, [.init("what", .text("dkim-keys-not-written")), .init("reason", .text("\(error)"))]))
    }
    for step in steps { events.record(MailEvent(step)) }
  }

  /// What is wrong with a record. That nobody answers is no news of it, and neither that one isn't there yet.
  private func trouble(_ publication: DKIMPublication, of selector: DKIMSelector) -> String? {
    let name = "\(selector.name)._domainkey.\(selector.domain)"
    let consequence: String
    switch selector.standing {
    case .waiting: consequence = "the key waits on, and signs nothing"
    case .retired where selector.since + state.withLock({ $0.afterlife }) <= clock.now: return nil
    case .signing, .retired: consequence = "what it signed verifies nowhere"
    }
    switch publication {
    case .published, .unanswered: return nil
    case .absent: return selector.standing == .waiting ? nil : "\(name): the DNS has no such record; \(consequence)"
    case .differs(let reason): return "\(name): \(reason); \(consequence)"
    }
  }

  static let recordMissing = "dkim-record-missing"

  /// - Parameter unknown: domains of which nobody could say all: what was said of them stands.
  private func tell(_ found: [DomainName: String], unknown: Set<DomainName>) {
    let (before, complaints) = state.withLock { state in
      let before = state.complaints
      state.complaints = found.merging(before.filter { unknown.contains($0.key) }) { news, _ in news }
      return (before, state.complaints)
    }
    let domains = Set(before.keys).union(complaints.keys).sorted { $0.folded < $1.folded }
    for domain in domains where complaints[domain] != before[domain] {
      guard let complaint = complaints[domain] else {
        events.record(
          MailEvent(
            .alarm,
            [
              .init("what", .text("dkim-record-back")), .init("clears", .text(MailSigning.recordMissing)),
              .init("domain", .text("\(domain)")),
              .init("reason", .text("no record that a key of the domain needs is missing any more")),
            ]))
        continue
      }
      events.record(
        MailEvent(
          .alarm,
          [
            .init("what", .text(MailSigning.recordMissing)), .init("until-cleared", .flag(true)),
            .init("domain", .text("\(domain)")), .init("reason", .text(complaint)),
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
