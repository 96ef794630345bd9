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
  private var header: SignedFields?
  private var names: [String] = []
  private var bodies: [(canonicalization: DKIMCanonicalization, hash: DKIMBodyHash)] = []

  public init(_ signings: [DKIMSigning]) { self.signings = signings }

  /// - Throws: where there isn't exactly one From field: such a message is nobody's (RFC 5322 §3.6); and where there are
  ///   more fields to sign than `DKIMSignature.maximumFieldNames`.
  public mutating func begin(_ header: HeaderSection) throws(DKIMSigningFault) {
    guard header.count(of: "from") == 1 else {
      throw DKIMSigningFault(
        "a message is signed for its author, and has one From field, not \(header.count(of: "from"))")
    }
    self.header = SignedFields(header)
    names =
      DKIMSigner.sealedFields.flatMap { Array(repeating: $0, count: header.count(of: $0) + 1) }
      + DKIMSigner.otherFields.flatMap { Array(repeating: $0, count: header.count(of: $0)) }
    // Nobody would look for more of them, we ourselves included.
    guard names.count <= DKIMSignature.maximumFieldNames else {
      throw DKIMSigningFault("more than \(DKIMSignature.maximumFieldNames) fields would have to be signed")
    }
    for signing in signings where !bodies.contains(where: { $0.canonicalization == signing.bodyCanonicalization }) {
      bodies.append((signing.bodyCanonicalization, DKIMBodyHash(signing.bodyCanonicalization)))
    }
  }

  public mutating func append(_ body: ByteBuffer) {
    for index in bodies.indices { bodies[index].hash.append(body) }
  }

  /// - Returns: the fields, each with its CRLF, in the order of the signings: they go above all others (RFC 6376 §5.6).
  public consuming func finish(now: UTCInstant) throws(DKIMKeyFileFault) -> [ByteBuffer] {
    guard let header else { return [] }
    let digests = bodies.map { ($0.canonicalization, $0.hash.finish().digest) }
    var fields: [ByteBuffer] = []
    for signing in signings {
      guard let digest = digests.first(where: { $0.0 == signing.bodyCanonicalization })?.1 else { continue }
      let unsigned = signing.field(names, bodyHash: digest, now: now)
      let hash = header.digest(of: names, signing.headerCanonicalization, last: Array(unsigned.utf8))
      var field = ByteBuffer()
      field.writeString(unsigned + DKIMSigner.folded(Base64.text(try signing.key.signature(for: hash))) + "\r\n")
      fields.append(field)
    }
    return fields
  }

  static let columns = 76

  /// Cut into lines that begin with a space each, where white space counts for nothing.
  static func folded(_ text: String) -> String {
    var (lines, rest) = ("", text[...])
    while !rest.isEmpty {
      lines += "\r\n  " + rest.prefix(columns - 2)
      rest = rest.dropFirst(columns - 2)
    }
    return lines
  }
}

extension DKIMSigning {
  /// The field with an empty `b=`, which stands last: what is put behind it takes nothing away from what was signed.
  fileprivate func field(_ names: [String], bodyHash: [UInt8], now: UTCInstant) -> String {
    var tags = [
      "v=1", "a=\(key.algorithm.rawValue)",
      "c=\(headerCanonicalization.rawValue)/\(bodyCanonicalization.rawValue)", "d=\(domain)", "s=\(selector)",
      "t=\(now.seconds)",
    ]
    if let lifetime { tags.append("x=\((now + lifetime).seconds)") }
    tags.append("bh=\(Base64.text(bodyHash))")
    var field = "DKIM-Signature:"
    var column = field.utf8.count
    func put(_ word: String) {
      // RFC 5322 §2.1.1: a fold in front of a word that would pass the margin.
      if column + 1 + word.utf8.count > DKIMSigner.columns {
        field += "\r\n "
        column = 1
      } else {
        field += " "
        column += 1
      }
      field += word
      column += word.utf8.count
    }
    for tag in tags { put(tag + ";") }
    put("h=" + names[0])
    for name in names.dropFirst() {
      // A colon belongs to the name behind it, so that no line begins with nothing but it.
      if column + 1 + name.utf8.count > DKIMSigner.columns {
        field += ":\r\n  " + name
        column = 2 + name.utf8.count
      } else {
        field += ":" + name
        column += 1 + name.utf8.count
      }
    }
    return field + ";\r\n b="
  }
}
