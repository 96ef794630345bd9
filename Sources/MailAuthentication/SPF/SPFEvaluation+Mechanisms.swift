import DNSRecords
import MailSyntax

/// Whether a directive means the client. Source: RFC 7208 §5.
extension SPFEvaluation {
  mutating func matches(
    _ directive: SPFRecord.Directive, _ values: SPFMacroValues, _ depth: Int
  ) async throws(Stop) -> Bool {
    let isMatch: Bool
    let found: String
    switch directive.mechanism {
    case .all: (isMatch, found) = (true, "everybody")
    case .network(let network):
      isMatch = network.contains(question.address)
      found = isMatch ? "\(question.address) is in it" : "\(question.address) is not in it"
    case .include(let target): (isMatch, found) = try await includes(directive, target, values, depth)
    case .addresses(let host, let lengths): (isMatch, found) = try await isAt(host, lengths, values)
    case .exchangers(let domain, let lengths): (isMatch, found) = try await isExchanger(of: domain, lengths, values)
    case .pointer(let domain): (isMatch, found) = try await isNamed(below: domain, values)
    case .exists(let name): (isMatch, found) = try await exists(name, values)
    }
    let verdict = isMatch ? "\(directive.qualifier.result.rawValue)" : "no match"
    note("\(said(directive.text)): \(found): \(verdict)", directive.mechanism.source, depth)
    return isMatch
  }

  /// RFC 7208 §5.2: of the other record's results only pass is a match.
  private mutating func includes(
    _ directive: SPFRecord.Directive, _ target: SPFMacroString, _ values: SPFMacroValues, _ depth: Int
  ) async throws(Stop) -> (Bool, String) {
    try countTerm()
    guard let name = await term(target, values) else { return (false, localPartWords) }
    note("\(said(directive.text)): what does the record of \(said(name)) say?", "RFC 7208 §5.2", depth)
    let result = try await verdict(of: name, depth: depth + 1).result
    switch result {
    case .pass: return (true, "it passes")
    case .fail, .softfail, .neutral: return (false, "it says \(result.rawValue)")
    case .none: throw .permanent("\(said(directive.text)): \(said(name)) has no record")
    // Both are thrown where they are found.
    case .temperror: throw .temporary("\(said(name)) can't be looked up")
    case .permerror: throw .permanent("the record of \(said(name)) can't be read")
    }
  }

  /// RFC 7208 §5.3.
  private mutating func isAt(
    _ host: SPFMacroString?, _ lengths: SPFRecord.PrefixLengths, _ values: SPFMacroValues
  ) async throws(Stop) -> (Bool, String) {
    try countTerm()
    guard let text = await term(host, values) else { return (false, localPartWords) }
    guard let name = queryName(text) else { return (false, "\(said(text)) is no name") }
    let addresses = try await addresses(of: name)
    return (holds(addresses, lengths), "\(said(text)) is at \(listed(addresses))")
  }

  /// RFC 7208 §5.4: a domain without MX records is not its own exchanger here.
  private mutating func isExchanger(
    of domain: SPFMacroString?, _ lengths: SPFRecord.PrefixLengths, _ values: SPFMacroValues
  ) async throws(Stop) -> (Bool, String) {
    try countTerm()
    guard let text = await term(domain, values) else { return (false, localPartWords) }
    guard let name = queryName(text) else { return (false, "\(said(text)) is no name") }
    let exchangers = try found(await check.resolver.mailExchangers(of: name), name)
    // RFC 7208 §4.6.4: more of them are an error, and not the first ten.
    guard exchangers.count <= check.bounds.names else {
      throw .permanent("\(said(text)) has more than \(check.bounds.names) MX records")
    }
    for exchanger in exchangers.sorted(by: { ($0.preference, "\($0.exchange)") < ($1.preference, "\($1.exchange)") }) {
      guard case .host(let host) = exchanger.exchange else { continue }
      let addresses = try await addresses(of: host)
      if holds(addresses, lengths) { return (true, "\(host) is at \(listed(addresses))") }
    }
    return (false, "\(question.address) is at none of \(exchangers.count) exchangers")
  }

