public import MailQueue
public import MailSyntax
public import SMTPGrammar

/// Where the mail for one forward path goes, or why it goes nowhere.
public enum RoutingAnswer: Hashable, Sendable {
  /// At least one; more than one when the path named an alias.
  case deliver([ResolvedRecipient])
  /// Our domain, and nobody of that name.
  case unknownUser
  /// Not our domain, and who asks may only reach our domains.
  case notOurs
  /// Not our domain, and nothing is configured that takes mail elsewhere.
  case noRoute

  /// What a session says to a path that can't be taken; nil for `deliver`. Every answer is given while the client is
  /// still there, so that nothing needs to bounce (DSN-017).
  public var refusal: Reply? {
    switch self {
    case .deliver: nil
    case .unknownUser: Reply(550, EnhancedStatusCode(.permanent, 1, 1), "no such user here")
    // RFC 5321 §3.6.2 and §7.9: a refusal by policy is 550.
    case .notOurs: Reply(550, EnhancedStatusCode(.permanent, 7, 1), "this server does not relay to that domain")
    case .noRoute: Reply(550, EnhancedStatusCode(.permanent, 4, 4), "this server has no route to that domain")
    }
  }
}

/// One address that stands in the queue, and the route it takes.
public struct ResolvedRecipient: Hashable, Sendable {
  public let address: Mailbox
  public let route: RouteKey
  public init(address: Mailbox, route: RouteKey) {
    self.address = address
    self.route = route
  }
}

/// How far who asks may send.
public enum RoutingReach: Hashable, Sendable {
  /// Another mail server, on port 25: to our domains alone.
  case ownDomains
  /// An authenticated user, a report of our own, or a server that catches all: anywhere.
  case anywhere
}

/// What is wrong with the configured domains; all of it is told at once.
public struct RoutingFaults: Error, Hashable, Sendable, CustomStringConvertible {
  public let faults: [RoutingFault]
  public var description: String { faults.map(\.description).joined(separator: "\n") }
}

public enum RoutingFault: Hashable, Sendable, CustomStringConvertible {
  case duplicateDomain(DomainName)
  case duplicateRecipient(Mailbox)
  case duplicateAlias(Mailbox)
  case emptyAlias(Mailbox)
  /// `source` leads to an address of ours where nobody lives.
  case unknownTarget(source: Mailbox, target: Mailbox)
  /// `source` leads to another domain, and there is no outbound route.
  case unroutableTarget(source: Mailbox, target: Mailbox)
  case loop(source: Mailbox, at: Mailbox)
  case tooDeep(source: Mailbox)
  case tooManyTargets(source: Mailbox)

  public var description: String {
    switch self {
    case .duplicateDomain(let name): "the domain \(name) is configured twice"
    case .duplicateRecipient(let mailbox): "the recipient \(mailbox) is configured twice"
    case .duplicateAlias(let mailbox): "the alias \(mailbox) is configured twice"
    case .emptyAlias(let mailbox): "the alias \(mailbox) names nobody"
    case .unknownTarget(let source, let target):
      "\(source) leads to \(target), and no recipient or alias has that name: add one or change the target"
    case .unroutableTarget(let source, let target):
      "\(source) leads to \(target), which is not ours, and there is no outbound route: configure one"
    case .loop(let source, let mailbox):
      "\(source) leads round in a circle at \(mailbox): add it as a recipient if it is to keep a copy"
    case .tooDeep(let source): "\(source) leads through more than \(Routing.maximumAliasDepth) aliases"
    case .tooManyTargets(let source): "\(source) leads to more than \(Routing.maximumAliasTargets) addresses"
    }
  }
}
