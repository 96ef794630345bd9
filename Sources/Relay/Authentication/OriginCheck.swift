import DNSRecords
import MailAuthentication
import MailMessage
import MailQueue
import MailSyntax
import NIOCore
import OrderedCollections
import SMTPGrammar
import SMTPSessions

/// In whose name a message came, by SPF, DKIM and DMARC: its octets go by, none is kept, and all is asked once it is
/// here whole.
struct OriginCheck: Sendable {
  private let header: HeaderSection
  private let reversePath: ReversePath
  private let client: IPAddress
  private let greeting: String
  private let host: DomainName
  private let authentication: InboundAuthentication
  private var verifier: DKIMVerifier

  /// - Parameter header: as it came.
  init(
    _ header: HeaderSection, _ transaction: Transaction, _ session: SessionFacts, host: DomainName,
    by authentication: InboundAuthentication
  ) {
    self.header = header
    self.host = host
    self.authentication = authentication
    reversePath = transaction.reversePath
    client = session.peer.address
    greeting = session.clientIdentity?.description ?? ""
    verifier = DKIMVerifier(converter: authentication.converter)
    verifier.begin(header)
  }

  mutating func append(_ body: ByteBuffer) { verifier.append(body) }

  /// Nil where it can't be known: without a resolver, not in time, or with too many others.
  func judge(clock: any MailClock) async -> OriginFindings? {
    guard let resolver = authentication.resolver() else { return nil }
    return await authentication.inPlace {
      await clock.within(InboundAuthentication.judgementTime) { await self.findings(by: resolver, clock) }
    }
  }

  /// Notes whether anything could be learned.
  ///
  /// - Returns: an alarm that is raised or over by it.
  func noteAnswer(_ findings: OriginFindings?) -> MailEvent? {
    let problem = findings.map { $0.unanswered ?? "no answer" } ?? "nothing could be learned in time"
    return authentication.answers.note(
      isAnswered: findings.map(\.isAnswered) ?? false, of: reversePath.mailbox.map { "\($0.domain)" } ?? "", problem)
  }

  private func findings(by resolver: any Resolver, _ clock: any MailClock) async -> OriginFindings {
    let check = SPFCheck(resolver: resolver, converter: authentication.converter, clock: clock, receiver: host)
    let (verifier, now) = (verifier, clock.now)
    async let helo = check.outcome(of: .helo(greeting, from: client))
    async let mailFrom = check.outcome(of: .mailFrom(reversePath.mailbox, from: client, helo: greeting))
    async let dkim = verifier.finish(resolver: resolver, now: now)
    let (spf, signatures) = await (mailFrom, dkim)
    let dmarc = await DMARCEvaluation(resolver: resolver, converter: authentication.converter)
      .evaluate(header, DMARCInput(spf: spf, signatures: signatures))
    return OriginFindings(
      helo: await helo, mailFrom: spf, dkim: signatures, dmarc: dmarc,
      path: MailPath(header), sender: reversePath.mailbox, client: client, greeting: greeting,
      converter: authentication.converter)
  }
}

/// What was found of a message's origin.
struct OriginFindings: Sendable {
  let helo: SPFOutcome
  let mailFrom: SPFOutcome
  let dkim: [DKIMOutcome]
  let dmarc: DMARCOutcome
  let path: MailPath
  /// Of MAIL FROM; nil for the null reverse path.
  let sender: Mailbox?
  let client: IPAddress
  let greeting: String
  let converter: any IDNAConverter

  func disposition(_ mode: LocalPolicy.Mode) -> LocalPolicy.Disposition {
    LocalPolicy.disposition(
      spf: mailFrom, dkim: dkim, dmarc: dmarc, path: path, client: client, mode: mode)
  }

  /// For the message, above all that is in front of it, the uppermost first (RFC 8601 §4; RFC 7208 §9.1).
  func trace(by host: DomainName, _ disposition: LocalPolicy.Disposition) -> [HeaderField] {
    [authenticationResults(by: host, disposition), receivedSPF(by: host)].compactMap(\.self)
  }

