public import MailMessage
public import MailSyntax

/// The author's domains: those of the From field's addresses, each once, in their order and in their ASCII form.
/// Source: RFC 9989 §5.3.1.
///
/// Bound: `maximumDomains`. A field with more is refused whole: to look at a part of it would tell the sender where to
/// put the name that isn't looked at (RFC 9989 §11.5).
public struct DMARCAuthors: Hashable, Sendable {
  public static let maximumDomains = 4

  public let domains: [DomainName]

  public init(_ header: HeaderSection, converter: any IDNAConverter) throws(DMARCAuthorFault) {
    // RFC 9989 §4.2: a message without a single well-formed From is outside of DMARC, and its reader sees some author
    // all the same; so it is told apart from one that nobody has a policy for.
    guard let field = header.first("from") else { throw .noFrom }
    guard header.count(of: "from") == 1 else { throw .severalFields(header.count(of: "from")) }
    let list: AddressList
    do throws(FieldSyntaxError) {
      list = try AddressList.parse(octets: header.unfoldedValue(of: field), allowsUTF8: true)
    } catch {
      throw .unreadable(error)
    }
    // RFC 6854 §4: a group's members are authors; an empty group names none. An address literal has no owner in the
    // DNS.
    var domains: [DomainName] = []
    for name in list.mailboxes.compactMap(\.domain.name) {
      // RFC 9989 §5.3.1: a U-label MUST be converted to an A-label.
      let domain = converter.canonicalForm(of: name)
      guard domain.isASCII else { throw .noASCIIForm(name) }
      guard !domains.contains(domain) else { continue }
      guard domains.count < DMARCAuthors.maximumDomains else { throw .tooManyDomains }
      domains.append(domain)
    }
    guard !domains.isEmpty else { throw .noDomain }
    self.domains = domains
  }
}

/// Why a message has no author that DMARC could be asked about.
public enum DMARCAuthorFault: Error, Hashable, Sendable, CustomStringConvertible {
  case noFrom
  case severalFields(Int)
  case unreadable(FieldSyntaxError)
  /// Only address literals, or a group without members.
  case noDomain
  case noASCIIForm(DomainName)
  case tooManyDomains

  public var description: String {
    switch self {
    case .noFrom: "the message has no From field"
    case .severalFields(let count):
      "the message has \(count) From fields, and which of them a reader sees can't be told"
    case .unreadable(let fault): "the From field can't be read: \(fault)"
    case .noDomain: "the From field names no domain"
    case .noASCIIForm(let name): "\(FieldText.shown(name.description)) in the From field has no ASCII form"
    case .tooManyDomains: "the From field names more than \(DMARCAuthors.maximumDomains) domains"
    }
  }
}
