public import MailSyntax

/// The senders a user may write: in MAIL FROM, and in the header's From. Source: RFC 6409 §6.1.
public struct SenderRights: Hashable, Sendable {
  public static let maximumPatterns = 1000
  public let patterns: [SenderPattern]

  public init(_ patterns: [SenderPattern]) throws(UserFault) {
    guard patterns.count <= SenderRights.maximumPatterns else { throw .tooManySenders }
    self.patterns = patterns
  }

  /// No sender but `<>`.
  public static let none = SenderRights()
  private init() { patterns = [] }

  /// `<>` is everybody's: a program may send reports and replies that must not bounce (RFC 5321 §4.5.5).
  public func mayUse(_ path: ReversePath) -> Bool {
    switch path {
    case .null: true
    case .mailbox(let mailbox): mayUse(mailbox)
    }
  }

  public func mayUse(_ mailbox: Mailbox) -> Bool { patterns.contains { $0.matches(mailbox) } }
}

/// One pattern: `user@example.org`, `@example.org` or `*@example.org` for every local part there but none of its
/// subdomains, `*` for all.
///
/// Local parts compare octet for octet, domains without case (RFC 5321 §2.4).
public enum SenderPattern: Hashable, Sendable, CustomStringConvertible {
  case any
  case domain(MailDomain)
  case mailbox(Mailbox)

  public init(_ text: some StringProtocol) throws(UserFault) {
    do throws(MailSyntaxError) {
      if text == "*" {
        self = .any
      } else if text.hasPrefix("@") {
        self = .domain(try MailDomain(text.dropFirst()))
      } else if text.hasPrefix("*@") {
        self = .domain(try MailDomain(text.dropFirst(2)))
      } else {
        self = .mailbox(try Mailbox(text))
      }
    } catch {
      throw .badSender(String(text.prefix(Mailbox.maximumPathOctets)))
    }
  }

  public func matches(_ mailbox: Mailbox) -> Bool {
    switch self {
    case .any: true
    case .domain(let domain): mailbox.domain == domain
    case .mailbox(let allowed):
      // String's own equality takes canonically equivalent texts for equal; a right must not stretch so.
      mailbox.domain == allowed.domain && mailbox.localPart.utf8.elementsEqual(allowed.localPart.utf8)
    }
  }

  public var description: String {
    switch self {
    case .any: "*"
    case .domain(let domain): "@\(domain)"
    case .mailbox(let mailbox): mailbox.description
    }
  }
}