  private func authenticationResults(by host: DomainName, _ disposition: LocalPolicy.Disposition) -> HeaderField? {
    let reason: String? = if case .quarantine(let reason) = disposition { "quarantine: \(reason)" } else { nil }
    let signatures =
      dkim.isEmpty ? [AuthenticationResult(.dkim(.none))] : dkim.map { AuthenticationResult($0) }
    let results =
      [mailFrom, helo].map { AuthenticationResult($0, converter: converter) } + signatures
      + [AuthenticationResult(dmarc, reason: reason)]
    return try? AuthenticationResultsField(authservID: host, results: results).field()
  }

  /// An envelope outside ASCII makes the message an internationalised one, whose header may be outside ASCII too.
  private func receivedSPF(by host: DomainName) -> HeaderField? {
    try? ReceivedSPFField(mailFrom, of: sender, client: client, greeting: greeting, receiver: host)
      .field(allowsUTF8: sender.map { !"\($0)".utf8.allSatisfy { $0 < 0x80 } } ?? false)
  }

  /// For the log and the message's history.
  func fields(_ disposition: LocalPolicy.Disposition) -> [MailEvent.Field] {
    let signatures = dkim.map { outcome in
      let signer = outcome.signature.map { " \($0.domain)/\($0.selector)" } ?? ""
      return outcome.result.rawValue + signer
    }
    let author = dmarc.decisive.map { " \($0.authorDomain)" } ?? ""
    let asked = dmarc.result == .fail ? " \(dmarc.requested.rawValue)" : ""
    var fields: [MailEvent.Field] = [
      .init("spf", .text("\(mailFrom.result.rawValue) \(OriginFindings.named(mailFrom.domain))")),
      .init("helo", .text("\(helo.result.rawValue) \(OriginFindings.named(helo.domain))")),
      .init("dkim", .text(signatures.isEmpty ? "none" : signatures.joined(separator: ", "))),
      .init("dmarc", .text(dmarc.result.rawValue + author + asked)),
    ]
    if let unanswered { fields.append(.init("unanswered", .text(unanswered))) }
    if case .quarantine(let reason) = disposition { fields.append(.init("quarantine", .text(reason))) }
    return fields
  }

  /// What could not be looked up, and why; nil where all had an answer.
  var unanswered: String? {
    var problems: OrderedSet<String> = []
    for spf in [mailFrom, helo] where spf.result == .temperror {
      problems.append("SPF of \(OriginFindings.named(spf.domain)): \(spf.problem ?? "no answer")")
    }
    for outcome in dkim where outcome.result == .temperror {
      problems.append("DKIM of \(outcome.signature.map { "\($0.domain)" } ?? "a signature"): \(outcome.reason)")
    }
    if dmarc.result == .temperror, let verdict = dmarc.decisive {
      problems.append("DMARC of \(verdict.authorDomain): \(verdict.problem ?? "no answer")")
    }
    guard !problems.isEmpty else { return nil }
    return problems.joined(separator: "; ").cut(toOctets: OriginFindings.maximumUnansweredOctets)
  }

  /// Whether any name server said anything; nil where nothing was asked of one.
  var isAnswered: Bool? {
    switch (dmarc.result, mailFrom.result) {
    case (.none, _), (.pass, _), (.fail, _): true
    case (_, .pass), (_, .fail), (_, .softfail), (_, .neutral): true
    case (.temperror, _): false
    case (.permerror, .temperror): false
    case (.permerror, .none), (.permerror, .permerror): nil
    }
  }

  private static let maximumUnansweredOctets = 1_000

  /// Octets of a stranger's name in an event.
  private static let maximumNamedOctets = 255

  private static func named(_ domain: String) -> String { domain.cut(toOctets: maximumNamedOctets) }
}

extension Reply {
  init(_ refusal: AuthenticationReply) {
    self.init(refusal.code, refusal.status, lines: refusal.lines)
  }

  /// For a recipient whose domain goes by another policy than those before it.
  static let otherPolicy = Reply(
    452, EnhancedStatusCode(.persistentTransient, 5, 3),
    "mail for this recipient is authenticated otherwise than for those before it, send it by itself")
  /// Where nothing could be learned of a message that has to be authenticated.
  static let originUnknown = Reply(
    451, EnhancedStatusCode(.persistentTransient, 4, 3),
    "whose name the message comes in could not be checked for now, try again later")
}
