import GRDB
import MailSyntax
import QueueStorage
import Relay
import TransportSecurity

/// Rows and values. A row that doesn't read is named by its `RowDamage`, and stands for no less than it may have said.
enum PolicyRows {
  struct Read<Value: Sendable>: Sendable {
    /// What holds; nil where the row is left out.
    var value: Value?
    /// What is wrong with the row.
    var damage: String?
  }

  static let policyColumns = "domain, mode, max_age, patterns, record_id, fetched_at, used_at"

  /// A damaged row of mode enforce, or of a mode that doesn't read, becomes the policy that lists no host. One of mode
  /// testing or none asked for nothing, and is left out.
  static func policy(_ row: Row, at now: UTCInstant) -> Read<StoredSTSPolicy> {
    var damage = RowDamage("sts_policies")
    guard let domain = damage.text("domain", row, 0, { try? DomainName($0) }) else {
      return Read(value: nil, damage: damage.reason)
    }
    damage.owner = " of \(domain)"
    let mode = damage.text("mode", row, 1) { STSPolicy.Mode(rawValue: $0) }
    let maxAge = damage.integer("max_age", row, 2) { readAge($0) }
    let patterns = damage.text("patterns", row, 3) { readPatterns($0, of: mode) }
    let recordID = damage.text("record_id", row, 4) { $0 }
    let fetchedAt = damage.integer("fetched_at", row, 5) { UTCInstant(nanoseconds: $0) }
    let usedAt = damage.integer("used_at", row, 6) { UTCInstant(nanoseconds: $0) }
    if let mode, let maxAge, let patterns, let recordID, let fetchedAt, let usedAt {
      let policy = STSPolicy(mode: mode, maxAge: maxAge, patterns: patterns)
      return Read(
        value: StoredSTSPolicy(
          domain: domain, known: KnownSTSPolicy(policy: policy, recordID: recordID, fetchedAt: fetchedAt),
          usedAt: usedAt),
        damage: nil)
    }
    if let mode, mode != .enforce { return Read(value: nil, damage: damage.reason) }
    return Read(
      value: .unreadable(
        domain, fetchedAt: fetchedAt ?? now, usedAt: usedAt ?? now, maxAge: maxAge ?? STSPolicy.maximumAge),
      damage: damage.reason)
  }

  static func values(_ policy: StoredSTSPolicy) -> StatementArguments {
    let known = policy.known
    return [
      policy.domain.folded, known.policy.mode.rawValue, known.policy.maxAge.nanoseconds,
      known.policy.patterns.map(\.description).joined(separator: "\n"), known.recordID, known.fetchedAt.nanoseconds,
      known.expiresAt.nanoseconds, policy.usedAt.nanoseconds,
    ]
  }

  private static func readAge(_ nanoseconds: Int64) -> Duration? {
    (0...STSPolicy.maximumAge.nanoseconds).contains(nanoseconds) ? .nanoseconds(nanoseconds) : nil
  }

  /// Only a policy of mode none lists no host; the stand-in for one that didn't read is known by listing none.
  private static func readPatterns(_ text: String, of mode: STSPolicy.Mode?) -> [STSPattern]? {
    guard text.utf8.allSatisfy({ $0 == UInt8(ascii: "\n") || (0x21...0x7e).contains($0) }) else { return nil }
    let patterns = text.split(separator: "\n").map { STSPattern(String($0)) }
    return patterns.isEmpty && mode == .testing ? nil : patterns
  }

  static let overrideColumns = "number, domain, subdomains, floor, begins_at, ends_at, reason, author"

  /// Where the floor, the reach or the time of an override doesn't read, nobody knows what it asked for: then it asks
  /// for the most, for as many and as long as it may, and the mail waits until a person ends it.
  static func override(_ row: Row, at now: UTCInstant) -> Read<NumberedOverride> {
    var damage = RowDamage("floor_overrides")
    let number = row.integer(0) ?? 0
    damage.owner = " of number \(number)"
    guard let domain = damage.text("domain", row, 1, { try? DomainName($0) }) else {
      return Read(value: nil, damage: damage.reason)
    }
    damage.owner = " of number \(number) for \(domain)"
    let reach = damage.integer("subdomains", row, 2) { $0 == 0 ? false : $0 == 1 ? true : nil }
    let floor = damage.text("floor", row, 3) { TLSFloor(rawValue: $0) }
    let from = damage.integer("begins_at", row, 4) { UTCInstant(nanoseconds: $0) }
    let until = damage.integer("ends_at", row, 5) { UTCInstant(nanoseconds: $0) }
    let isSound = damage.reason == nil
    let reason = damage.text("reason", row, 6) { $0 }
    let author = damage.text("author", row, 7) { $0 }
    let override = FloorOverride(
      domain: domain, includesSubdomains: reach ?? true, floor: isSound ? floor ?? .dane : .dane, from: from ?? now,
      until: until ?? now + FloorOverride.longestTime, reason: reason ?? RowDamage.opening + "reason",
      author: author ?? "somebody")
    return Read(value: NumberedOverride(number: number, override: override), damage: damage.reason)
  }

