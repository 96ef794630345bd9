import MailSyntax
import OrderedCollections
import TransportSecurity

/// What one domain's MX hosts have shown, address by address, and what follows: a pure machine over moments.
/// Documentation/Decisions/0012 gives the rules their reasons.
struct SteadyDomain: Hashable, Sendable {
  /// What a note came to.
  enum Effect: Hashable, Sendable {
    case none
    /// A drop. `isAdapted`: it has stood for so long that the memory takes it as the hosts' new standing.
    case drop(expected: SteadyTLS.Level, isAdapted: Bool)
  }

  struct Drop: Hashable, Sendable {
    var span: SteadyRecord.Drop
    /// What each address showed when it last showed too little; nil for no TLS.
    var seen: OrderedDictionary<SteadyRecord.Key, SteadyTLS.Level?> = [:]
    /// Known before a restart, and not seen since: which of them had shown too little was not kept.
    var unheard: OrderedSet<SteadyRecord.Key> = []
    /// `span.lastAt` as the store has it.
    var writtenAt: UTCInstant?

    var isOver: Bool { seen.isEmpty && unheard.isEmpty }

    /// Seen once more. A clock that was ahead for a while makes no drop last longer than from now on.
    mutating func extend(to moment: UTCInstant) {
      span = SteadyRecord.Drop(firstAt: min(span.firstAt, moment), lastAt: moment)
      if let written = writtenAt, written > moment { writtenAt = nil }
    }
  }

  private(set) var records: OrderedDictionary<SteadyRecord.Key, SteadyRecord> = [:]
  /// Addresses that came when the domain was armed, and have shown as much: on trial, they neither arm nor disarm.
  private(set) var onTrial: OrderedDictionary<SteadyRecord.Key, SteadyRecord> = [:]
  /// Better levels on the way up, of records that stand at a lower one.
  private var rising: OrderedDictionary<SteadyRecord.Key, SteadyRecord> = [:]
  private(set) var drop: Drop?
  private(set) var lastAt = UTCInstant(nanoseconds: .min)

  init() {}
  init(_ known: [SteadyRecord]) {
    let newest = known.sorted { $0.lastAt > $1.lastAt }.prefix(TLSRatchet.maximumAddresses + 1)
    for var record in newest {
      if let kept = record.drop {
        let first = min(drop?.span.firstAt ?? kept.firstAt, kept.firstAt)
        let last = max(drop?.span.lastAt ?? kept.lastAt, kept.lastAt)
        drop = Drop(span: SteadyRecord.Drop(firstAt: first, lastAt: last), writtenAt: last)
      }
      record.drop = nil
      records[record.key] = record
      lastAt = max(lastAt, record.lastAt)
    }
    drop?.unheard = records.keys
  }

  /// One address more than are remembered stands for all that were left out: then nobody knows what all of them show.
  private var isTooWide: Bool { records.count > TLSRatchet.maximumAddresses }

  /// An address shows once more what it has shown often enough, the last time a moment ago: nothing would follow from
  /// it, for it is steady already or not old enough to be.
  func isNoNews(_ address: IPAddress, of host: DomainName, _ level: SteadyTLS.Level?, at moment: UTCInstant) -> Bool {
    guard drop == nil, rising.isEmpty,
      let record = records.values.first(where: { $0.key.address == address && $0.key.host == host }),
      record.level == level, record.successes >= TLSRatchet.neededSuccesses,
      record.isSteady || moment - record.firstAt < TLSRatchet.neededTime
    else { return false }
    return (.zero..<TLSRatchet.noteInterval).contains(moment - record.lastAt)
  }

  /// The level that every address has steadily shown, and since when all of them have; nil where one hasn't.
  func armed(at moment: UTCInstant) -> (level: SteadyTLS.Level, since: UTCInstant)? {
    var armed: (level: SteadyTLS.Level, since: UTCInstant)?
    var count = 0
    for record in records.values where !record.isForgotten(at: moment) {
      count += 1
      guard record.isSteady, count <= TLSRatchet.maximumAddresses else { return nil }
      armed = (min(armed?.level ?? record.level, record.level), max(armed?.since ?? record.firstAt, record.firstAt))
    }
    return armed
  }

  /// Whether mail is still held back: in the first time of a drop, and while there is none.
  func mayHold(at moment: UTCInstant) -> Bool {
    guard let drop = standingDrop(at: moment) else { return true }
    return moment - drop.span.firstAt < TLSRatchet.longestHold
  }

  /// A drop of which nothing was seen for as long as one may last is over: the next one begins anew.
  private func standingDrop(at moment: UTCInstant) -> Drop? {
    drop.flatMap { moment - $0.span.lastAt < TLSRatchet.longestHold ? $0 : nil }
  }

