import DNSRecords
import MailSyntax
import TransportSecurity

/// What stands for the SHA-256 digest of a public key in a simulated world: it belongs to one machine alone.
struct HostKey: Hashable, Sendable {
  let digest: [UInt8]

  init(ofHost number: Int) { digest = [UInt8](repeating: UInt8(1 + number % 200), count: 32) }
  private init(_ octet: UInt8) { digest = [UInt8](repeating: octet, count: 32) }
  static let attackers = HostKey(0xee)
  /// Of a host before it took another.
  static let outworn = HostKey(0xdd)

  /// DANE-EE over the key's SHA-256: `3 1 1`.
  var record: TLSARecord { TLSARecord(usage: 3, selector: 1, matchingType: 1, association: digest) }

  /// Whether it is the one that one of the records means, by the model's kind of record alone.
  func isMeant(by records: [TLSARecord]) -> Bool { records.contains(record) }
}

/// The TLSA records of a host at a time. Source: RFC 7672 §2.2.
struct TLSAPublication: Hashable, Sendable {
  let records: [TLSARecord]

  static let none = TLSAPublication(records: [])
  /// PKIX-EE means nothing for mail servers (RFC 7672 §3.1.3), and the other is too short.
  private static let unusable = TLSAPublication(records: [
    TLSARecord(usage: 1, selector: 1, matchingType: 1, association: HostKey.outworn.digest),
    TLSARecord(usage: 3, selector: 1, matchingType: 1, association: [1, 2, 3]),
  ])

  /// Some record of them can be matched: in the model, those of one kind.
  var isUsable: Bool { records.contains { $0.parts?.usage == 3 && $0.data.count == 35 } }

  /// Of a host in a signed zone: records that fit, that a roll of the key has left behind, both, and such as nobody can
  /// use. The last can be met.
  static func draw(
    for key: HostKey, from now: Uptime, to end: Uptime, _ random: SeededRandom
  ) -> Phases<TLSAPublication> {
    guard random.chance(70) else { return Phases(always: .none) }
    let fitting = TLSAPublication(records: [key.record])
    let rolling = TLSAPublication(records: [HostKey.outworn.record, key.record])
    let leftBehind = TLSAPublication(records: [HostKey.outworn.record])
    return Phases(
      from: now, to: end, upTo: 5_400, random, last: random.pick([fitting, fitting, rolling, unusable])
    ) { _ in
      random.pick([fitting, fitting, rolling, leftBehind, unusable, .none])
    }
  }
}
