public import MailSyntax

/// A zone as name servers read it from a file: for trying records out before they are published.
///
/// Source: RFC 1035 §5. Understood are `$ORIGIN`, `$TTL`, comments, parentheses, strings and escapes; `$INCLUDE` is not.
/// Without `$ORIGIN` every name is a whole one, with or without a dot behind it. Of the records A, AAAA, MX, TXT, CNAME
/// and PTR count; others are read over.
public struct ZoneFile: Hashable, Sendable {
  public static let maximumOctets = 4 << 20
  public static let maximumRecords = 100_000
  /// CNAMEs from one to the next.
  static let maximumAliases = 8

  struct Record: Hashable, Sendable {
    let name: DomainName
    let data: Data
  }

  enum Data: Hashable, Sendable {
    case address(IPAddress)
    case exchanger(MailExchanger)
    case text([UInt8])
    case alias(DomainName)
    case pointer(DomainName)
    /// Of a type that nobody asks for here: its name is there.
    case other
  }

  let records: [Record]

  public init(_ octets: [UInt8]) throws(ZoneFileFault) {
    guard octets.count <= ZoneFile.maximumOctets else {
      throw ZoneFileFault(nil, "more than \(ZoneFile.maximumOctets) octets")
    }
    var scanner = ZoneFileScanner(octets)
    var reader = Reader()
    var records: [Record] = []
    while let entry = try scanner.next() {
      guard let record = try reader.record(entry) else { continue }
      records.append(record)
      guard records.count <= ZoneFile.maximumRecords else {
        throw ZoneFileFault(entry.line, "more than \(ZoneFile.maximumRecords) records")
      }
    }
    self.records = records
  }

  /// Answers from this file alone, proven by nobody: what it doesn't have isn't there.
  ///
  /// - Parameter failing: names that nobody could say anything about, but for the records that the file has of them.
  public func resolver(failing: [DomainName] = []) -> ZoneResolver {
    var resolver = ZoneResolver()
    for name in failing { resolver.fail(name) }
    let names = Dictionary(grouping: records, by: \.name)
    // A name stands also above every name that stands below it (RFC 8020 §2).
    for name in names.keys {
      resolver.add(name)
      for parent in name.domainsAbove { resolver.add(parent) }
    }
    for (name, own) in names { fill(&resolver, name, own, names) }
    return resolver
  }

  /// A name's answers, which are those of the name that its CNAME leads to.
  private func fill(
    _ resolver: inout ZoneResolver, _ name: DomainName, _ own: [Record], _ names: [DomainName: [Record]]
  ) {
    if case .alias(let target)? = own.lazy.map(\.data).first(where: \.isAlias) {
      if let answer = ZoneFile.answer([target], name) { resolver.set(answer, for: name) }
    }
    var (place, found) = (name, own)
    for _ in 0..<ZoneFile.maximumAliases {
      guard case .alias(let target)? = found.lazy.map(\.data).first(where: \.isAlias) else { break }
      (place, found) = (target, names[target] ?? [])
    }
    for family in AddressFamily.allCases {
      let addresses = found.compactMap { $0.data.address }.filter { $0.family == family }
      if let answer = ZoneFile.answer(addresses, place) { resolver.set(answer, for: name, family: family) }
    }
    if let answer = ZoneFile.answer(found.compactMap { $0.data.exchanger }, place) { resolver.set(answer, for: name) }
    if let answer = ZoneFile.answer(found.compactMap { $0.data.text }, place) { resolver.set(answer, for: name) }
    if let answer = ZoneFile.answer(found.compactMap { $0.data.pointer }, place) {
      resolver.set(pointers: answer, at: name)
    }
  }

  /// Nil where there are none: then it is the name's being there that answers.
  private static func answer<Found>(_ records: [Found], _ name: DomainName) -> DNSAnswer<Found>? {
    guard !records.isEmpty else { return nil }
    return .records(
      DNSRecordSet(
        records: records, canonicalName: name, security: .insecure, timeToLive: ZoneResolver.timeToLive))
  }
}

/// What can't be read, and in which line.
public struct ZoneFileFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// Nil where it is the file as a whole.
  public let line: Int?
  public let reason: String

  init(_ line: Int?, _ reason: String) {
    self.line = line
    self.reason = reason
  }

  public var description: String { line.map { "line \($0): \(reason)" } ?? reason }
}

extension ZoneFile.Data {
  fileprivate var isAlias: Bool { if case .alias = self { true } else { false } }
  fileprivate var address: IPAddress? { if case .address(let address) = self { address } else { nil } }
  fileprivate var exchanger: MailExchanger? { if case .exchanger(let exchanger) = self { exchanger } else { nil } }
  fileprivate var text: [UInt8]? { if case .text(let text) = self { text } else { nil } }
  fileprivate var pointer: DomainName? { if case .pointer(let name) = self { name } else { nil } }
}
