import MailSyntax

@testable import MailAuthentication

let spfTargets = [
  FuzzTarget("spf-record", record), FuzzTarget("spf-macro", atMost: 1_024, macro),
  FuzzTarget("spf-check", atMost: 8_192, evaluate),
]

/// RFC 7208 §4.6, §12.
private func record(_ bytes: UnsafeRawBufferPointer) {
  let record: SPFRecord
  do throws(SPFRecordFault) {
    record = try SPFRecord(bytes)
  } catch {
    require(isOneLine("\(error)"), "a fault is one line: \("\(error)".debugDescription)")
    require("\(error)".utf8.count <= 1_024, "a fault is bounded")
    return
  }
  require(SPFRecord.isOne(bytes), "what is read begins as a record")
  require(record.directives.count <= SPFRecord.maximumTerms, "terms are bounded")
  var terms = record.directives.map(\.text)
  if let redirect = record.redirect { terms.append("redirect=\(redirect)") }
  if let explanation = record.explanation { terms.append("exp=\(explanation)") }
  for term in terms { require(isOneLine(term), "a term is one line: \(term.debugDescription)") }
  let written = (["v=spf1"] + terms).joined(separator: " ")
  require(made(try SPFRecord(written.utf8)) == record, "a record is read again: \(written.debugDescription)")
}

/// RFC 7208 §7. The first line: local part, domain, greeting and address; behind it the macro string.
private func macro(_ bytes: UnsafeRawBufferPointer) {
  let (line, rest) = bytes.firstLine()
  let question = SPFQuestion(words(line))
  let values = SPFMacroValues(
    localPart: question.localPart, senderDomain: question.domain, domain: question.domain, helo: question.helo,
    address: question.address, receiver: "mx.example.net", now: UTCInstant(seconds: 1_700_000_000))
  let text = String(decoding: rest, as: UTF8.self)
  for place in [SPFMacroString.Place.terms, .explanation] {
    let macro: SPFMacroString
    do throws(SPFRecordFault) {
      macro = try SPFMacroString(text, place, of: text)
    } catch {
      require(isOneLine("\(error)"), "a fault is one line: \("\(error)".debugDescription)")
      continue
    }
    require(macro.description == text, "a macro string is what was read")
    let expanded = macro.expanded(values, validatedName: "client.example.org")
    require(macro.expanded(values, validatedName: "client.example.org") == expanded, "an expansion is one")
    let name = macro.expandedName(values, validatedName: "client.example.org")
    require(
      name.utf8.count <= SPFMacroString.maximumNameOctets || !name.contains("."), "a name fits into the DNS")
    let whole = expanded.utf8.last == UInt8(ascii: ".") ? expanded.utf8.dropLast() : expanded.utf8[...]
    require(whole.reversed().starts(with: name.utf8.reversed()), "labels are dropped from the left")
    let isEscaped = macro.pieces.allSatisfy { if case .macro(let macro) = $0 { macro.isEscaped } else { true } }
    require(!isEscaped || expanded.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "what is escaped is printable")
  }
  if let name = try? SPFMacroString(domainSpec: text, of: text) {
    require(!name.pieces.isEmpty, "a domain is no empty text")
  }
}

/// RFC 7208 §4. The first line: local part, domain, greeting and address; behind it the zone.
private func evaluate(_ bytes: UnsafeRawBufferPointer) {
  let (line, rest) = bytes.firstLine()
  guard let zone = CountedZone(rest) else { return }
  let spf = SPFCheck(zone)
  let question = SPFQuestion(words(line))
  let outcome = result { await spf.outcome(of: question) }
  // Ten terms of one look-up and ten names each, the client's ten names and their addresses, the records and the
  // explanation.
  require(zone.questions <= 10 * 11 + 11 + 12, "look-ups are bounded: \(zone.questions)")
  check(outcome.steps)
  require(outcome.steps.count <= SPFEvaluation.maximumSteps, "steps are bounded")
  require(outcome.explanation == nil || outcome.result == .fail, "only fail is explained")
  let explanation = outcome.explanation ?? ""
  require(explanation.utf8.allSatisfy { (0x20...0x7e).contains($0) || $0 >= 0x80 }, "an explanation is one line")
  require(explanation.utf8.count <= spf.bounds.explanationOctets + 3, "an explanation is bounded")
  require(isOneLine(outcome.problem ?? ""), "a problem is one line: \(outcome.problem.debugDescription)")
  require(isOneLine(outcome.directive ?? ""), "a directive is one line: \(outcome.directive.debugDescription)")
  switch outcome.result {
  case .none, .temperror, .permerror: require(outcome.problem != nil, "\(outcome.result) has its reason")
  case .pass, .fail, .softfail: require(outcome.directive != nil, "\(outcome.result) has its directive")
  case .neutral: require(outcome.problem == nil, "neutral is no problem")
  }
  require(result { await spf.outcome(of: question) } == outcome, "an outcome is one")
  var field = ReceivedSPFField(outcome.result)
  field.problem = outcome.problem
  field.mechanism = outcome.directive
  require((try? field.field()) != nil, "an outcome can be written")
}

private func words(_ line: [UInt8]) -> [String] {
  line.split(separator: 0x20, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
}

extension SPFCheck {
  fileprivate init(_ zone: CountedZone) {
    self.init(resolver: zone, converter: OneName(), clock: zone, receiver: made(try DomainName("mx.example.net")))
  }
}

extension SPFQuestion {
  /// What isn't said is as in RFC 7208 §7.4.
  fileprivate init(_ words: [String]) {
    let word = { (index: Int, other: String) in words.count > index ? words[index] : other }
    self.init(
      address: IPAddress(word(3, "")) ?? .v4(0xc000_0203), identity: words.count > 4 ? .helo : .mailFrom,
      localPart: word(0, "strong-bad"), domain: word(1, "email.example.com"), helo: word(2, "mx.example.org"))
  }
}
