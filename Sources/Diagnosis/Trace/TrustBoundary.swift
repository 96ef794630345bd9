public import MailMessage
public import MailSyntax

/// Up to where a Received chain can be believed. Each field is the word of the server that wrote it; whoever hands a
/// message over can put any fields below his own into it (RFC 5321 §7.6 calls them informal for that reason).
///
/// The newest field was written by the server that the message was fetched from, so it is believed. Below it a field is
/// believed as long as the one above says that the message didn't come from outside: from the machine itself, or from
/// an address or proven name that the reader has named. What a sender calls itself never counts.
public struct TrustBoundary: Sendable {
  /// Domains whose servers are the reader's own.
  public var domains: [DomainName]
  /// Whether an address is one of the reader's own servers.
  public var contains: @Sendable (IPAddress) -> Bool

  /// - Parameter contains: none by default.
  public init(domains: [DomainName] = [], contains: @escaping @Sendable (IPAddress) -> Bool = { _ in false }) {
    self.domains = domains
    self.contains = contains
  }

  /// How many of the hops, given newest first, are told by servers that can be believed.
  public func believed(_ newestFirst: [ReceivedHop]) -> Int {
    var count = 0
    for hop in newestFirst {
      if count == 0, !domains.isEmpty, !isOwn(hop.receiver) { return 0 }
      count += 1
      guard staysInside(hop) else { return count }
    }
    return count
  }

  /// Whether the field below this one was still written by a server of the reader's.
  private func staysInside(_ hop: ReceivedHop) -> Bool {
    switch hop.way {
    // Whoever hands a message in on the machine brings its older fields along.
    case .localSubmission, .mapi, .web: return false
    case .innerStep: return true
    case .smtp, .lmtp, .other, .unsaid: break
    }
    guard let sender = hop.sender else { return false }
    if case .inside = HopVerdict(hop) { return true }
    if let address = sender.address, contains(address) { return true }
    guard hop.software?.provesNames == true else { return false }
    return isOwn(sender.foundName)
  }

  private func isOwn(_ name: String?) -> Bool {
    guard let name = name?.lowercasedASCII() else { return false }
    let host = name.hasSuffix(".") ? String(name.dropLast()) : name
    return domains.contains { domain in
      let domain = domain.description.lowercasedASCII()
      return host == domain || host.hasSuffix("." + domain)
    }
  }
}

extension ReceivedSoftware {
  /// Whether it writes a sender's name only when its address leads back to it.
  fileprivate var provesNames: Bool {
    switch self {
    case .martlet, .postfix, .exim: true
    case .sendmail, .openSMTPD, .exchange, .microsoftSMTPService, .google, .dovecot, .qmail, .amazonSES, .mox,
      .stalwart, .chasquid, .haraka, .amavis, .qpsmtpd:
      false
    }
  }
}