  static let steadyColumns = "domain, host, address, level, successes, first_at, last_at, dropped_at, weak_at"

  /// What was seen is learned again, so a damaged row is only left out.
  static func steady(_ row: Row) -> Read<SteadyRecord> {
    var damage = RowDamage("steady_tls")
    let domain = damage.text("domain", row, 0) { try? DomainName($0) }
    let host = damage.text("host", row, 1) { try? DomainName($0) }
    let address = damage.text("address", row, 2) { IPAddress($0) }
    let level = damage.text("level", row, 3) { SteadyTLS.Level(rawValue: $0) }
    let successes = damage.integer("successes", row, 4) { Int(exactly: $0).flatMap { $0 >= 0 ? $0 : nil } }
    let firstAt = damage.integer("first_at", row, 5) { UTCInstant(nanoseconds: $0) }
    let lastAt = damage.integer("last_at", row, 6) { UTCInstant(nanoseconds: $0) }
    // Without a drop both are null. Of one that doesn't read whole, nobody knows when it began: then there is none.
    let droppedAt = row.integer(7).map { UTCInstant(nanoseconds: $0) }
    let weakAt = row.integer(8).map { UTCInstant(nanoseconds: $0) }
    let drop = droppedAt.flatMap { first in weakAt.map { SteadyRecord.Drop(firstAt: first, lastAt: max(first, $0)) } }
    guard let domain, let host, let address, let level, let successes, let firstAt, let lastAt else {
      return Read(value: nil, damage: damage.reason)
    }
    return Read(
      value: SteadyRecord(
        key: SteadyRecord.Key(domain: domain, host: host, address: address), level: level, successes: successes,
        firstAt: firstAt, lastAt: lastAt, drop: drop),
      damage: nil)
  }

  static func values(_ record: SteadyRecord) -> StatementArguments {
    [
      record.key.domain.folded, record.key.host.folded, record.key.address.description, record.level.rawValue,
      record.successes, record.firstAt.nanoseconds, record.lastAt.nanoseconds, record.drop?.firstAt.nanoseconds,
      record.drop?.lastAt.nanoseconds,
    ]
  }

  static let auditColumns = "instant, deed, domain, author, reason, number, floor, ends_at, weaker_than"

  static func values(_ record: PolicyAuditRecord) -> StatementArguments {
    [
      record.at.nanoseconds, record.deed.rawValue, record.domain.folded, record.author, record.reason,
      record.override?.number, record.override?.floor.rawValue, record.override?.until.nanoseconds,
      record.weakerThan,
    ]
  }

  /// Nil for a row that doesn't read: the history is for reading.
  static func audit(_ row: Row) -> PolicyAuditRecord? {
    guard let instant = row.integer(0), let deed = row.text(1).flatMap({ PolicyAuditRecord.Deed(rawValue: $0) }),
      let domain = row.text(2).flatMap({ try? DomainName($0) }), let author = row.text(3), let reason = row.text(4)
    else { return nil }
    var override: PolicyAuditRecord.Override?
    if let number = row.integer(5), let floor = row.text(6).flatMap({ TLSFloor(rawValue: $0) }),
      let until = row.integer(7)
    {
      override = PolicyAuditRecord.Override(number: number, floor: floor, until: UTCInstant(nanoseconds: until))
    }
    return PolicyAuditRecord(
      deed, at: UTCInstant(nanoseconds: instant), domain: domain, author: author, reason: reason, override: override,
      weakerThan: row.text(8))
  }
}

extension NumberedOverride {
  /// For the audit, where not even the domain of a row reads.
  static func unreadable(_ number: Int64, at now: UTCInstant) throws -> NumberedOverride {
    NumberedOverride(
      number: number,
      override: FloorOverride(
        domain: try DomainName("unreadable.invalid"), floor: .dane, from: now, until: now + .seconds(1),
        reason: RowDamage.opening + "domain", author: "somebody"))
  }
}
