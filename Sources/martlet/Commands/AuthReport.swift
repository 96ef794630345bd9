import ArgumentParser
import DNSRecords
import InternationalDomainNames
import MailAuthentication
import MailSyntax
import SystemWorld

/// What `martlet auth check` and `martlet dkim verify` show: each verdict, and below it the way there.
struct AuthReport {
  var address: IPAddress?
  var spf: [SPFOutcome] = []
  /// Nil where no message was looked at.
  var dkim: [DKIMOutcome]?

  static func dkim(of message: String, by resolver: any DNSRecords.Resolver) async throws -> [DKIMOutcome] {
    let file = try MessageFile(message)
    var verifier = DKIMVerifier(converter: LibraryIDNAConverter())
    try file.parts {
      verifier.begin($0)
    } body: {
      verifier.append($0)
    }
    return await verifier.finish(resolver: resolver, now: SystemClock().now)
  }

  /// 1 where something speaks against the client or the message, 75 where nobody can say for now.
  var exitCode: ExitCode {
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

extension AuthReport: Encodable {
  private enum Key: String, CodingKey { case address, spf, dkim }

  func encode(to encoder: any Encoder) throws {
    var report = encoder.container(keyedBy: Key.self)
    if let address {
      try report.encode("\(address)", forKey: .address)
      try report.encode(spf.map(JudgedClient.init), forKey: .spf)
    }
    try report.encodeIfPresent(dkim?.map(JudgedSignature.init), forKey: .dkim)
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
