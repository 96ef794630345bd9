public import MailQueue
public import MailSyntax
import Synchronization
public import TransportSecurity

/// The operators' dated overrides in conduct: what is in force for a domain, added and ended durably and aloud.
///
/// An override stands in place of the configured floor, stricter or weaker: that is its point. It ends by itself, at its
/// time exactly whether or not anybody looks after it; `run` then puts the end into the audit and the log, once the
/// machine's uptime agrees with the clock (`OverrideEnds`).
public final class FloorOverrides: Sendable {
  /// Named for people, who look after each: more would be a configuration.
  public static let maximumOverrides = 1_000
  /// The ends are looked for at least so often, whatever the clock on the wall does.
  static let longestSleep = Duration.seconds(60)

  private let state = Mutex(OverrideTable())
  private let ends = Mutex(OverrideEnds())
  private let store: any PolicyStore
  private let converter: any IDNAConverter
  private let clock: any MailClock
  private let events: any EventSink
  private let changed = Signal()

  /// - Parameter converter: spells domains that are written in other letters.
  public init(
    store: any PolicyStore, converter: any IDNAConverter, clock: any MailClock, events: any EventSink
  ) {
    self.store = store
    self.converter = converter
    self.clock = clock
    self.events = events
  }

  /// Takes up what the store has. To be called before mail goes.
  public func load() async throws(StoreFault) {
    let known = try await store.overrides()
    state.withLock { state in
      state = OverrideTable()
      for override in known { state.insert(override) }
    }
  }

  // MARK: What is in force

  /// The floor of a domain: of the override in force, else the configured one. Of several overrides the domain's own
  /// counts before one with `includesSubdomains`, and that of the nearest domain above before all further ones.
  ///
  /// - Parameters:
  ///   - domain: the recipients', however it is spelled. None is made for an address literal.
  ///   - configured: what the configuration says of the domain.
  public func floor(for domain: MailDomain, configured: OperatorFloor, at moment: UTCInstant) -> OperatorFloor {
    guard let name = domain.name, let found = override(for: name, at: moment) else { return configured }
    return found.floor
  }

  /// The one in force.
  public func override(for domain: DomainName, at moment: UTCInstant) -> NumberedOverride? {
    // Mostly there is none at all.
    guard state.withLock({ $0.count > 0 }) else { return nil }
    let domain = converter.canonicalForm(of: domain)
    return state.withLock { $0.first(reaching: domain) { $0.override.isInForce(at: moment) } }
  }

  /// The one in force for the domains below this one that no nearer one reaches.
  public func override(below domain: DomainName, at moment: UTCInstant) -> NumberedOverride? {
    let domain = converter.canonicalForm(of: domain)
    return state.withLock { $0.first(reachingBelow: domain) { $0.override.isInForce(at: moment) } }
  }

  /// The one that counts for a domain, and behind it those that would count without it, in that order.
  public func overrides(reaching domain: DomainName, at moment: UTCInstant) -> [NumberedOverride] {
    let domain = converter.canonicalForm(of: domain)
    return state.withLock { state in
      var found: [NumberedOverride] = []
      _ = state.first(reaching: domain) { override in
        if moment < override.override.until { found.append(override) }
        return false
      }
      return found
    }
  }

  /// Those in force or still to come, in the order in which they were added.
  public func list(at moment: UTCInstant) -> [NumberedOverride] {
    state.withLock { $0.all.filter { moment < $0.override.until } }
  }

  /// What an override lets mail go below, now or once a nearer override has ended: every floor within its reach that is
  /// stricter, of the configuration and of overrides that it goes before. The strictest come first.
  ///
  /// - Parameter rules: with every domain in its one form; nil where no configuration is known.
  public func weakened(
    by override: FloorOverride, rules: DestinationRules?, at moment: UTCInstant
  ) -> [OperatorFloor] {
    let domain = converter.canonicalForm(of: override.domain)
    let isBelow = override.includesSubdomains
    let configured = rules?.floors(reachedFrom: domain, below: isBelow) ?? []
    let others = state.withLock { state in
      var found: [NumberedOverride] = []
      func note(_ other: NumberedOverride) -> Bool {
        if moment < other.override.until, other.override != override { found.append(other) }
        return false
      }
      // Of its own domain alone it goes before whatever reaches that; with those below, before what reaches them.
      _ = isBelow ? state.first(reachingBelow: domain, where: note) : state.first(reaching: domain, where: note)
      return found
    }
    let stricter = (configured + others.map(\.floor)).filter { override.floor.isWeaker(than: $0.floor) }
    return stricter.enumerated().sorted { left, right in
      if left.element.floor != right.element.floor { return right.element.floor.isWeaker(than: left.element.floor) }
      return left.offset < right.offset
    }.map(\.element)
  }

