public import DNSRecords
public import MailMessage
public import MailSyntax

/// Asks whether the author's domain authorised a message, and what its owner wants done if not. Source: RFC 9989 §5.3.
///
/// Where the From field names several domains, each is asked about (RFC 9989 §11.5), and the message passes only where
/// it passes for all: the strictest policy among those that fail decides; a look-up that failed decides over any but
/// `reject`, since a stricter one may lie behind it.
///
/// Bounds: `DMARCAuthors.maximumDomains`, `maximumIdentifiers`, and 60 policy look-ups for each author's domain.
public struct DMARCEvaluation: Sendable {
  /// Identifiers that are looked at: SPF's and signatures. Further signatures are passed over.
  public static let maximumIdentifiers = 16

  private let resolver: any Resolver
  private let converter: any IDNAConverter

  public init(resolver: any Resolver, converter: any IDNAConverter = UnchangedNames()) {
    self.resolver = resolver
    self.converter = converter
  }

  public func evaluate(_ header: HeaderSection, _ input: DMARCInput) async -> DMARCOutcome {
    let authors: DMARCAuthors
    do throws(DMARCAuthorFault) {
      authors = try DMARCAuthors(header, converter: converter)
    } catch {
      let steps = [
        AuthenticationStep("\(error): DMARC can't be asked", "RFC 9989 §5.3.1"),
        AuthenticationStep("the result is permerror", "RFC 9989 §9.2"),
      ]
      return DMARCOutcome(result: .permerror, authorFault: error, verdicts: [], decisive: nil, steps: steps)
    }
    return await evaluate(authors: authors.domains, input)
  }

  /// - Parameter authors: in their ASCII form, at most `DMARCAuthors.maximumDomains`; further ones are not looked at.
  func evaluate(authors: [DomainName], _ input: DMARCInput) async -> DMARCOutcome {
    var judge = DMARCJudge(lookups: DMARCLookups(resolver: resolver), identifiers: identifiers(input))
    var verdicts: [DMARCVerdict] = []
    if authors.count > 1 {
      judge.say("the From field names \(authors.count) domains, and each is asked about", "RFC 9989 §11.5")
    }
    for author in authors.prefix(DMARCAuthors.maximumDomains) { verdicts.append(await judge.verdict(on: author)) }
    let decisive = DMARCEvaluation.decisive(of: verdicts)
    if verdicts.count > 1, let decisive {
      judge.say("of all, \(decisive.authorDomain) decides: \(decisive.result.rawValue)", "RFC 9989 §11.5")
    }
    return DMARCOutcome(
      result: decisive?.result ?? .permerror, authorFault: nil, verdicts: verdicts, decisive: decisive,
      steps: judge.lookups.steps)
  }

  private func identifiers(_ input: DMARCInput) -> [DMARCIdentifier] {
    var identifiers: [DMARCIdentifier] = []
    if let spf = input.spf {
      identifiers.append(
        DMARCIdentifier(
          mechanism: .spf, domain: converter.canonicalForm(of: spf.domain), passed: spf.passed,
          isTemporaryError: spf.isTemporaryError))
    }
    identifiers += input.dkim.prefix(DMARCEvaluation.maximumIdentifiers).map {
      DMARCIdentifier(
        mechanism: .dkim, domain: converter.canonicalForm(of: $0.domain), passed: $0.passed,
        isTemporaryError: $0.isTemporaryError)
    }
    return Array(identifiers.prefix(DMARCEvaluation.maximumIdentifiers))
  }

  /// The first of those that weigh most.
  static func decisive(of verdicts: [DMARCVerdict]) -> DMARCVerdict? {
    func weight(_ verdict: DMARCVerdict) -> Int {
      switch verdict.result {
      case .fail where verdict.requested == .reject: 6
      case .temperror: 5
      case .fail where verdict.requested == .quarantine: 4
      case .permerror: 3
      case .fail: 2
      // Nobody vouches for that domain: no pass for the others makes the message one that passed.
      case .none: 1
      case .pass: 0
      }
    }
    return verdicts.max { weight($0) < weight($1) }.map { heaviest in
      verdicts.first { weight($0) == weight(heaviest) } ?? heaviest
    }
  }
}

/// A domain that SPF or a signature was about.
struct DMARCIdentifier: Hashable, Sendable {
  let mechanism: DMARCAlignment.Mechanism
  let domain: DomainName
  let passed: Bool
  let isTemporaryError: Bool
}