  /// - Parameter level: nil for a session in clear, or a TLS that failed.
  /// - Returns: the effect, and the records that changed.
  mutating func note(
    _ key: SteadyRecord.Key, _ level: SteadyTLS.Level?, at moment: UTCInstant
  ) -> (effect: Effect, changed: [SteadyRecord]) {
    lastAt = max(lastAt, moment)
    for (old, record) in records where record.isForgotten(at: moment) {
      records[old] = nil
      rising[old] = nil
    }
    guard let armed = armed(at: moment) else {
      return (.none, marked([learn(key, level, at: moment)].compactMap { $0 }))
    }
    // An address that has proven its name and now doesn't is weaker, where others never did more, too.
    let expected = max(armed.level, records[key]?.level ?? armed.level)
    guard let level, level >= expected else { return noteDrop(key, level, expected: expected, at: moment) }
    drop?.seen[key] = nil
    drop?.unheard.remove(key)
    let isOver = drop?.isOver ?? false
    if isOver { drop = nil }
    let changed =
      records[key] == nil ? tryOut(key, level, at: moment) : [learn(key, level, at: moment)].compactMap { $0 }
    return (.none, isOver ? Array(records.values) : marked(changed))
  }

  /// As the store is to have them.
  private func marked(_ records: [SteadyRecord]) -> [SteadyRecord] {
    guard let span = drop?.span else { return records }
    return records.map { record in
      var record = record
      record.drop = span
      return record
    }
  }

  private mutating func noteDrop(
    _ key: SteadyRecord.Key, _ level: SteadyTLS.Level?, expected: SteadyTLS.Level, at moment: UTCInstant
  ) -> (Effect, [SteadyRecord]) {
    onTrial[key] = nil
    rising[key] = nil
    var standing = standingDrop(at: moment) ?? Drop(span: SteadyRecord.Drop(firstAt: moment, lastAt: moment))
    standing.extend(to: moment)
    standing.unheard.remove(key)
    if standing.seen[key] != nil || standing.seen.count < TLSRatchet.maximumAddresses {
      standing.seen[key] = .some(level)
    }
    guard moment - standing.span.firstAt >= TLSRatchet.longestHold else {
      let isDue = standing.writtenAt.map { moment - $0 >= TLSRatchet.dropInterval } ?? true
      if isDue { standing.writtenAt = moment }
      drop = standing
      return (.drop(expected: expected, isAdapted: false), isDue ? marked(Array(records.values)) : [])
    }
    drop = nil
    for (key, seen) in standing.seen {
      records[key] = nil
      _ = learn(key, seen, at: moment)
    }
    return (.drop(expected: expected, isAdapted: true), Array(records.values))
  }

  /// A newcomer at an armed domain is believed once it is as steady as the others.
  private mutating func tryOut(
    _ key: SteadyRecord.Key, _ level: SteadyTLS.Level, at moment: UTCInstant
  ) -> [SteadyRecord] {
    let record = (onTrial[key] ?? SteadyRecord(key: key, level: level, at: moment)).following(level, at: moment)
    guard record.isSteady, records.count < TLSRatchet.maximumAddresses else {
      if onTrial[key] != nil || onTrial.count < TLSRatchet.maximumAddresses { onTrial[key] = record }
      return []
    }
    onTrial[key] = nil
    records[key] = record
    return [record]
  }

  private mutating func learn(
    _ key: SteadyRecord.Key, _ level: SteadyTLS.Level?, at moment: UTCInstant
  ) -> SteadyRecord? {
    guard records[key] != nil || !isTooWide else { return nil }
    let known = records[key]
    var record: SteadyRecord
    if let level {
      let before = known ?? SteadyRecord(key: key, level: level, at: moment)
      record = before.following(level, at: moment)
      // What is better than its record grows beside it, until it is as steady.
      if level > before.level {
        let better = (rising[key] ?? SteadyRecord(key: key, level: level, at: moment)).following(level, at: moment)
        rising[key] = better.isSteady ? nil : better
        if better.isSteady { record = better }
      } else {
        rising[key] = nil
      }
    } else {
      // An address that is known for showing no TLS keeps its domain from being armed.
      record = SteadyRecord(key: key, level: .encrypted, successes: 0, firstAt: moment, lastAt: moment)
      rising[key] = nil
    }
    records[key] = record
    return record
  }
}

extension SteadyRecord {
  fileprivate init(key: Key, level: SteadyTLS.Level, at moment: UTCInstant) {
    self.init(key: key, level: level, successes: 0, firstAt: moment, lastAt: moment)
  }

  /// With one more sight; a weaker one begins anew.
  fileprivate func following(_ seen: SteadyTLS.Level, at moment: UTCInstant) -> SteadyRecord {
    guard seen >= level, successes > 0 else {
      return SteadyRecord(key: key, level: seen, successes: 1, firstAt: moment, lastAt: moment)
    }
    var record = self
    record.successes = min(successes + 1, TLSRatchet.mostCounted)
    record.lastAt = max(lastAt, moment)
    return record
  }

  var isSteady: Bool {
    successes >= TLSRatchet.neededSuccesses && lastAt - firstAt >= TLSRatchet.neededTime
  }

  func isForgotten(at moment: UTCInstant) -> Bool { moment - lastAt > TLSRatchet.memory }
}
