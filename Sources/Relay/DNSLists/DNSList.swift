import DNSRecords
public import MailSyntax

/// A list in the DNS of addresses that unwanted mail comes from, and what is made of its word. Source: RFC 5782.
public struct DNSList: Hashable, Sendable {
  /// In front of the zone stand at most 64 octets, those of an IPv6 address; a name has 253 at most (RFC 1035 §2.3.4).
  public static let maximumZoneOctets = 189
  public static let maximumNameOctets = 100

  public var zone: DomainName
  /// What people are told it is called: a zone may hold a customer's key. Printable ASCII.
  public var name: String
  /// Empty means every answer that can list somebody.
  public var answers: [AnswerRange]
  public var action: Action

  public enum Action: String, Hashable, Sendable, CaseIterable {
    /// Recipients are refused, but for those who hear complaints.
    case refuse
    /// The log has a line.
    case record
  }

  /// - Parameter name: the zone when nil.
  public init(zone: DomainName, name: String? = nil, answers: [AnswerRange] = [], action: Action = .refuse) {
    self.zone = zone
    self.name = name ?? zone.description
    self.answers = answers
    self.action = action
  }

  /// Answers from the first to the last, as `127.0.0.2-127.0.0.11`.
  public struct AnswerRange: Hashable, Sendable, CustomStringConvertible {
    public let first, last: UInt32

    /// Nil where they stand the wrong way round or outside of 127.0.0.0/8 (RFC 5782 §2.1).
    public init?(_ first: IPAddress, _ last: IPAddress) {
      guard case .v4(let first) = first, case .v4(let last) = last, first <= last, first >> 24 == 127, last >> 24 == 127
      else { return nil }
      self.first = first
      self.last = last
    }

    public var description: String {
      first == last ? "\(IPAddress.v4(first))" : "\(IPAddress.v4(first))-\(IPAddress.v4(last))"
    }
  }

  /// What one answer says of the address that was asked about.
  enum Finding: Hashable, Sendable {
    case notListed
    /// With the answer that says so, the lowest of several.
    case listed(IPAddress)
    /// The list says of itself that it won't tell us.
    case declined(String)
    /// Nobody could say for now.
    case unanswered(String)
  }

  /// The name under which the list has an address: octets (RFC 5782 §2.1) or nibbles (§2.4) in reverse order, and the
  /// zone. Nil where that is longer than a name may be.
  func question(about address: IPAddress) -> DomainName? {
    let labels: [String] =
      switch address {
      case .v4(let value): (0..<4).map { String(value >> (8 * UInt32($0)) & 255) }
      case .v6(let high, let low):
        [low, high].flatMap { half in (0..<16).map { String(half >> (4 * UInt64($0)) & 15, radix: 16) } }
      }
    return try? DomainName("\(labels.joined(separator: ".")).\(zone)")
  }

  func finding(in answer: DNSAnswer<IPAddress>) -> Finding {
    let codes: [UInt32]
    switch answer {
    case .none, .noSuchName: return .notListed
    case .failed(let reason), .bogus(let reason): return .unanswered(reason)
    case .records(let set): codes = set.records.compactMap(DNSList.code).sorted()
    }
    if let refusal = codes.first(where: DNSList.isRefusal) {
      return .declined("it answers \(IPAddress.v4(refusal)), its word for questions it does not serve")
    }
    return codes.first { code in
      DNSList.mayList(code) && (answers.isEmpty || answers.contains { $0.first <= code && code <= $0.last })
    }.map { .listed(.v4($0)) } ?? .notListed
  }

  /// RFC 5782 §2.1: answers lie in 127.0.0.0/8. Any other is somebody else's, as of a zone that was sold.
  private static func code(_ address: IPAddress) -> UInt32? {
    guard case .v4(let value) = address, value >> 24 == 127 else { return nil }
    return value
  }

  /// 127.255.255.0/24: by custom of those who run lists, that the resolver is one they don't answer, or asks too much.
  private static func isRefusal(_ code: UInt32) -> Bool { code >> 8 == 0x7fff_ff }

  /// 127.0.0.1 is no listing: too many things answer so by mistake.
  private static func mayList(_ code: UInt32) -> Bool { code != 0x7f00_0001 && !isRefusal(code) }
}
