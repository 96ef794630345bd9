import ArgumentParser
import DNSRecords
import InternationalDomainNames
import MailAuthentication
import MailMessage
import MailSyntax
import SystemWorld

/// What `martlet auth check` and `martlet dkim verify` show: each verdict, and below it the way there.
struct AuthReport {
  var address: IPAddress?
  var spf: [SPFOutcome] = []
  /// Nil where no message was looked at.
  var dkim: [DKIMOutcome]?
  /// Nil where it wasn't asked for.
  var dmarc: DMARCOutcome?

  /// The verdicts on a message's signatures, and its header section.
  static func dkim(
    of message: String, by resolver: any DNSRecords.Resolver
  ) async throws -> (outcomes: [DKIMOutcome], header: HeaderSection?) {
    let file = try MessageFile(message)
    if let line = try file.oddLine() {
      Console.complain(
        "\(QueueText.printable(message)): line \(line) ends otherwise than the first one: it is judged so, and nobody may have "
          + "sent it so")
    }
    var verifier = DKIMVerifier(converter: LibraryIDNAConverter())
    var header: HeaderSection?
    try file.parts {
      header = $0
      verifier.begin($0)
    } body: {
      verifier.append($0)
    }
    return (await verifier.finish(resolver: resolver, now: SystemClock().now), header)
  }

  /// What DMARC makes of the verdicts that are here. Where no client was named, SPF has nothing to say for the author.
  func dmarc(_ header: HeaderSection, by resolver: any DNSRecords.Resolver) async -> DMARCOutcome {
    let input = DMARCInput(spf: spf.last { $0.identity == .mailFrom }, signatures: dkim ?? [])
    return await DMARCEvaluation(resolver: resolver, converter: LibraryIDNAConverter()).evaluate(header, input)
  }

  /// 1 where something speaks against the client or the message, 75 where nobody can say for now.
  var exitCode: ExitCode {
    if let dmarc, dmarc.result != .none {
      // It has the last word on a message: one aligned pass is enough.
      switch dmarc.result {
      case .pass, .none: return .success
      case .temperror: return ExitStatus.tryAgain
      case .fail, .permerror: return .failure
      }
    }
    let results = spf.map(\.result)
    if results.contains(where: { $0 == .fail || $0 == .softfail || $0 == .permerror }) { return .failure }
    if results.contains(.temperror) { return ExitStatus.tryAgain }
    // Asked about a message alone, an unsigned one is no success; beside a client it is as good as none.
    guard let dkim, !(dkim.isEmpty && address != nil) else { return .success }
    if dkim.contains(where: { $0.result == .pass }) { return .success }
    return dkim.contains { $0.result == .temperror } ? ExitStatus.tryAgain : .failure
  }

  func lines(_ paint: Paint) -> [String] {
    var verdicts = spf.map { outcome in
      AuthReport.verdict(headline(outcome), paint, outcome.result.colour, outcome.steps) + words(outcome)
    }
    if let dkim {
      verdicts += dkim.map { outcome in
        AuthReport.verdict(AuthReport.headline(outcome), paint, outcome.result.colour, outcome.steps)
      }
      if dkim.isEmpty { verdicts.append([paint.paint("DKIM: none; the message has no signature", .yellow)]) }
    }
    if let dmarc {
      verdicts.append(AuthReport.verdict(AuthReport.headline(dmarc), paint, dmarc.result.colour, dmarc.steps))
    }
    if dmarc != nil, address == nil {
      verdicts.append(["SPF was not asked, and may speak for the author: no client is named by --ip"])
    }
    return Array(verdicts.joined(separator: [""]))
  }

  private static func verdict(
    _ headline: String, _ paint: Paint, _ colour: Paint.Colour, _ steps: [AuthenticationStep]
  ) -> [String] {
    QueueText.wrapped(headline, indent: 0).map { paint.paint($0, colour) } + [""] + steps.flatMap(lines)
  }

  private func headline(_ outcome: SPFOutcome) -> String {
    let identity =
      switch outcome.identity {
      case .mailFrom: "MAIL FROM"
      case .helo: "HELO"
      }
    let reason = outcome.directive.map { ", by \($0)" } ?? outcome.problem.map { ": \($0)" } ?? ""
    let client = address.map { " for \($0)" } ?? ""
    return "SPF of \(identity) \(outcome.domain)\(client): \(outcome.result.rawValue)\(reason)"
  }

  private func words(_ outcome: SPFOutcome) -> [String] {
    guard let explanation = outcome.explanation else { return [] }
    return ["", "  \(QueueText.printable(outcome.domain)) has to say to the sender:"]
      + QueueText.wrapped(explanation, indent: 4)
  }