  /// RFC 7208 §5.5, which asks domains not to use it.
  private mutating func isNamed(
    below domain: SPFMacroString?, _ values: SPFMacroValues
  ) async throws(Stop) -> (Bool, String) {
    try countTerm()
    guard let text = await term(domain, values) else { return (false, localPartWords) }
    guard let target = queryName(text) else { return (false, "\(said(text)) is no name") }
    let names = await namesOfClient()
    try expectTime()
    if let name = names.first(where: { $0.isAtOrBelow(target) }) { return (true, "the client is \(name)") }
    return (false, "no name of the client is \(said(text)) or below it")
  }

  /// RFC 7208 §5.7: IPv4 addresses are asked for, whatever the client's.
  private mutating func exists(
    _ target: SPFMacroString, _ values: SPFMacroValues
  ) async throws(Stop) -> (Bool, String) {
    try countTerm()
    guard let text = await term(target, values) else { return (false, localPartWords) }
    guard let name = queryName(text) else { return (false, "\(said(text)) is no name") }
    let addresses = try found(await check.resolver.addresses(of: name, family: .v4), name)
    return (!addresses.isEmpty, addresses.isEmpty ? "\(said(text)) isn't there" : "\(said(text)) is there")
  }

  // MARK: Targets

  /// The name a term means, the domain's own where it gives none; nil where it never matches: RFC 8616 §4, a local part
  /// outside ASCII stands in no name.
  private mutating func term(_ target: SPFMacroString?, _ values: SPFMacroValues) async -> String? {
    guard let target else { return values.domain }
    if target.hasLocalPart, !question.localPart.utf8.allSatisfy({ $0 < 0x80 }) { return nil }
    return await name(target, values)
  }

  private var localPartWords: String { "the sender's local part is not ASCII" }

  /// Of the client's family.
  private mutating func addresses(of name: DomainName) async throws(Stop) -> [IPAddress] {
    try found(await check.resolver.addresses(of: name, family: question.address.family), name)
  }

  private func holds(_ addresses: [IPAddress], _ lengths: SPFRecord.PrefixLengths) -> Bool {
    addresses.contains { address in
      let length = address.bitCount == 32 ? lengths.v4 : lengths.v6
      return IPNetwork(address: address, prefixLength: length)?.contains(question.address) ?? false
    }
  }

  private func listed(_ addresses: [IPAddress]) -> String {
    guard !addresses.isEmpty else { return "no address" }
    let shown = addresses.prefix(4).map(\.description).joined(separator: ", ")
    return addresses.count > 4 ? "\(shown) and \(addresses.count - 4) more" : shown
  }

  // MARK: The client's names

  /// Those of the client's names that lead back to it (RFC 7208 §5.5). Look-ups that fail make it fewer, and nothing else.
  mutating func namesOfClient() async -> [DomainName] {
    if let validatedNames { return validatedNames }
    var names: [DomainName] = []
    if case .records(let found) = await check.resolver.names(of: question.address) {
      for name in found.records.prefix(check.bounds.names) where hasTime {
        guard
          case .records(let addresses) = await check.resolver.addresses(of: name, family: question.address.family),
          addresses.records.contains(question.address)
        else { continue }
        names.append(name)
      }
    }
    validatedNames = names
    return names
  }

  /// What `%{p}` stands for: the domain itself, else a name below it, else any (RFC 7208 §7.3).
  mutating func validatedName(for text: SPFMacroString, _ values: SPFMacroValues) async -> String {
    guard text.needsValidatedName else { return "unknown" }
    let names = await namesOfClient()
    let domain = queryName(values.domain)
    let best = names.first { $0 == domain } ?? names.first { name in domain.map { name.isAtOrBelow($0) } ?? false }
    return (best ?? names.first)?.description ?? "unknown"
  }
}

extension SPFRecord.Mechanism {
  fileprivate var source: String {
    switch self {
    case .all: "RFC 7208 §5.1"
    case .include: "RFC 7208 §5.2"
    case .addresses: "RFC 7208 §5.3"
    case .exchangers: "RFC 7208 §5.4"
    case .pointer: "RFC 7208 §5.5"
    case .network: "RFC 7208 §5.6"
    case .exists: "RFC 7208 §5.7"
    }
  }
}
