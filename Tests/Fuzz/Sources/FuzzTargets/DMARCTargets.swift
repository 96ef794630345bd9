import DNSRecords
import MailMessage
import MailSyntax
import NIOCore

@testable import MailAuthentication

let dmarcTargets = [
  FuzzTarget("dmarc-record", record), FuzzTarget("dmarc-uri", atMost: 1_100, uri),
  FuzzTarget("dmarc-evaluation", evaluate), FuzzTarget("dmarc-authors", authors),
]

/// RFC 9989 §4.7, §4.8.
private func record(_ bytes: UnsafeRawBufferPointer) {
  let octets = Array(bytes)
  let record: DMARCRecord
  do throws(DMARCRecordFault) {
    record = try DMARCRecord(octets)
  } catch {
    require(isOneLine("\(error)"), "a fault is one line: \("\(error)".debugDescription)")
    require((error == .noVersion) == !DMARCRecord.isRecord(octets), "only another's record has no version")
    return
  }
  require(DMARCRecord.isRecord(octets), "what is read begins as a record")
  for fault in record.faults { require(isOneLine("\(fault)"), "a fault is one line: \("\(fault)".debugDescription)") }
  for uris in [record.aggregateReports, record.failureReports] {
    require(uris.count <= DMARCRecord.maximumURIs, "addresses are bounded")
  }
  require(Set(record.failureOptions).count == record.failureOptions.count, "each option stands once")
  require(!record.failureOptions.isEmpty, "some option holds")
  // What is written without the faults reads as it did.
  let again = made(try DMARCRecord(Array(written(record).utf8)))
  require(again.faults.allSatisfy { $0 == .missingPolicy }, "what is written has no faults: \(again.faults)")
  require(written(again) == written(record), "a record is read again: \(written(record).debugDescription)")
  require(again.policies == record.policies, "policies are read again: \(written(record).debugDescription)")
}

private func written(_ record: DMARCRecord) -> String {
  var tags = ["v=DMARC1"]
  if let policies = record.policies {
    tags.append("p=\(policies.domain.rawValue)")
    if let policy = policies.subdomains { tags.append("sp=\(policy.rawValue)") }
    if let policy = policies.nonexistentSubdomains { tags.append("np=\(policy.rawValue)") }
  }
  tags.append("adkim=\(record.dkimAlignment.rawValue)")
  tags.append("aspf=\(record.spfAlignment.rawValue)")
  tags.append("psd=\(record.publicSuffix.rawValue)")
  tags.append("t=\(record.isTest ? "y" : "n")")
  tags.append("fo=\(record.failureOptions.map(\.rawValue).joined(separator: ":"))")
  for (name, uris) in [("rua", record.aggregateReports), ("ruf", record.failureReports)] where !uris.isEmpty {
    tags.append("\(name)=\(uris.map(\.description).joined(separator: ","))")
  }
  return tags.joined(separator: ";")
}

/// RFC 9989 §4.6; RFC 3986, RFC 6068.
private func uri(_ bytes: UnsafeRawBufferPointer) {
  guard let uri = DMARCReportURI(String(decoding: bytes, as: UTF8.self)) else { return }
  require(uri.description.utf8.allSatisfy { (0x21...0x7e).contains($0) }, "a URI is printable")
  require(!uri.description.contains { $0 == "," || $0 == "!" }, "a URI has no mark that parts them")
  require(uri.scheme == uri.scheme.lowercasedASCII(), "a scheme is in lower case")
  require((uri.mailbox != nil) == (uri.scheme == "mailto"), "a mailto: leads to a mailbox, and nothing else does")
  require(DMARCReportURI(uri.description) == uri, "a URI is read again: \(uri)")
  if let mailbox = uri.mailbox {
    require((try? Mailbox("\(mailbox)")) == mailbox, "a mailbox is read again: \(mailbox)")
  }
}

