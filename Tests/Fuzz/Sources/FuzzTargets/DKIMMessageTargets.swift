import DNSRecords
import MailMessage
import MailSyntax
import NIOCore

@testable import MailAuthentication

/// RFC 6376 §6. The keys are those of RFC 8463 §A and, for all other names, what the message's own `Key-Record` fields
/// say.
func verify(_ bytes: UnsafeRawBufferPointer) {
  let octets = Array(bytes)
  guard let (header, body) = message(octets) else { return }
  let records = header.fields.filter { $0.name == "key-record" }.map { header.unfoldedValue(of: $0) }
  let outcomes = verify(header, body, records)
  let found = min(header.count(of: "dkim-signature"), DKIMVerifier.maximumSignatures + 1)
  require(outcomes.count == found, "each signature has an outcome: \(outcomes.count), not \(found)")
  require(outcomes.map(\.place) == Array(0..<found), "outcomes stand in the order of the signatures")
  for outcome in outcomes {
    check(outcome.steps)
    require(isOneLine(outcome.reason), "a reason is one line: \(outcome.reason.debugDescription)")
    require(!outcome.reason.isEmpty && !outcome.steps.isEmpty, "an outcome has its reason")
    require(outcome.result != .pass || outcome.signature != nil, "only what can be read passes")
  }
  let length = 1 + (octets.last ?? 0) % 23
  guard let (cutHeader, cutBody) = message(pieces(of: octets, lengths: Array(repeating: length, count: octets.count)))
  else { fatalError("a message that comes in pieces can be read too") }
  require(verify(cutHeader, cutBody, records) == outcomes, "a message in pieces has the same outcomes")
}

private func verify(_ header: HeaderSection, _ body: [ByteBuffer], _ records: [[UInt8]]) -> [DKIMOutcome] {
  result {
    var verifier = DKIMVerifier(converter: OneName())
    verifier.begin(header)
    for piece in body { verifier.append(piece) }
    let resolver = CountedZone(keys, fallback: records)
    return await verifier.finish(resolver: resolver, now: UTCInstant(seconds: 1_528_640_000))
  }
}

private let keys = made(
  try ZoneFile(
    Array(
      """
      brisbane._domainkey.football.example.com TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
      test._domainkey.football.example.com TXT (
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi"
        "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2"
        "kryOTIKT+l/K4w3QIDAQAB" )
      """.utf8))
).resolver()

// MARK: Signing

/// What is signed verifies, and what is changed behind the signing doesn't. The first line: how it is signed, and where
/// the body is cut.
func sign(_ bytes: UnsafeRawBufferPointer) {
  let (line, octets) = bytes.firstLine()
  guard let (header, body) = message(octets) else { return }
  let choice = Int(line.first ?? 0)
  var signing = DKIMSigning(domain: SigningKey.domain, selector: SigningKey.selector, key: SigningKey.key)
  signing.headerCanonicalization = choice & 1 == 0 ? .relaxed : .simple
  signing.bodyCanonicalization = choice & 2 == 0 ? .relaxed : .simple
  signing.lifetime = choice & 4 == 0 ? nil : .seconds(86_400 * choice)
  let content = body.flatMap { Array($0.readableBytesView) }
  var signer = DKIMSigner([signing])
  do throws(DKIMSigningFault) {
    try signer.begin(header)
  } catch {
    require(isOneLine("\(error)"), "a fault is one line")
    return
  }
  for piece in pieces(of: content, lengths: Array(line.dropFirst())) { signer.append(piece) }
  let fields = made(try signer.finish(now: SigningKey.now))
  let signed = fields.flatMap { Array($0.readableBytesView) }
  let sealed = Array("Subject: another\r\n".utf8)
  // One field more may be one too many.
  guard let verdict = verify(signed + octets), let altered = verify(signed + sealed + octets) else { return }
  require(verdict == .pass, "what is signed verifies, and is no \(verdict)")
  require(altered == .fail, "an added field is found, and is no \(altered)")
  guard header.hasSeparator else { return }
  require(verify(signed + octets + [0x21]) == .fail, "a changed body is found")
}

/// On the uppermost signature; nil where the header section can't be read.
private func verify(_ octets: [UInt8]) -> DKIMResult? {
  guard let (header, body) = message(octets) else { return nil }
  return result {
    var verifier = DKIMVerifier(converter: UnchangedNames())
    verifier.begin(header)
    for piece in body { verifier.append(piece) }
    return await verifier.finish(resolver: SigningKey.zone, now: SigningKey.now).first?.result
  }
}

private enum SigningKey {
  static let domain = made(try DomainName("example.org"))
  static let selector = made(try DomainName("s1"))
  static let now = UTCInstant(seconds: 1_500_000_000)
  /// The secret key of RFC 8463 §A.2, which everybody knows.
  static let key = made(
    try DKIMKey(
      pem: Secret(
        """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
        -----END PRIVATE KEY-----
        """)))
  static let zone = made(try ZoneFile(Array("s1._domainkey.example.org TXT \"\(key.record)\"".utf8))).resolver()
}
