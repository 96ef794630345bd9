import MailQueue
import MailSyntax
import Relay

extension ConfigurationReader {
  /// Follows every alias of the domains that were read without a fault, and reports each that leads nowhere at the
  /// address that does. Where it can't be known whether an address leads on, it is taken to.
  mutating func checkRouting() {
    do throws(RoutingFaults) {
      _ = try Routing(domains: routes.domains.map(\.local), outbound: routes.hasOutbound ? .route(.outbound) : nil)
    } catch {
      let faults = error.faults.filter { !routes.leadsIntoFaultyDomain($0) }
      let before = errorCount
      for fault in faults { report(fault, onlyAtSource: true) }
      guard errorCount == before else { return }
      for fault in faults { report(fault, onlyAtSource: false) }
    }
  }

  /// - Parameter onlyAtSource: an alias that leads to a bad alias is left to the report on that one.
  private mutating func report(_ fault: RoutingFault, onlyAtSource: Bool) {
    switch fault {
    case .duplicateDomain(let name):
      self.fault("\(fault)", at: position(of: Configuration.place(of: name)), "put both sections into one")
    case .duplicateRecipient(let mailbox):
      self.fault("\(fault)", at: position(mailbox, Configuration.place(ofRecipient:in:)), "leave one of them")
    case .duplicateAlias(let mailbox):
      self.fault("\(fault)", at: position(mailbox, Configuration.place(ofAlias:in:)), "put their addresses into one")
    case .emptyAlias(let mailbox):
      self.fault("\(fault)", at: position(mailbox, Configuration.place(ofAlias:in:)), "give it an address")
    case .unknownTarget(let source, let target):
      guard let position = position(of: target, of: source) ?? (onlyAtSource ? nil : position(of: source)) else {
        return
      }
      self.fault(
        "\(source.inFile) leads to \(target), and no recipient or alias has that name", at: position,
        hint(for: target))
    case .unroutableTarget(let source, let target):
      guard let position = position(of: target, of: source) ?? (onlyAtSource ? nil : position(of: source)) else {
        return
      }
      self.fault(
        "\(source.inFile) leads to \(target), which is not ours, and there is no outbound route", at: position,
        "configure outbound.route, or take the address out")
    case .loop(let source, let mailbox):
      self.fault(
        "\(source.inFile) leads round in a circle at \(mailbox)", at: position(of: source),
        "add \(mailbox.localPart) as a recipient if it is to keep a copy, or break the circle")
    case .tooDeep(let source), .tooManyTargets(let source):
      self.fault("\(fault)", at: position(of: source), "lead to fewer addresses, or more directly")
    }
  }

  private func hint(for target: Mailbox) -> String {
    let domain = routes.domains.first { $0.name == target.domain.name }
    let names = (domain?.recipients ?? []) + (domain?.aliases ?? []).map(\.localPart)
    return Spelling.nearest(to: target.localPart, among: names).map { "did you mean '\($0)'?" }
      ?? "add it to recipients, or name somebody else"
  }

  private func position(_ mailbox: Mailbox, _ place: (String, String) -> String) -> FilePosition? {
    mailbox.domain.name.flatMap { position(of: place(mailbox.localPart, Configuration.place(of: $0))) }
  }

  /// Where a source of mail stands: its alias, or the key of the domain that leads on.
  private func position(of source: Mailbox) -> FilePosition? {
    position(source, Configuration.place(ofAlias:in:)) ?? key(of: source).flatMap { position(of: $0) }
  }

  /// Where the target stands among what its source leads to in the file itself.
  private func position(of target: Mailbox, of source: Mailbox) -> FilePosition? {
    guard let domain = source.domain.name.map(Configuration.place(of:)) else { return nil }
    let alias = Configuration.place(ofAlias: source.localPart, in: domain)
    if position(of: alias) != nil { return position(of: "\(alias) \(target)") }
    return key(of: source).flatMap { position(of: $0) }
  }

  /// `catch_all`, `postmaster` or `abuse`, where the source is what one of them is for.
  private func key(of source: Mailbox) -> String? {
    guard let domain = source.domain.name.map(Configuration.place(of:)) else { return nil }
    return source.localPart == "*" ? "\(domain).catch_all" : "\(domain).\(source.localPart)"
  }
}

extension ConfigurationReader.ReadRoutes {
  fileprivate var hasOutbound: Bool {
    guard let outbound else { return true }
    return outbound.route != Configuration.Outbound.Route.none
  }

  /// What holds of a domain that was not read whole is not known.
  fileprivate func leadsIntoFaultyDomain(_ fault: RoutingFault) -> Bool {
    switch fault {
    case .unroutableTarget(_, let target), .unknownTarget(_, let target):
      guard let name = target.domain.name, named.contains(name) else { return false }
      return !domains.contains { $0.name == name }
    case .duplicateDomain, .duplicateRecipient, .duplicateAlias, .emptyAlias, .loop, .tooDeep, .tooManyTargets:
      return false
    }
  }
}

extension Mailbox {
  /// The router names the catch-all `*`.
  fileprivate var inFile: String { localPart == "*" ? "the catch-all of \(domain)" : description }
}
