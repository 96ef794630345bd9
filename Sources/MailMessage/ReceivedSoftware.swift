internal import MailSyntax

/// The software that wrote a Received field, told by the form of the field: each has its own.
public enum ReceivedSoftware: String, Hashable, Sendable, CaseIterable {
  case martlet = "Martlet"
  case postfix = "Postfix"
  case exim = "Exim"
  case sendmail = "Sendmail"
  case openSMTPD = "OpenSMTPD"
  case exchange = "Exchange"
  case microsoftSMTPService = "Microsoft SMTPSVC"
  case google = "Google"
  case dovecot = "Dovecot"
  case qmail = "qmail"
  case amazonSES = "Amazon SES"
  case mox = "mox"
  case stalwart = "Stalwart"
  case chasquid = "chasquid"
  case haraka = "Haraka"
  case amavis = "amavis"
  case qpsmtpd = "qpsmtpd"

  /// Whether its field always shows TLS where there was any, for EHLO and for HELO: then nothing about TLS means none.
  var showsTLS: (extended: Bool, basic: Bool) {
    switch self {
    case .martlet, .exim, .sendmail, .openSMTPD, .exchange, .microsoftSMTPService, .mox, .stalwart, .chasquid:
      (true, true)
    // RFC 3848 has no name for HELO inside TLS, and these write no more than the name unless they are told to.
    case .postfix, .google, .dovecot, .haraka: (true, false)
    case .qmail, .qpsmtpd, .amazonSES, .amavis: (false, false)
    }
  }

  /// - Parameter trace: of the field; only what its writer alone has a hand in is looked at, never what the peer said.
  static func wrote(_ trace: ReceivedTrace) -> ReceivedSoftware? {
    if trace.openingComments.first?.hasPrefix("qmail ") == true { return .qmail }
    let own = trace.clauses.filter { $0.name != "from" }
    for comment in own.flatMap(\.comments) {
      if let named = named(in: comment) { return named }
    }
    let with = trace.clause("with")
    if with?.value == "Microsoft", let rest = with?.rest {
      return rest.first?.hasPrefix("SMTPSVC") == true ? .microsoftSMTPService : .exchange
    }
    if with?.value == "mapi" { return .exchange }
    if let host = trace["by"]?.lowercasedASCII() {
      if isWithin(host, ["google.com", "gmail.com"]) { return .google }
      if isWithin(host, ["amazonaws.com", "amazonses.com"]) { return .amazonSES }
      // Google's own 6to4 addresses, unbracketed, stand nowhere else.
      if host.hasPrefix("2002:a"), with?.value == "SMTP" { return .google }
    }
    if trace["via"] == "tcp" { return .mox }
    if with?.value.uppercased().hasPrefix("LMTP") == true, trace["id"] != nil { return .dovecot }
    if let from = trace.clause("from"), from.comments.contains(where: { IPAddress($0) != nil }),
      from.comments.contains(where: { $0.hasPrefix("HELO ") || $0.hasPrefix("EHLO ") })
    {
      return .qmail
    }
    return nil
  }

  private static func named(in comment: String) -> ReceivedSoftware? {
    let opening = comment.prefix { !" ,/".contains($0) }
    switch opening {
    case "Martlet": return .martlet
    case "Postfix": return .postfix
    case "Exim": return .exim
    case "OpenSMTPD": return .openSMTPD
    case "Stalwart": return .stalwart
    case "chasquid": return .chasquid
    case "Haraka": return .haraka
    case "amavis", "amavisd-new": return .amavis
    case "qpsmtpd": return .qpsmtpd
    case _ where opening.hasPrefix("SimpleEmailService"): return .amazonSES
    // (8.17.1/8.16.1)
    case _ where comment.hasPrefix("8.") && comment.contains("/8."): return .sendmail
    case _: return nil
    }
  }

  private static func isWithin(_ host: String, _ domains: [String]) -> Bool {
    domains.contains { host == $0 || host.hasSuffix("." + $0) }
  }
}
