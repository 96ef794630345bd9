public import Accounts
public import MailSyntax
import Relay

extension Configuration {
  /// A user who writes as an address of ours and can't be written to: neither answers nor reports come back.
  public struct UnreachableUser: Hashable, Sendable {
    public let address: Mailbox
    /// `domains.example.com`
    let place: String
    public var text: String { "the user \(address) has no mailbox: answers and delivery reports to it are refused" }
    public var remedy: String { "add \(address.localPart) to \(place).recipients, or an alias of it" }
  }

  /// Those among `users` that no mail reaches, in their order.
  public func unreachable(_ users: [User]) -> [UnreachableUser] {
    guard let routing = try? routing() else { return [] }
    return users.compactMap { user in
      guard let address = try? Mailbox(user.name.description), routing.isOwn(address.domain),
        routing.route(address, reach: .ownDomains).refusal != nil, let domain = address.domain.name
      else { return nil }
      return UnreachableUser(address: address, place: Configuration.place(of: domain))
    }
  }
}