  // MARK: Operators' words

  /// Durable first, then in force, then said. One of the same domain and reach that stands already ends with it.
  ///
  /// - Parameter rules: the configured floors that it stands in place of, as `weakened` takes them.
  public func add(
    _ override: FloorOverride, rules: DestinationRules?
  ) async throws(FloorOverrideFault) -> AddedOverride {
    var override = override
    override.domain = converter.canonicalForm(of: override.domain)
    let now = clock.now
    if let fault = override.fault(at: now) { throw .refused(fault) }
    let former = state.withLock { $0.equals(of: override) }
    guard state.withLock({ $0.count - former.count < FloorOverrides.maximumOverrides }) else {
      throw .refused("there are \(FloorOverrides.maximumOverrides) overrides already; end some of them first")
    }
    let weakened = weakened(by: override, rules: rules, at: now)
    let added: NumberedOverride
    do throws(StoreFault) {
      added = try await store.add(override, weakerThan: OperatorFloor.summary(of: weakened))
    } catch {
      throw .store(error)
    }
    let (replaced, later, nearer) = state.withLock { state in
      let (replaced, later) = state.takeUp(added)
      return (replaced, later, state.nearer(than: override).filter { now < $0.override.until })
    }
    changed.raise()
    events.record(
      .overrideAdded(
        added, configured: rules?.floor(for: .name(override.domain)), weakened: rules == nil ? nil : weakened,
        replaced: replaced))
    for one in replaced {
      let isOver = one.override.until <= now
      events.record(
        .overrideEnded(
          one, by: isOver ? nil : override.author,
          reason: isOver ? NumberedOverride.expiry : NumberedOverride.replacement(by: added.number)))
    }
    if let later {
      events.record(
        .overrideEnded(added, by: later.override.author, reason: NumberedOverride.replacement(by: later.number)))
    }
    return AddedOverride(added: added, replaced: replaced, nearer: nearer, weakened: weakened)
  }

  /// Ends one before its time.
  public func end(_ number: Int64, author: String, reason: String) async throws(FloorOverrideFault) -> NumberedOverride
  {
    guard !reason.isEmpty, reason.utf8.count <= FloorOverride.maximumReasonOctets else {
      throw .refused("ending an override needs a reason of \(FloorOverride.maximumReasonOctets) octets at most")
    }
    let now = clock.now
    guard let known = list(at: now).first(where: { $0.number == number }) else { throw .store(.notFound) }
    do throws(StoreFault) {
      try await store.end(number, at: now, author: author, reason: reason)
    } catch {
      throw .store(error)
    }
    _ = state.withLock { $0.remove(known) }
    events.record(.overrideEnded(known, by: author, reason: reason))
    return known
  }

  // MARK: Ends

  /// Looks after the ends until the task is cancelled.
  public func run() async {
    while !Task.isCancelled {
      let wait = await expire()
      await withTaskGroup { group in
        group.addTask { await self.clock.sleep(until: self.clock.uptime + wait) }
        group.addTask { await self.changed.wait() }
        await group.next()
        group.cancelAll()
      }
    }
  }

  /// Puts the ends that have come into the audit and the log, and says how long none is to come.
  func expire() async -> Duration {
    let known = state.withLock { $0.all }
    let (certain, wait) = ends.withLock { $0.certain(of: known, now: clock.now, uptime: clock.uptime) }
    for ended in certain {
      do throws(StoreFault) {
        try await store.end(
          ended.number, at: ended.override.until, author: ended.override.author, reason: NumberedOverride.expiry)
      } catch {
        // Gone already by another's hand, or a store that has stopped: it is in force no more either way.
        guard error == .notFound else { continue }
      }
      guard state.withLock({ $0.remove(ended) }) else { continue }
      events.record(.overrideEnded(ended, by: nil, reason: NumberedOverride.expiry))
    }
    return min(wait ?? FloorOverrides.longestSleep, FloorOverrides.longestSleep)
  }
}

/// Why an override is not as was asked.
public enum FloorOverrideFault: Error, Hashable, Sendable {
  /// With a sentence that says what to do.
  case refused(String)
  case store(StoreFault)
}
