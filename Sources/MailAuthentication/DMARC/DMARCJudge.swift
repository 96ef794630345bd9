import DNSRecords
import MailSyntax

/// One message's identifiers held against one author's domain after another.
struct DMARCJudge {
  var lookups: DMARCLookups
  let identifiers: [DMARCIdentifier]

  mutating func say(_ text: String, _ source: String) { lookups.steps.append(AuthenticationStep(text, source)) }

  mutating func verdict(on author: DomainName) async -> DMARCVerdict {
    var verdict = DMARCVerdict(authorDomain: author)
    lookups.beginAuthor()
    say("the author's domain is \(author)", "RFC 9989 §5.3.1")
    if await !discoverPolicy(&verdict) { return verdict }
    guard let record = verdict.record, let policies = record.policies else {
      say("the record asks for nothing that can be understood, and DMARC isn't applied", "RFC 9989 §4.10.1")
      (verdict.result, verdict.problem) = (.permerror, "its record asks for nothing that can be understood")
      return verdict
    }
    await align(&verdict, record)
    decide(&verdict)
    await request(&verdict, record, policies)
    say("the result for \(author) is \(verdict.result.rawValue)", "RFC 9989 §5.3.5")
    return verdict
  }

  /// RFC 9989 §4.10.1. Answers whether a record was found; if not, the verdict is made.
  private mutating func discoverPolicy(_ verdict: inout DMARCVerdict) async -> Bool {
    let author = verdict.authorDomain
    // The author's own record needs no walk; the walk would ask for it first.
    if case .record(let record) = await lookups.finding(at: author) {
      (verdict.policyDomain, verdict.record) = (author, record)
      return true
    }
    let walk = await DMARCTreeWalk.walk(from: author, &lookups)
    if let failure = walk.failure {
      fail(&verdict, failure)
      return false
    }
    verdict.organizationalDomain = walk.organizationalDomain
    guard let policy = walk.policy else {
      // RFC 9989 §4.10.1: without a record the mechanism MUST NOT be applied.
      say("no policy record is at \(author) or above it, so DMARC doesn't apply", "RFC 9989 §4.10.1")
      return false
    }
    (verdict.policyDomain, verdict.record) = (policy.domain, policy.record)
    say(
      "\(policy.domain)'s record applies; the organizational domain is \(walk.organizationalDomain)",
      "RFC 9989 §4.10.1")
    return true
  }

  /// RFC 9989 §5.3.6: what could not be looked up neither passes nor fails.
  private mutating func fail(_ verdict: inout DMARCVerdict, _ failure: DMARCTreeWalk.Failure) {
    switch failure {
    case .temporary(let reason): (verdict.result, verdict.problem) = (.temperror, reason)
    case .exhausted: (verdict.result, verdict.problem) = (.permerror, "too many look-ups")
    }
    say("the policy can't be known: the result is \(verdict.result.rawValue)", "RFC 9989 §5.3.6")
  }

  private mutating func align(_ verdict: inout DMARCVerdict, _ record: DMARCRecord) async {
    for identifier in identifiers {
      let mode =
        switch identifier.mechanism {
        case .spf: record.spfAlignment
        case .dkim: record.dkimAlignment
        }
      let standing = await standing(of: identifier, mode, &verdict)
      verdict.alignments.append(
        DMARCAlignment(mechanism: identifier.mechanism, domain: identifier.domain, mode: mode, standing: standing))
      let name = "\(identifier.mechanism.rawValue)'s \(FieldText.sanitised(identifier.domain.description))"
      let told =
        switch standing {
        case .aligned: "\(name) is aligned (\(mode))"
        case .notAligned: "\(name) passed and is not aligned (\(mode))"
        case .notAuthenticated: "\(name) did not pass"
        case .unknown(let reason): "whether \(name) is aligned can't be known for now: \(reason)"
        case .notEvaluated: "\(name) was not looked at: too many names were already"
        }
      say(told, "RFC 9989 §4.10.2")
    }
  }

