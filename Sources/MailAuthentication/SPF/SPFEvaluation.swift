import DNSRecords
import MailSyntax

/// One check under way: its counters, its deadline, and what it has told so far. Source: RFC 7208 §4.
struct SPFEvaluation {
  /// Why a check ends without the record's word.
  enum Stop: Error {
    case permanent(String)
    case temporary(String)
  }

  /// What a domain's record says of the client.
  struct Verdict {
    let result: SPFResult
    var directive: String?
    /// With the domain it is asked for.
    var explanation: (name: SPFMacroString, domain: String)?
  }

  /// Of the story, not of the check: what comes behind is done and not told.
  static let maximumSteps = 200

  let check: SPFCheck
  let question: SPFQuestion
  private let deadline: Uptime
  private var steps: [AuthenticationStep] = []
  private var lookUps = 0
  private var voidLookUps = 0
  /// The client's names that lead back to it; nil until they are asked for.
  var validatedNames: [DomainName]?

  init(_ check: SPFCheck, _ question: SPFQuestion) {
    self.check = check
    self.question = question
    deadline = check.clock.uptime + check.bounds.time
  }

  mutating func outcome() async -> SPFOutcome {
    // RFC 7208 §4.3: what is no name of two labels or more has no record.
    guard let name = queryName(question.domain), name.isFullyQualified else {
      return ended(.none, problem: "\(said(question.domain)) is no domain that could have a record")
    }
    do throws(Stop) {
      let verdict = try await verdict(of: question.domain, depth: 0)
      guard verdict.result == .fail, let (source, domain) = verdict.explanation else {
        return ended(
          verdict.result, directive: verdict.directive, problem: verdict.result == .none ? "it has no record" : nil)
      }
      let words = await explanation(source, values(in: domain))
      return ended(.fail, directive: verdict.directive, explanation: words)
    } catch {
      switch error {
      case .permanent(let problem): return ended(.permerror, problem: problem)
      case .temporary(let problem): return ended(.temperror, problem: problem)
      }
    }
  }

  private func ended(
    _ result: SPFResult, directive: String? = nil, problem: String? = nil, explanation: String? = nil
  ) -> SPFOutcome {
    SPFOutcome(
      result: result, identity: question.identity, domain: question.domain, directive: directive, problem: problem,
      explanation: explanation, steps: steps)
  }

  mutating func note(_ text: String, _ source: String, _ depth: Int) {
    guard steps.count < SPFEvaluation.maximumSteps else { return }
    steps.append(AuthenticationStep(text.cut(toOctets: AuthenticationStep.maximumOctets), source, depth: depth))
  }

  func values(in domain: String) -> SPFMacroValues {
    SPFMacroValues(
      localPart: question.localPart, senderDomain: question.domain, domain: domain, helo: question.helo,
      address: question.address, receiver: check.receiver, now: check.clock.now)
  }

  // MARK: A domain's record

  mutating func verdict(of domain: String, depth: Int) async throws(Stop) -> Verdict {
    guard let record = try await record(of: domain, depth: depth) else { return Verdict(result: .none) }
    let values = values(in: domain)
    for directive in record.directives {
      guard try await matches(directive, values, depth) else { continue }
      return Verdict(
        result: directive.qualifier.result, directive: directive.text,
        explanation: record.explanation.map { ($0, domain) })
    }
    // RFC 7208 §4.7: neutral where nothing matched, unless another domain's record counts in its place.
    guard let redirect = record.redirect else {
      note("nothing matches, and there is no redirect: neutral", "RFC 7208 §4.7", depth)
      return Verdict(result: .neutral)
    }
    try countTerm()
    let target = await name(redirect, values)
    note("redirect=\(redirect): the record of \(said(target)) counts", "RFC 7208 §6.1", depth)
    let verdict = try await verdict(of: target, depth: depth)
    guard verdict.result != .none else { throw .permanent("redirect leads to \(said(target)), which has no record") }
    return verdict
  }

