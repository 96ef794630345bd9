/// What an attacker in the middle of an SMTP connection does. It sees and changes every octet in clear, and has no key of
/// anybody's but its own: the active attacker of RFC 3207 §6, RFC 7672 §1.2 and RFC 8461 §10.
public enum Attack: Sendable {
  /// It only listens. Mail in clear it reads; TLS with the true server goes past it unread. RFC 7258 §1.
  case none

  /// The line that offers STARTTLS is cut out of EHLO's answer, so that a client believes that the server has no TLS. A
  /// STARTTLS sent all the same gets 502. RFC 3207 §6 names it; RFC 8461 §4.2 and RFC 7672 §2.2 are the defence.
  case stripSTARTTLS(Segments = .whole)

  /// STARTTLS is offered, and answered `454 4.7.0` in the server's place. To a client it looks like a server with a
  /// trouble that will pass (RFC 3207 §4), which many take as leave to go on in clear.
  case refuseSTARTTLS

  /// EHLO is answered 500 in the server's place. A client then says HELO (RFC 5321 §3.2), and with it there are no
  /// extensions, STARTTLS among them.
  case refuseEHLO

  /// The handshake goes past unchanged, and behind the server's 220 to STARTTLS stand replies of the attacker's. A client
  /// that keeps them over the handshake takes them for what the server says inside TLS. RFC 3207 §4.2 has a client forget
  /// what came before; CVE-2011-0411 is the same from the other side.
  ///
  /// - Parameter replies: whole replies with their CRLF, or a part of one.
  case injectBehind220(_ replies: String = Attack.forgedAcceptance, Segments = .whole)

  /// STARTTLS is answered in the server's place, with a certificate that an authority of the attacker's own has issued for
  /// the right name. Nobody believes that authority (RFC 5280 §6.1), but who asks no proof doesn't look (RFC 7435 §3).
  case forgeCertificate(AttackIdentity, onward: Onward = .tls)

  /// The same with a certificate that was true until it expired, and whose key the attacker has come by.
  /// RFC 8461 §4.2 asks for a valid one; of DANE's usages only DANE-EE doesn't look at dates (RFC 7672 §3.1.1).
  case expiredCertificate(AttackIdentity, onward: Onward = .tls)

  /// The same with a certificate that a believed authority issued for a name that is the attacker's own. What it lacks is
  /// the name of the host (RFC 9525 §6.3, RFC 8461 §4.1).
  case wrongName(AttackIdentity, onward: Onward = .tls)

  /// How what it changes is sent on.
  public enum Segments: Hashable, Sendable, CaseIterable {
    /// In one segment.
    case whole
    /// Two octets, and after a moment the rest: a client must not look at one segment alone.
    case split
  }

  /// How the attacker goes on to the true server once the client has taken it for that.
  public enum Onward: Hashable, Sendable, CaseIterable { case clear, tls }

  /// What a server says to a whole transaction, from EHLO inside TLS to the end of data: a client that believes it holds
  /// the mail for delivered, whatever the server really says.
  public static let forgedAcceptance =
    "250 mx\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on\r\n250 2.0.0 queued\r\n221 2.0.0 bye\r\n"
}

extension Attack {
  /// The attack in a few words, as a table shows it.
  public var title: String {
    switch self {
    case .none: "only listened to"
    case .stripSTARTTLS: "STARTTLS stripped"
    case .refuseSTARTTLS: "STARTTLS answered 454"
    case .refuseEHLO: "EHLO answered 500"
    case .injectBehind220: "bytes behind the 220"
    case .forgeCertificate: "forged certificate"
    case .expiredCertificate: "expired certificate"
    case .wrongName: "wrong name"
    }
  }

  /// Where TLS with the client is the attacker's own, what it shows and how it goes on.
  var impersonation: (identity: AttackIdentity, onward: Onward)? {
    switch self {
    case .none, .stripSTARTTLS, .refuseSTARTTLS, .refuseEHLO, .injectBehind220: nil
    case .forgeCertificate(let identity, let onward), .expiredCertificate(let identity, let onward),
      .wrongName(let identity, let onward):
      (identity, onward)
    }
  }
}
