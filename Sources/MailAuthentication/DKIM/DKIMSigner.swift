import Crypto
public import MailMessage
public import MailSyntax
public import NIOCore

/// In whose name, with which key and how a message is signed.
public struct DKIMSigning: Sendable {
  public let domain: DomainName
  public let selector: DomainName
  public let key: DKIMKey
  public var headerCanonicalization = DKIMCanonicalization.relaxed
  public var bodyCanonicalization = DKIMCanonicalization.relaxed
  /// How long the signature holds; nil for as long as the key is published.
  public var lifetime: Duration?

  public init(domain: DomainName, selector: DomainName, key: DKIMKey) {
    self.domain = domain
    self.selector = selector
    self.key = key
  }
}

/// Why a message can't be signed.
public struct DKIMSigningFault: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}

/// Signs a message that comes in chunks, in constant memory and without keeping any of its body.
///
/// `begin` with the header section, `append` each piece of the body, `finish`. Several signings make several fields; the
/// body is hashed once for each canonicalization. Never with `l=` (RFC 6376 §8.2). What is signed must not change any
/// more: line ends and encodings come first (§5.3).
public struct DKIMSigner: Sendable {
  /// Signed each as often as it stands, and once more, so that none can be added (RFC 6376 §5.4, §8.15).
  public static let sealedFields = [
    "from", "to", "cc", "subject", "date", "message-id", "reply-to", "mime-version", "content-type",
    "content-transfer-encoding",
  ]
  /// Signed as often as they stand, and no oftener: others on the way may rightly add them.
  public static let otherFields = [
    "sender", "in-reply-to", "references", "resent-from", "resent-to", "resent-cc", "resent-date", "resent-message-id",
    "list-id", "list-unsubscribe", "list-unsubscribe-post", "list-post", "list-help", "list-archive", "feedback-id",
    "content-id", "content-description", "autocrypt",
  ]

  private let signings: [DKIMSigning]
  private var header: HeaderSection?
  private var order: SigningOrder?
  private var bodies: [(canonicalization: DKIMCanonicalization, hash: DKIMBodyHash)] = []

  public init(_ signings: [DKIMSigning]) { self.signings = signings }

  /// - Throws: where there isn't exactly one From field: such a message is nobody's (RFC 5322 §3.6); and where there are
  ///   more fields to sign than `DKIMSignature.maximumFieldNames`.
  public mutating func begin(_ header: HeaderSection) throws(DKIMSigningFault) {
    guard header.count(of: "from") == 1 else {
      throw DKIMSigningFault(
        "a message is signed for its author, and has one From field, not \(header.count(of: "from"))")
    }
    let order = SigningOrder(header)
    // Nobody would look for more of them, we ourselves included.
    guard order.names.count <= DKIMSignature.maximumFieldNames else {
      throw DKIMSigningFault("more than \(DKIMSignature.maximumFieldNames) fields would have to be signed")
    }
    self.header = header
    self.order = order
    for signing in signings where !bodies.contains(where: { $0.canonicalization == signing.bodyCanonicalization }) {
      bodies.append((signing.bodyCanonicalization, DKIMBodyHash(signing.bodyCanonicalization)))
    }
  }

  public mutating func append(_ body: ByteBuffer) {
    for index in bodies.indices { bodies[index].hash.append(body) }
  }

  /// - Returns: the fields, each with its CRLF, in the order of the signings: they go above all others (RFC 6376 §5.6).
  public consuming func finish(now: UTCInstant) throws(DKIMKeyFileFault) -> [ByteBuffer] {
    guard let header, let order else { return [] }
    let digests = bodies.map { ($0.canonicalization, $0.hash.finish().digest) }
    var texts: [(canonicalization: DKIMCanonicalization, octets: [UInt8])] = []
    var fields: [ByteBuffer] = []
    for signing in signings {
      guard let digest = digests.first(where: { $0.0 == signing.bodyCanonicalization })?.1 else { continue }
      let way = signing.headerCanonicalization
      let known = texts.first { $0.canonicalization == way }?.octets
      let text = known ?? header.text(at: order.places, way)
      if known == nil { texts.append((way, text)) }
      var unsigned = FoldedTags()
      signing.write(to: &unsigned, order.names, bodyHash: digest, now: now)
      let hash = SignedFields.digest(text, way, last: unsigned.octets)
      var field = ByteBuffer()
      field.writeBytes(unsigned.octets)
      field.writeBytes(DKIMSigner.folded(Base64.encode(try signing.key.signature(for: hash))))
      field.writeBytes([0x0d, 0x0a])
      fields.append(field)
    }
    return fields
  }

  /// Cut into lines that begin with white space each, which counts for nothing.
  private static func folded(_ text: [UInt8]) -> [UInt8] {
    var (lines, start) = ([UInt8](), 0)
    while start < text.count {
      let end = min(text.count, start + FoldedTags.columns - 2)
      lines += [0x0d, 0x0a, 0x20, 0x20]
      lines += text[start..<end]
      start = end
    }
    return lines
  }
}

extension DKIMSigning {
  /// The field with an empty `b=`, which stands last: what is put behind it takes nothing away from what was signed.
  fileprivate func write(to field: inout FoldedTags, _ names: [String], bodyHash: [UInt8], now: UTCInstant) {
    field.put("v=1")
    field.put("a=", key.algorithm.rawValue)
    field.put("c=", "\(headerCanonicalization.rawValue)/\(bodyCanonicalization.rawValue)")
    field.put("d=", domain.description)
    field.put("s=", selector.description)
    field.put("t=", String(now.seconds))
    if let lifetime { field.put("x=", String((now + lifetime).seconds)) }
    field.put("bh=", Base64.text(bodyHash))
    field.put(names: names)
  }
}

/// A DKIM-Signature field in the making: tags with folds between them where a line would pass the margin (RFC 5322 §2.1.1).
private struct FoldedTags {
  static let columns = 76

  private(set) var octets = Array("DKIM-Signature:".utf8)
  private var column: Int

  init() {
    column = octets.count
    octets.reserveCapacity(1_024)
  }

  mutating func put(_ name: StaticString, _ value: String = "") {
    put(begin: name.utf8CodeUnitCount + value.utf8.count + 1)
    octets += UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    octets += value.utf8
    octets.append(UInt8(ascii: ";"))
  }

  /// `h=`, and `b=` behind it.
  mutating func put(names: [String]) {
    put(begin: 2 + names[0].utf8.count)
    octets += "h=".utf8
    octets += names[0].utf8
    for name in names.dropFirst() {
      let count = name.utf8.count
      // A colon belongs to the name behind it, so that no line begins with nothing but it.
      if column + 1 + count > FoldedTags.columns {
        octets += ":\r\n  ".utf8
        column = 2 + count
      } else {
        octets.append(UInt8(ascii: ":"))
        column += 1 + count
      }
      octets += name.utf8
    }
    octets += ";\r\n b=".utf8
  }

  /// White space in front of a word of so many octets.
  private mutating func put(begin count: Int) {
    if column + 1 + count > FoldedTags.columns {
      octets += [0x0d, 0x0a, 0x20]
      column = 1
    } else {
      octets.append(0x20)
      column += 1
    }
    column += count
  }
}
