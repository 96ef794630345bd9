import MailSyntax

extension MailParameters {
  /// RFC 3461 §4.4: characters of ENVID as sent.
  public static let maximumEnvelopeIDOctets = 100
}

extension Command {
  /// The path of MAIL or RCPT needs SMTPUTF8: where the transaction didn't ask for it the session answers 550 5.6.7
  /// to MAIL and 553 5.6.7 to RCPT (RFC 6531 §3.5).
  public var carriesNonASCII: Bool {
    switch self {
    case .mail(let path, _): !path.isASCII
    case .rcpt(let path, _): !path.isASCII
    case .ehlo, .helo, .startTLS, .auth, .data, .bdat, .rset, .noop, .help, .vrfy, .expn, .quit: false
    }
  }

  public var verb: Verb {
    switch self {
    case .ehlo: .ehlo
    case .helo: .helo
    case .startTLS: .startTLS
    case .auth: .auth
    case .mail: .mail
    case .rcpt: .rcpt
    case .data: .data
    case .bdat: .bdat
    case .rset: .rset
    case .noop: .noop
    case .help: .help
    case .vrfy: .vrfy
    case .expn: .expn
    case .quit: .quit
    }
  }
}
