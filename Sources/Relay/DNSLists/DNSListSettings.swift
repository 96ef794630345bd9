public import MailSyntax

/// The lists that are asked about clients, and who isn't asked about.
public struct DNSListSettings: Hashable, Sendable {
  public static let maximumLists = 8
  public var lists: [DNSList]
  /// Besides `IPNetwork.notGlobal`: the operator's own, and those of proxies.
  public var uncheckedNetworks: [IPNetwork]

  public init(lists: [DNSList] = [], uncheckedNetworks: [IPNetwork] = []) {
    self.lists = Array(lists.prefix(DNSListSettings.maximumLists))
    self.uncheckedNetworks = uncheckedNetworks
  }

  func isAsked(about address: IPAddress) -> Bool {
    !lists.isEmpty && address.isStrange(besides: uncheckedNetworks)
  }
}
