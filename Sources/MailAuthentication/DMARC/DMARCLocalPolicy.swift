public import MailMessage
public import MailSyntax

/// What this server does with a message after DMARC: pure. Source: RFC 9989 §5.4, §7.2, §7.4.
public enum DMARCLocalPolicy {
  public enum Mode: String, Hashable, Sendable, CaseIterable {
    /// Looks, records, and changes nothing.
    case monitor
    case enforce
  }

  public enum Disposition: Hashable, Sendable {
    case accept
    /// Delivered where suspicious mail goes. The reason is one line for people.
    case quarantine(reason: String)
    case reject(DMARCReply)
    /// Refused for now, so that the sender comes again.
    case tryLater(DMARCReply)
  }

  /// RFC 9989 §7.4: no message is refused on the word of p=reject alone. Mail that came by another's hands is
  /// quarantined, and so is mail of which nothing is known; it takes a look that found it direct to refuse it.
  public static func disposition(of outcome: DMARCOutcome, path: DMARCMailPath, mode: Mode) -> Disposition {
    switch mode {
    case .monitor: return .accept
    case .enforce: break
    }
    switch outcome.result {
    case .none, .pass: return .accept
    case .fail: return failed(outcome, path)
    case .temperror: return .tryLater(.unanswered(outcome.decisive?.authorDomain))
    // RFC 9989 §11.5: a From field that shows an author and lets none be asked about may be made so on purpose. A
    // record that can't be used is its publisher's affair, and DMARC isn't applied (§4.10.1).
    case .permerror:
      return outcome.authorFault.map { .quarantine(reason: "DMARC can't be asked: \($0)") } ?? .accept
    }
  }

  private static func failed(_ outcome: DMARCOutcome, _ path: DMARCMailPath) -> Disposition {
    let domain = outcome.decisive.map { $0.authorDomain.description } ?? "the author's domain"
    switch outcome.requested {
    // RFC 9989 §5.4: p=none MUST NOT change how mail is handled.
    case .none: return .accept
    case .quarantine: return .quarantine(reason: "DMARC failed, and \(domain) asks for quarantine")
    case .reject:
      switch path {
      case .direct: return .reject(.refused(outcome.decisive?.authorDomain))
      case .indirect(let reason):
        return .quarantine(reason: "DMARC failed, and \(domain) asks for reject, but \(reason)")
      case .unknown:
        return .quarantine(
          reason: "DMARC failed, and \(domain) asks for reject; nothing else speaks against the message")
      }
    }
  }
}

/// Whether a message came from its author's servers or by way of a list or a forwarder, as far as can be told.
public enum DMARCMailPath: Hashable, Sendable {
  /// Nobody looked.
  case unknown
  case direct(because: String)
  case indirect(because: String)

  /// Fields by which lists mark what they send on. RFC 2919, RFC 2369.
  static let listFields = ["list-id", "list-post"]

  /// Looks for the marks of a list.
  ///
  /// - Parameter isSealed: a chain of ARC (RFC 8617) that passed says that others handled the message.
  public init(_ header: HeaderSection, isSealed: Bool) {
    if isSealed {
      self = .indirect(because: "an ARC chain that holds says that others handled it")
    } else if let field = header.fields.first(where: { DMARCMailPath.listFields.contains($0.name) }) {
      self = .indirect(because: "its field \(field.name) says that a mailing list sent it on")
    } else {
      self = .direct(because: "it has neither the mark of a mailing list nor an ARC chain that holds")
    }
  }
}

/// A reply to the end of data. Source: RFC 9989 §7.2, whose text has the word DMARC, so that programs find it.
public struct DMARCReply: Hashable, Sendable {
  public let code: ReplyCode
  public let status: EnhancedStatusCode
  /// Printable ASCII.
  public let text: String

  static func refused(_ domain: DomainName?) -> DMARCReply {
    DMARCReply(
      code: ReplyCode(550), status: EnhancedStatusCode(.permanent, 7, 1),
      text: "Message rejected per DMARC policy\(named(domain))")
  }

  /// RFC 9989 §4.10.1: whoever fails closed answers with a 4xy, and a later try may have an answer.
  static func unanswered(_ domain: DomainName?) -> DMARCReply {
    DMARCReply(
      code: ReplyCode(451), status: EnhancedStatusCode(.persistentTransient, 4, 3),
      text: "DMARC could not be checked\(named(domain)) for now; try again later")
  }

  private static func named(_ domain: DomainName?) -> String {
    domain.map { " for \(FieldText.sanitised($0.description))" } ?? ""
  }
}