/// RFC 9989 §5.3. The first line: From's value; the second: identifiers, `spf=pass:example.org dkim=temperror:a.example`;
/// behind them the zone.
private func evaluate(_ bytes: UnsafeRawBufferPointer) {
  let (from, behind) = bytes.firstLine()
  let (line, zoneText) = behind.withUnsafeBytes { $0.firstLine() }
  guard let zone = CountedZone(zoneText), let (header, _) = message(Array("From: ".utf8) + from + [0x0d, 0x0a]) else {
    return
  }
  let input = DMARCInput(line)
  let outcome = result { await DMARCEvaluation(resolver: zone, converter: OneName()).evaluate(header, input) }
  // Policy records, and whether each of the author's domains exists.
  require(
    zone.questions <= (DMARCLookups.maximumQueries + 1) * DMARCAuthors.maximumDomains,
    "look-ups are bounded: \(zone.questions)")
  check(outcome.steps)
  require(outcome.verdicts.count <= DMARCAuthors.maximumDomains, "domains are bounded")
  require(outcome.verdicts.isEmpty == (outcome.authorFault != nil), "without an author there is no verdict")
  for verdict in outcome.verdicts { check(verdict, input) }
  let passes = !outcome.verdicts.isEmpty && outcome.verdicts.allSatisfy { $0.result == .pass }
  require((outcome.result == .pass) == passes, "a message passes where it does for each domain")
  require(outcome.result == .fail || outcome.requested == .none, "only of what failed anything is asked")
  for mode in LocalPolicy.Mode.allCases {
    for path in [MailPath.direct, .indirect(because: "")] {
      check(
        LocalPolicy.disposition(
          spf: nil, dkim: [], dmarc: outcome, path: path, client: .v4(0xc000_0201), mode: mode), outcome)
    }
  }
  for domain in outcome.verdicts.map(\.authorDomain) { walk(from: domain, zoneText) }
  let field = AuthenticationResultsField(
    authservID: made(try DomainName("mx.example.net")), results: [AuthenticationResult(outcome)])
  let reading = try? AuthenticationResultsReading(Array(field.value().utf8))
  require(reading?.results.first?.result == outcome.result.rawValue, "what is written is read: \(field.value())")
}

private func check(_ verdict: DMARCVerdict, _ input: DMARCInput) {
  let isAligned = verdict.alignments.contains { $0.standing == .aligned }
  require(verdict.result != .pass || isAligned, "what passes is aligned")
  require(verdict.result != .fail || !isAligned, "what is aligned doesn't fail")
  require(verdict.record != nil || verdict.requested == .none, "without a record nothing is asked")
  for alignment in verdict.alignments where alignment.standing == .aligned {
    let passed =
      input.dkim.contains { $0.passed && $0.domain == alignment.domain }
      || input.spf.map { $0.passed && OneName().canonicalForm(of: $0.domain) == alignment.domain } ?? false
      || input.dkim.contains { $0.passed && OneName().canonicalForm(of: $0.domain) == alignment.domain }
    require(passed, "only what passed is aligned: \(alignment.domain)")
    if alignment.mode == .strict {
      require(alignment.domain == verdict.authorDomain, "strictly aligned is the domain itself")
    }
  }
}

private func check(_ disposition: LocalPolicy.Disposition, _ outcome: DMARCOutcome) {
  switch disposition {
  case .accept: break
  case .quarantine(let reason): require(isOneLine(reason), "a reason is one line: \(reason.debugDescription)")
  case .reject(let reply), .tryLater(let reply):
    require(
      reply.lines.allSatisfy { $0.utf8.allSatisfy { (0x20...0x7e).contains($0) } }, "a reply is of printable ASCII")
    require(outcome.result == .fail || outcome.result == .temperror, "only what failed is refused")
  }
}

private func walk(from domain: DomainName, _ zoneText: [UInt8]) {
  guard let zone = CountedZone(zoneText) else { return }
  let walk = result { await DMARCTreeWalk.walk(from: domain, resolver: zone) }
  require(zone.questions <= DMARCTreeWalk.maximumQueries, "a walk is bounded: \(zone.questions)")
  require(domain.isAtOrBelow(walk.organizationalDomain), "an Organizational Domain is at or above the author's")
  for found in walk.found { require(domain.isAtOrBelow(found.domain), "a walk leads upwards") }
}

extension DMARCInput {
  fileprivate init(_ line: [UInt8]) {
    var spf: SPF?
    var dkim: [DKIM] = []
    for word in line.split(separator: 0x20) {
      let parts = String(decoding: word, as: UTF8.self).split(separator: ":", maxSplits: 1)
      guard parts.count == 2, let domain = try? DomainName(parts[1]) else { continue }
      let (passed, isTemporary) = (parts[0].hasSuffix("=pass"), parts[0].hasSuffix("=temperror"))
      if parts[0].hasPrefix("spf=") {
        spf = SPF(domain: domain, passed: passed, isTemporaryError: isTemporary)
      } else {
        dkim.append(DKIM(domain: domain, passed: passed, isTemporaryError: isTemporary))
      }
    }
    self.init(spf: spf, dkim: dkim)
  }
}

/// RFC 9989 §5.3.1: of a header section.
private func authors(_ bytes: UnsafeRawBufferPointer) {
  guard let (header, _) = message(Array(bytes)) else { return }
  do throws(DMARCAuthorFault) {
    let authors = try DMARCAuthors(header, converter: OneName())
    require((1...DMARCAuthors.maximumDomains).contains(authors.domains.count), "domains are bounded")
    require(Set(authors.domains).count == authors.domains.count, "each domain stands once")
    require(header.count(of: "from") == 1, "there is one From field")
    for domain in authors.domains { require((try? DomainName("\(domain)")) == domain, "a domain is a name") }
  } catch {
    require(isOneLine("\(error)"), "a fault is one line: \("\(error)".debugDescription)")
  }
}
