public import MailSyntax

/// A reply to the end of data that refuses a message for what SPF or DMARC said of it.
public struct AuthenticationReply: Hashable, Sendable {
  public let code: ReplyCode
  public let status: EnhancedStatusCode
  /// Printable ASCII, at least one line.
  public let lines: [String]

  /// RFC 9989 §7.2: the text has the word DMARC, so that programs find it.
  static func failed(dmarcOf domain: DomainName?) -> AuthenticationReply {
    AuthenticationReply(
      code: ReplyCode(550), status: EnhancedStatusCode(.permanent, 7, 1),
      lines: ["Message rejected per DMARC policy\(named(domain))"])
  }

  /// RFC 9989 §4.10.1: whoever fails closed answers with a 4xy, and a later try may have an answer.
  static func unanswered(dmarcOf domain: DomainName?) -> AuthenticationReply {
    AuthenticationReply(
      code: ReplyCode(451), status: EnhancedStatusCode(.persistentTransient, 4, 3),
      lines: ["DMARC could not be checked\(named(domain)) for now; try again later"])
  }

  /// RFC 7208 §8.4, RFC 7372 §3.2. The domain's own words stand behind ours, and are told from them (RFC 7208 §6.2).
  static func failed(_ spf: SPFOutcome, client: IPAddress) -> AuthenticationReply {
    let domain = FieldText.sanitised(spf.domain)
    var lines = ["SPF: \(domain) says that \(client) may not send in its name"]
    if let explanation = spf.explanation {
      lines.append("The domain \(domain) explains:")
      lines += cut(FieldText.sanitised(explanation))
    }
    return AuthenticationReply(
      code: ReplyCode(550), status: EnhancedStatusCode(.permanent, 7, 23), lines: lines)
  }

  /// RFC 7208 §8.6.
  static func unanswered(_ spf: SPFOutcome) -> AuthenticationReply {
    AuthenticationReply(
      code: ReplyCode(451), status: EnhancedStatusCode(.persistentTransient, 4, 3),
      lines: ["SPF could not be checked for \(FieldText.sanitised(spf.domain)) for now; try again later"])
  }

  private static func named(_ domain: DomainName?) -> String {
    domain.map { " for \(FieldText.sanitised($0.description))" } ?? ""
  }

  /// Octets of one line: with its code and a margin it stays below RFC 5321 §4.5.3.1.5's 512.
  private static let lineOctets = 400

  private static func cut(_ text: String) -> [String] {
    var (lines, rest) = ([String](), text.utf8[...])
    while !rest.isEmpty {
      lines.append(String(decoding: rest.prefix(lineOctets), as: UTF8.self))
      rest = rest.dropFirst(lineOctets)
    }
    return lines
  }
}