  private mutating func record(of domain: String, depth: Int) async throws(Stop) -> SPFRecord? {
    guard let name = queryName(domain) else {
      note("\(said(domain)) can't be looked up: it is no name", "RFC 7208 §4.3", depth)
      return nil
    }
    let texts = try await found(check.resolver.texts(of: name), name, isTerm: false)
    let records = texts.filter { SPFRecord.isOne($0) }
    guard let octets = records.first else {
      note("\(said(domain)) has no record", "RFC 7208 §4.5", depth)
      return nil
    }
    guard records.count == 1 else { throw .permanent("\(said(domain)) has \(records.count) records") }
    note("\(said(domain)): \(said(String(decoding: octets, as: UTF8.self)))", "RFC 7208 §4.5", depth)
    do throws(SPFRecordFault) {
      return try SPFRecord(octets)
    } catch {
      throw .permanent("the record of \(said(domain)) can't be read: \(error)")
    }
  }

  /// RFC 7208 §6.2: whatever goes wrong, there is no explanation and the result stays. The look-up doesn't count.
  private mutating func explanation(_ source: SPFMacroString, _ values: SPFMacroValues) async -> String? {
    let target = await name(source, values)
    guard let name = queryName(target), case .records(let found) = await check.resolver.texts(of: name),
      found.records.count == 1, let octets = found.records.first, octets.count <= SPFRecord.maximumOctets,
      let text = try? SPFMacroString(String(decoding: octets, as: UTF8.self), .explanation, of: "exp")
    else {
      note("exp=\(source): no explanation can be had from \(said(target))", "RFC 7208 §6.2", 0)
      return nil
    }
    let words = text.expanded(values, validatedName: await validatedName(for: text, values))
    note("exp=\(source): \(said(words))", "RFC 7208 §6.2", 0)
    return said(words, octets: check.bounds.explanationOctets)
  }

  // MARK: Names and look-ups

  /// What a term's macros come to.
  mutating func name(_ text: SPFMacroString, _ values: SPFMacroValues) async -> String {
    text.expandedName(values, validatedName: await validatedName(for: text, values))
  }

  /// Nil for what the DNS can't be asked about.
  func queryName(_ text: String) -> DomainName? {
    let whole = text.hasSuffix(".") ? text.dropLast() : text[...]
    guard let name = try? DomainName(lookedUp: whole) else { return nil }
    return name.isASCII ? name : check.converter.asciiForm(of: name)
  }

  /// RFC 7208 §4.6.4: terms that look something up are ten at most, of all records together.
  mutating func countTerm() throws(Stop) {
    lookUps += 1
    guard lookUps <= check.bounds.lookUps else {
      throw .permanent("more than \(check.bounds.lookUps) terms look something up")
    }
  }

  var hasTime: Bool { check.clock.uptime < deadline }

  func expectTime() throws(Stop) {
    guard hasTime else {
      throw .temporary("the check has taken longer than \(check.bounds.time.components.seconds) s")
    }
  }

  /// The records of an answer, none where there are none.
  ///
  /// - Parameter isTerm: one of the look-ups of which few may find nothing (RFC 7208 §4.6.4).
  mutating func found<Record>(
    _ answer: DNSAnswer<Record>, _ name: DomainName, isTerm: Bool = true
  ) throws(Stop) -> [Record] {
    try expectTime()
    switch answer {
    case .records(let set): return set.records
    case .none, .noSuchName:
      if isTerm { voidLookUps += 1 }
      guard voidLookUps <= check.bounds.voidLookUps else {
        throw .permanent("more than \(check.bounds.voidLookUps) look-ups find nothing")
      }
      return []
    case .failed(let reason), .bogus(let reason): throw .temporary("\(said(name.description)): \(said(reason))")
    }
  }

  /// A peer's or the DNS's text, on one line.
  func said(_ text: String, octets: Int = 160) -> String {
    String(decoding: text.utf8.map { (0x20...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
      .cut(toOctets: octets)
  }
}