  private static func headline(_ outcome: DKIMOutcome) -> String {
    let signer = outcome.signature.map { " by \($0.domain) with \($0.selector)" } ?? ""
    return "DKIM signature \(outcome.place + 1)\(signer): \(outcome.result.rawValue), \(outcome.reason)"
  }

  private static func headline(_ outcome: DMARCOutcome) -> String {
    guard let verdict = outcome.decisive else {
      return "DMARC: \(outcome.result.rawValue)\(outcome.authorFault.map { ", \($0)" } ?? "")"
    }
    let name = "DMARC for \(verdict.authorDomain): \(outcome.result.rawValue)"
    switch outcome.result {
    case .none: return "\(name); the domain has no policy"
    case .pass: return name
    case .fail: return "\(name); the domain asks for \(outcome.requested.rawValue)"
    case .temperror: return "\(name); the DNS has no answer for now"
    case .permerror: return "\(name); its record can't be used"
    }
  }

  private static func lines(of step: AuthenticationStep) -> [String] {
    let indent = 2 + 2 * step.depth
    let lines = QueueText.wrapped("- \(step.text) (\(step.source))", indent: indent, width: QueueText.width - 2)
    return lines.enumerated().map { $0.offset == 0 ? $0.element : "  " + $0.element }
  }
}

extension SPFResult {
  fileprivate var colour: Paint.Colour {
    switch self {
    case .pass: .green
    case .none, .neutral, .temperror: .yellow
    case .fail, .softfail, .permerror: .red
    }
  }
}

extension DKIMResult {
  fileprivate var colour: Paint.Colour {
    switch self {
    case .pass: .green
    case .temperror: .yellow
    case .fail, .policy, .neutral, .permerror: .red
    }
  }
}

extension DMARCResult {
  fileprivate var colour: Paint.Colour {
    switch self {
    case .pass: .green
    case .none, .temperror: .yellow
    case .fail, .permerror: .red
    }
  }
}

extension AuthReport: Encodable {
  private enum Key: String, CodingKey { case address, spf, dkim, dmarc }

  func encode(to encoder: any Encoder) throws {
    var report = encoder.container(keyedBy: Key.self)
    if let address {
      try report.encode("\(address)", forKey: .address)
      try report.encode(spf.map(JudgedClient.init), forKey: .spf)
    }
    try report.encodeIfPresent(dkim?.map(JudgedSignature.init), forKey: .dkim)
    try report.encodeIfPresent(dmarc.map(JudgedAuthor.init), forKey: .dmarc)
  }

  private struct JudgedClient: Encodable {
    let identity: String
    let domain: String
    let result: String
    let directive: String?
    let problem: String?
    let explanation: String?
    let steps: [Step]

    init(_ outcome: SPFOutcome) {
      identity = outcome.identity.rawValue
      domain = outcome.domain
      result = outcome.result.rawValue
      directive = outcome.directive
      problem = outcome.problem
      explanation = outcome.explanation
      steps = outcome.steps.map(Step.init)
    }
  }

  private struct JudgedSignature: Encodable {
    let domain: String?
    let selector: String?
    let identity: String?
    let algorithm: String?
    let keyBits: Int?
    let result: String
    let reason: String
    let testing: Bool
    let steps: [Step]

    init(_ outcome: DKIMOutcome) {
      domain = outcome.signature?.domain.description
      selector = outcome.signature?.selector.description
      identity = outcome.signature?.identity
      algorithm = outcome.signature?.algorithm.rawValue
      keyBits = outcome.keyBits
      result = outcome.result.rawValue
      reason = outcome.reason
      testing = outcome.isTesting
      steps = outcome.steps.map(Step.init)
    }
  }

  private struct JudgedAuthor: Encodable {
    let domain: String?
    let policyDomain: String?
    let organizationalDomain: String?
    let result: String
    let requested: String
    let aligned: [String]
    let steps: [Step]

    init(_ outcome: DMARCOutcome) {
      domain = outcome.decisive?.authorDomain.description
      policyDomain = outcome.decisive?.policyDomain?.description
      organizationalDomain = outcome.decisive?.organizationalDomain?.description
      result = outcome.result.rawValue
      requested = outcome.requested.rawValue
      aligned = (outcome.decisive?.alignments ?? []).filter { $0.standing == .aligned }.map {
        "\($0.mechanism.rawValue) \($0.domain)"
      }
      steps = outcome.steps.map(Step.init)
    }
  }

  private struct Step: Encodable {
    let depth: Int
    let text: String
    let source: String

    init(_ step: AuthenticationStep) {
      depth = step.depth
      text = step.text
      source = step.source
    }
  }
}