  private mutating func standing(
    of identifier: DMARCIdentifier, _ mode: DMARCRecord.Alignment, _ verdict: inout DMARCVerdict
  ) async -> DMARCAlignment.Standing {
    // RFC 9989 §4.4.1, §4.4.2: only what was authenticated can be aligned. What could not be checked for now matters
    // where it would have been.
    guard identifier.passed || identifier.isTemporaryError else { return .notAuthenticated }
    let relation = await relation(of: identifier.domain, mode, &verdict)
    guard identifier.passed else {
      return relation == .notAligned ? .notAuthenticated : .unknown("\(identifier.mechanism.rawValue) had no answer")
    }
    return relation
  }

  /// Whether a domain is the author's, or has its Organizational Domain.
  private mutating func relation(
    of domain: DomainName, _ mode: DMARCRecord.Alignment, _ verdict: inout DMARCVerdict
  ) async -> DMARCAlignment.Standing {
    let author = verdict.authorDomain
    if domain == author { return .aligned }
    // RFC 9989 §4.10.2: under strict alignment the names are compared, and nothing is looked up. An Organizational
    // Domain is made of a domain's last labels, so that two of no common end have none in common. A name without an
    // ASCII form can't stand in the DNS.
    guard mode == .relaxed, domain.isASCII, domain.topLevelDomain == author.topLevelDomain else {
      return .notAligned
    }
    let organization: DomainName
    if let known = verdict.organizationalDomain {
      organization = known
    } else {
      let walk = await DMARCTreeWalk.walk(from: author, &lookups)
      if let failure = walk.failure { return standing(failure) }
      organization = walk.organizationalDomain
      verdict.organizationalDomain = organization
      say("the organizational domain of \(author) is \(organization)", "RFC 9989 §4.10.2")
    }
    guard domain.isAtOrBelow(organization) else { return .notAligned }
    let walk = await DMARCTreeWalk.walk(from: domain, &lookups)
    if let failure = walk.failure { return standing(failure) }
    return walk.organizationalDomain == organization ? .aligned : .notAligned
  }

  private func standing(_ failure: DMARCTreeWalk.Failure) -> DMARCAlignment.Standing {
    switch failure {
    case .temporary(let reason): .unknown(reason)
    case .exhausted: .notEvaluated
    }
  }

  /// RFC 9989 §5.3.5: one aligned identifier is enough. §5.3.6: without one, an answer that is missing keeps the
  /// message from failing.
  private func decide(_ verdict: inout DMARCVerdict) {
    var unknown: String?
    var isIncomplete = false
    for alignment in verdict.alignments {
      switch alignment.standing {
      case .aligned:
        verdict.result = .pass
        return
      case .unknown(let reason): unknown = unknown ?? reason
      case .notEvaluated: isIncomplete = true
      case .notAligned, .notAuthenticated: continue
      }
    }
    if let unknown {
      (verdict.result, verdict.problem) = (.temperror, unknown)
    } else if isIncomplete {
      (verdict.result, verdict.problem) = (.permerror, "too many names to look at")
    } else {
      verdict.result = .fail
    }
  }

  /// RFC 9989 §4.10.1: p for the record's own domain, sp or np for those below it. §4.7: one level lower under t=y.
  private mutating func request(
    _ verdict: inout DMARCVerdict, _ record: DMARCRecord, _ policies: DMARCRecord.Policies
  ) async {
    let author = verdict.authorDomain
    var (tag, policy) = ("p", policies.domain)
    if verdict.policyDomain != author {
      (tag, policy) = ("sp, or p without it", policies.forExisting)
      if policies.forNonexistent != policies.forExisting {
        switch await lookups.existence(of: author) {
        case .exists: say("\(author) exists", "RFC 9989 §3.2.13")
        case .doesNotExist:
          say("\(author) does not exist", "RFC 9989 §3.2.13")
          (tag, policy) = ("np", policies.forNonexistent)
        case .unknown(let reason):
          say("whether \(author) exists can't be known for now: \(reason)", "RFC 9989 §5.3.6")
          if verdict.result == .fail { (verdict.result, verdict.problem) = (.temperror, reason) }
        }
      }
    }
    verdict.requested = record.isTest ? policy.lowered : policy
    let test = record.isTest ? ", lowered to \(verdict.requested.rawValue) by t=y" : ""
    say("the policy for mail from \(author) that fails is \(policy.rawValue) (\(tag))\(test)", "RFC 9989 §4.7")
  }
}

extension DomainName {
  fileprivate var topLevelDomain: DomainName { domainsAbove.reduce(self) { $1 } }
}
