import Crypto
import MailSyntax
import NIOCore

@testable import MailAuthentication

let dkimTargets = [
  FuzzTarget("dkim-signature", signature), FuzzTarget("dkim-key", key),
  FuzzTarget("dkim-body", atMost: 2_048, body), FuzzTarget("dkim-message", atMost: 8_192, verify),
  FuzzTarget("dkim-signing", atMost: 8_192, sign),
]

/// RFC 6376 §3.5.
private func signature(_ bytes: UnsafeRawBufferPointer) {
  let signature: DKIMSignature
  do throws(DKIMSignatureFault) {
    signature = try DKIMSignature(bytes)
  } catch {
    require(isOneLine("\(error)"), "a fault is one line: \("\(error)".debugDescription)")
    return
  }
  require(signature.fieldNames.count <= DKIMSignature.maximumFieldNames, "names are bounded")
  require(signature.signature.count <= DKIMSignature.maximumSignatureOctets, "a signature is bounded")
  require(signature.fieldNames.contains("from"), "From is signed")
  require(signature.signatureRange.upperBound <= bytes.count, "b= stands in the field")
  let encoded = bytes[signature.signatureRange].filter { !isSpace($0) }
  require(Base64.decode(encoded) == signature.signature, "b= is what stands in its range")
  require((signature.bodyLimit ?? 0) >= 0, "l= is no negative number")
  let isPast = signature.signedAt.map { signed in signature.expiresAt.map { $0 <= signed } ?? false } ?? false
  require(!isPast, "x= is behind t=")
  // An instant that is cut to what there is need not be read again: its fraction is lost.
  guard signature.expiresAt?.nanoseconds != .max else { return }
  let again = made(try DKIMSignature(written(signature).utf8))
  require(written(again) == written(signature), "a signature is read again: \(written(signature).debugDescription)")
}

private func written(_ signature: DKIMSignature) -> String {
  var tags = [
    "v=1", "a=\(signature.algorithm.rawValue)", "d=\(signature.domain)", "s=\(signature.selector)",
    "c=\(signature.headerCanonicalization.rawValue)/\(signature.bodyCanonicalization.rawValue)",
    "h=\(signature.fieldNames.joined(separator: ":"))", "bh=\(Base64.text(signature.bodyHash))",
    "b=\(Base64.text(signature.signature))",
  ]
  if let identity = signature.identity { tags.append("i=\(identity)") }
  if let limit = signature.bodyLimit { tags.append("l=\(limit)") }
  if let instant = signature.signedAt { tags.append("t=\(instant.seconds)") }
  if let instant = signature.expiresAt { tags.append("x=\(instant.seconds)") }
  return tags.joined(separator: ";")
}

/// RFC 6376 §3.6.1.
private func key(_ bytes: UnsafeRawBufferPointer) {
  let record: DKIMKeyRecord
  do throws(DKIMKeyFault) {
    record = try DKIMKeyRecord(bytes)
  } catch {
    require(isOneLine("\(error)"), "a fault is one line: \("\(error)".debugDescription)")
    return
  }
  require(record.key.count <= DKIMKeyRecord.maximumKeyOctets, "a key is bounded")
  var tags = ["v=DKIM1", "k=\(record.kind.rawValue)", "p=\(Base64.text(record.key))"]
  if let hashes = record.hashes { tags.append("h=\(hashes.joined(separator: ":"))") }
  tags.append("t=\(record.isTesting ? "y" : ""):\(record.isStrict ? "s" : "")")
  let again = made(try DKIMKeyRecord(tags.joined(separator: ";").utf8))
  require(again.hashes == record.hashes?.filter { !$0.isEmpty }, "h= is read again: \(tags)")
  require(
    again.kind == record.kind && again.key == record.key && again.isTesting == record.isTesting
      && again.isStrict == record.isStrict, "a record is read again: \(tags)")
  do throws(DKIMKeyFault) {
    let key = try record.publicKey()
    require(key.bits == 256 || DKIMKeyRecord.rsaBits.contains(key.bits), "a key has bits that count")
    require(!key.isValid([], for: SHA256.hash(data: [])), "nothing is no signature")
  } catch {
    require(isOneLine("\(error)"), "a fault is one line")
  }
}

/// RFC 6376 §3.4.3, §3.4.4. The first line: where the body is cut, behind its first octet.
private func body(_ bytes: UnsafeRawBufferPointer) {
  let (line, octets) = bytes.firstLine()
  for canonicalization in DKIMCanonicalization.allCases {
    var whole = DKIMBodyHash(canonicalization)
    octets.withUnsafeBytes { whole.append($0) }
    var cut = DKIMBodyHash(canonicalization)
    for piece in pieces(of: octets, lengths: Array(line.dropFirst())) { cut.append(piece) }
    var single = DKIMBodyHash(canonicalization)
    for octet in octets { single.append(ByteBuffer(bytes: [octet])) }
    let canonical = canonicalBody(octets, canonicalization)
    let result = whole.finish()
    require(result == cut.finish(), "\(canonicalization): pieces have the hash of the whole")
    require(result == single.finish(), "\(canonicalization): single octets have the hash of the whole")
    require(result.octets == canonical.count, "\(canonicalization): \(result.octets) octets, not \(canonical.count)")
    let digest = Array(SHA256.hash(data: canonical))
    require(result.digest == digest, "\(canonicalization): the hash is that of the canonical form")
  }
}

/// The RFC's words one after another, for a body that is at hand.
private func canonicalBody(_ octets: [UInt8], _ canonicalization: DKIMCanonicalization) -> [UInt8] {
  let lineEnd: [UInt8] = [0x0d, 0x0a]
  var lines: [[UInt8]] = [[]]
  for octet in octets {
    lines[lines.count - 1].append(octet)
    if lines[lines.count - 1].suffix(2).elementsEqual(lineEnd) {
      lines[lines.count - 1].removeLast(2)
      lines.append([])
    }
  }
  if canonicalization == .relaxed {
    lines = lines.map { line in
      var reduced: [UInt8] = []
      for octet in line {
        let isWhite = octet == 0x20 || octet == 0x09
        if !isWhite { reduced.append(octet) } else if reduced.last != 0x20 { reduced.append(0x20) }
      }
      if reduced.last == 0x20 { reduced.removeLast() }
      return reduced
    }
  }
  while lines.last?.isEmpty == true { lines.removeLast() }
  if lines.isEmpty, canonicalization == .simple { lines = [[]] }
  return lines.flatMap { $0 + lineEnd }
}
