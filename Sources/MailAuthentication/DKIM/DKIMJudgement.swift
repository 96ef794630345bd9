import Crypto
import DNSRecords
import MailSyntax

/// What the DNS has of a signature's key. Source: RFC 6376 §6.1.2.
enum KeyFinding: Sendable {
  case key(DKIMKeyRecord)
  /// There is none, or none that can be used: for good.
  case unusable(String)
  case failed(String)

  static func find(_ name: DomainName, _ resolver: any Resolver) async -> KeyFinding {
    switch await resolver.texts(of: name) {
    case .none: return .unusable("\(name) has no TXT record")
    case .noSuchName: return .unusable("\(name) does not exist")
    case .failed(let reason), .bogus(let reason):
      return .failed("\(name): \(FieldText.sanitised(reason, allowsUTF8: true))")
    case .records(let found):
      guard found.records.count > 1 else { return one(found.records[0], name) }
      // RFC 6376 §3.6.2.2 leaves open what several records mean: they count where only one of them is a key.
      let keys = found.records.prefix(maximumRecords).compactMap { try? DKIMKeyRecord($0) }
      guard keys.count == 1 else { return .unusable("\(name) has \(found.records.count) records, and no one key") }
      return .key(keys[0])
    }
  }

  private static let maximumRecords = 10

  private static func one(_ octets: [UInt8], _ name: DomainName) -> KeyFinding {
    do throws(DKIMKeyFault) {
      return .key(try DKIMKeyRecord(octets))
    } catch {
      return .unusable("the record at \(name) is no key: \(error)")
    }
  }
}

/// One signature on its way to its outcome. Source: RFC 6376 §6.1.
struct DKIMJudgement {
  private let signature: DKIMSignature
  private let place: Int
  private var verdict: (result: DKIMResult, reason: String)?
  private var steps: [AuthenticationStep] = []
  private var bits: Int?
  private var isTesting = false

  init(_ signature: DKIMSignature, place: Int) {
    self.signature = signature
    self.place = place
    note(
      "\(signature.domain) signs with the key \(signature.selector), by \(signature.algorithm.rawValue), "
        + "header \(signature.headerCanonicalization.rawValue), body \(signature.bodyCanonicalization.rawValue)",
      "RFC 6376 §3.5")
    note("signed are: \(DKIMJudgement.listed(signature.fieldNames))", "RFC 6376 §5.4")
  }

  /// What can be said without the key; false where that is all that need be said.
  mutating func acceptsBeforeKey(_ body: DKIMBodyHash.Result, now: UTCInstant) -> Bool {
    if signature.algorithm == .rsaSHA1 {
      conclude(.policy, "rsa-sha1 proves nothing any more", "RFC 8301 §3.1")
      return false
    }
    if let expiry = signature.expiresAt, expiry < now {
      conclude(.fail, "it expired at \(expiry.seconds) (seconds since 1970)", "RFC 6376 §6.1.1")
      return false
    }
    if let limit = signature.bodyLimit, body.octets < limit {
      conclude(.permerror, "l=\(limit) is more than the body's \(body.octets) octets", "RFC 6376 §3.5")
      return false
    }
    // What stands behind the signed part may be anybody's: such a signature vouches for no message, so that nobody need
    // look at it further, and a body is hashed once for all of its canonical form.
    if let limit = signature.bodyLimit, body.octets > limit {
      conclude(.policy, "l=\(limit) leaves \(body.octets - limit) octets unsigned", "RFC 6376 §8.2")
      return false
    }
    // Whatever the key is: the body is not the one that was signed.
    guard body.digest == signature.bodyHash else {
      conclude(.fail, "the body has changed: its hash is \(Base64.text(body.digest))", "RFC 6376 §6.1.3")
      return false
    }
    note("the body is the one that was signed: bh=\(Base64.text(body.digest))", "RFC 6376 §6.1.3")
    return true
  }

  mutating func judge(
    _ finding: KeyFinding, at name: DomainName?, digest: SHA256Digest
  ) {
    switch finding {
    case .failed(let reason): conclude(.temperror, "the key can't be had: \(reason)", "RFC 6376 §6.1.2")
    case .unusable(let reason): conclude(.permerror, "there is no key: \(reason)", "RFC 6376 §6.1.2")
    case .key(let record): judge(record, at: name, digest: digest)
    }
  }

  private mutating func judge(
    _ record: DKIMKeyRecord, at name: DomainName?, digest: SHA256Digest
  ) {
    isTesting = record.isTesting
    guard !record.key.isEmpty else {
      return conclude(.permerror, "the key has been revoked: its p= is empty", "RFC 6376 §3.6.1")
    }
    if let fault = mismatch(record) { return conclude(.permerror, fault, "RFC 6376 §6.1.2") }
    let key: DKIMKeyRecord.PublicKey
    do throws(DKIMKeyFault) {
      key = try record.publicKey()
    } catch {
      return conclude(.permerror, "the key can't be used: \(error)", "RFC 8301 §3.2")
    }
    bits = key.bits
    note("the key at \(name?.description ?? "?") is of \(record.kind.rawValue), \(key.bits) bits", "RFC 6376 §3.6.1")
    if isTesting { note("t=y: the domain only tries DKIM out", "RFC 6376 §3.6.1") }
    guard key.isValid(signature.signature, for: digest) else {
      return conclude(
        .fail, "a field that it signs has changed, or it was made with another key", "RFC 6376 §6.1.3")
    }
    conclude(.pass, "signed by \(signature.domain)", "RFC 6376 §6.1.3")
  }

  private func mismatch(_ record: DKIMKeyRecord) -> String? {
    let kind: DKIMKeyRecord.Kind =
      switch signature.algorithm {
      case .rsaSHA1, .rsaSHA256: .rsa
      case .ed25519SHA256: .ed25519
      }
    guard record.kind == kind else {
      return "the key is of \(record.kind.rawValue), the signature by \(signature.algorithm.rawValue)"
    }
    if let hashes = record.hashes, !hashes.contains("sha256") { return "the key is not for sha256: h= says so" }
    if record.isStrict, let identity = signature.identity {
      let domain = identity[(identity.lastIndex(of: "@").map { identity.index(after: $0) } ?? identity.startIndex)...]
      guard domain.lowercasedASCII() == signature.domain.folded else {
        return "t=s: i= is below the domain, which the key forbids"
      }
    }
    return nil
  }

  private mutating func note(_ text: String, _ source: String) { steps.append(AuthenticationStep(text, source)) }

  private mutating func conclude(_ result: DKIMResult, _ reason: String, _ source: String) {
    verdict = (result, reason)
    note("\(reason): \(result.rawValue)", source)
  }

  private static func listed(_ names: [String]) -> String {
    let shown = names.prefix(20).map { $0.cut(toOctets: 40) }.joined(separator: ", ")
    return names.count > 20 ? "\(shown) and \(names.count - 20) more" : shown
  }

  var outcome: DKIMOutcome {
    DKIMOutcome(
      place: place, result: verdict?.result ?? .neutral, reason: verdict?.reason ?? "", signature: signature,
      keyBits: bits, isTesting: isTesting, steps: steps)
  }
}
