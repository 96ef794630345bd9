public import MailMessage
public import MailSyntax

/// What this server does with a message after SPF, DKIM and DMARC: pure. Source: RFC 9989 §5.4, §7.2, §7.4; RFC 7208 §8.
public enum LocalPolicy {
  public enum Mode: String, Hashable, Sendable, CaseIterable {
    /// Looks, records, and changes nothing.
    case monitor
    case enforce
  }

  public enum Disposition: Hashable, Sendable {
    case accept
    /// Taken, and marked as suspicious. The reason is one line for people.
    case quarantine(reason: String)
    case reject(AuthenticationReply)
    /// Refused for now, so that the sender comes again.
    case tryLater(AuthenticationReply)
  }

  /// DMARC has the word where its author's domain has a policy. Where it has none, SPF's `fail` refuses what nobody else
  /// answers for and nobody else has handled: without a policy nothing says that the domain signs all its mail.
  ///
  /// - Parameters:
  ///   - spf: of MAIL FROM; nil where there was nothing to ask about.
  ///   - client: who brought the message.
  public static func disposition(
    spf: SPFOutcome?, dkim: [DKIMOutcome], dmarc: DMARCOutcome, path: MailPath, client: IPAddress, mode: Mode
  ) -> Disposition {
    switch mode {
    case .monitor: return .accept
    case .enforce: break
    }
    switch dmarc.result {
    case .pass: return .accept
    case .fail: return failed(dmarc, path)
    case .temperror: return .tryLater(.unanswered(dmarcOf: dmarc.decisive?.authorDomain))
    // RFC 9989 §11.5: a From field that shows an author and lets none be asked about may be made so on purpose. A
    // record that can't be used is its publisher's affair, and DMARC isn't applied (§4.10.1).
    case .permerror: if let fault = dmarc.authorFault { return .quarantine(reason: "DMARC can't be asked: \(fault)") }
    case .none: break
    }
    // RFC 6376 §6.3: a signature that holds has somebody who answers for the message, whoever brought it.
    guard let spf, !dkim.contains(where: { $0.result == .pass }), case .direct = path else { return .accept }
    switch spf.result {
    // A signature that might hold might speak for what a forwarder brought.
    case .fail where dkim.contains { $0.result == .temperror }: return .tryLater(.unanswered(spf))
    case .fail: return .reject(.failed(spf, client: client))
    case .temperror: return .tryLater(.unanswered(spf))
    // RFC 7208 §8.2: neutral is as none; §8.5: softfail alone refuses nothing; a record that can't be read is its
    // publisher's affair here too (§8.7).
    case .none, .neutral, .pass, .softfail, .permerror: return .accept
    }
  }

  /// RFC 9989 §7.4: no message is refused on the word of p=reject alone: mail known to have come by another's hands is
  /// quarantined.
  private static func failed(_ outcome: DMARCOutcome, _ path: MailPath) -> Disposition {
    let domain = outcome.decisive.map { $0.authorDomain.description } ?? "the author's domain"
    switch outcome.requested {
    // RFC 9989 §5.4: p=none MUST NOT change how mail is handled.
    case .none: return .accept
    case .quarantine: return .quarantine(reason: "DMARC failed, and \(domain) asks for quarantine")
    case .reject:
      switch path {
      case .direct: return .reject(.failed(dmarcOf: outcome.decisive?.authorDomain))
      case .indirect(let reason):
        return .quarantine(reason: "DMARC failed, and \(domain) asks for reject, but \(reason)")
      }
    }
  }
}

/// Whether a message is known to have come by way of a list or of somebody who sent it on, as far as its header says.
public enum MailPath: Hashable, Sendable {
  /// Nothing says otherwise.
  case direct
  case indirect(because: String)

  /// The fields that say so, and of what: RFC 2919, RFC 2369; RFC 5322 §3.6.6.
  private static let marks = ["list-id": "a mailing list", "list-post": "a mailing list", "resent-from": "somebody"]

  public init(_ header: HeaderSection) {
    let marks = header.fields.lazy.compactMap { field in MailPath.marks[field.name].map { (field.name, $0) } }
    self =
      if let (name, whose) = marks.first {
        .indirect(because: "its field \(name) says that \(whose) sent it on")
      } else {
        .direct
      }
  }
}
