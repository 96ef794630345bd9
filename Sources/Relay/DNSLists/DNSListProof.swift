public import DNSRecords
public import MailSyntax

/// Tries whether a list works: one that was given up lists nobody, or the whole world. RFC 5782 §5 has an entry that must
/// be there and one that must not, for addresses of IPv4 and of IPv6 (§2.4).
public struct DNSListProof: Sendable {
  /// What a list was seen to know.
  public struct Standing: Hashable, Sendable {
    public var families: Set<AddressFamily>
    public var fault: DNSListFault?
    public init(families: Set<AddressFamily> = [], fault: DNSListFault? = nil) {
      self.families = families
      self.fault = fault
    }
    public func serves(_ address: IPAddress) -> Bool { fault == nil && families.contains(address.family) }

    /// No answer came: what was seen before it holds, and if that was nothing there is nobody to go by.
    fileprivate func interrupted(_ reason: String) -> Standing {
      families.isEmpty ? Standing(fault: .silent(reason)) : self
    }
  }

  /// 127.0.0.2 and 127.0.0.1; the same mapped into IPv6.
  private static let entries: [(family: AddressFamily, listed: IPAddress, unlisted: IPAddress)] = [
    (.v4, .v4(0x7f00_0002), .v4(0x7f00_0001)),
    (.v6, .v6(high: 0, low: 0xffff_7f00_0002), .v6(high: 0, low: 0xffff_7f00_0001)),
  ]

  /// Four questions, one after the other; each takes at most what `ask` takes. A list without addresses of IPv6, as most
  /// are, serves IPv4 alone, and the other way round.
  public static func run(
    of list: DNSList, asking ask: (DomainName) async -> DNSAnswer<IPAddress>
  ) async -> Standing {
    // Which answers refuse mail is the operator's choice; the test entries may have others.
    var list = list
    list.answers = []
    var standing = Standing()
    for entry in entries {
      switch await finding(about: entry.unlisted, in: list, ask) {
      case .listed: return Standing(fault: .listsEverybody)
      case .declined(let reason): return Standing(fault: .declines(reason))
      case .unanswered(let reason): return standing.interrupted(reason)
      case .notListed: break
      }
      switch await finding(about: entry.listed, in: list, ask) {
      case .listed: standing.families.insert(entry.family)
      case .declined(let reason): return Standing(fault: .declines(reason))
      case .unanswered(let reason): return standing.interrupted(reason)
      case .notListed: break
      }
    }
    if standing.families.isEmpty { standing.fault = .listsNobody }
    return standing
  }

  private static func finding(
    about address: IPAddress, in list: DNSList, _ ask: (DomainName) async -> DNSAnswer<IPAddress>
  ) async -> DNSList.Finding {
    guard let question = list.question(about: address) else { return .unanswered("the zone's name is too long") }
    return list.finding(in: await ask(question))
  }
}

/// Why a list isn't gone by.
public enum DNSListFault: Hashable, Sendable, CustomStringConvertible {
  case listsEverybody
  case listsNobody
  /// In the words of the finding.
  case declines(String)
  case silent(String)

  public var description: String {
    switch self {
    case .listsEverybody: "it lists 127.0.0.1, which no list may have, so it may list everybody (RFC 5782 §5)"
    case .listsNobody: "it does not list 127.0.0.2, which every list has, so it may list nobody (RFC 5782 §5)"
    case .declines(let reason): reason
    case .silent(let reason): "its test entry can't be looked up: \(reason)"
    }
  }

  /// How to mend it.
  public var remedy: String {
    switch self {
    case .listsEverybody, .listsNobody: "take the list out of inbound.dns_lists if it was given up, or mend its zone"
    case .declines:
      "ask from the root on, or by a resolver of your own (dns.servers): public ones are refused; big senders need a "
        + "contract with the list"
    case .silent: "check the zone's name, and that the resolver reaches its name servers"
    }
  }
}
