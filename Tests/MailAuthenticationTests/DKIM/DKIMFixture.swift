import Crypto
import DNSRecords
import MailAuthentication
import MailMessage
import MailSyntax
import NIOCore
import Testing

/// A message in two parts, as signers and verifiers take it.
struct SampleMessage {
  var header: String
  var body: String

  init(header: String, body: String) {
    self.header = header
    self.body = body
  }

  /// Lines end in LF here, for the eye's sake.
  init(_ text: String) {
    let whole = text.replacing("\n", with: "\r\n")
    let cut = whole.firstRange(of: "\r\n\r\n")
    header = String(whole[..<(cut?.lowerBound ?? whole.endIndex)]) + "\r\n"
    body = String(whole[(cut?.upperBound ?? whole.endIndex)...])
  }

  func section() throws -> HeaderSection {
    var scanner = HeaderScanner()
    guard case .complete(let section, _) = scanner.append(ByteBuffer(string: header + "\r\n")) else {
      throw DKIMSampleFault()
    }
    return section
  }

  /// - Parameter piece: octets of the body at a time.
  func outcomes(
    _ zone: String, at now: UTCInstant = UTCInstant(seconds: 1_600_000_000), piece: Int = 1 << 20,
    failing: [String] = []
  ) async throws -> [DKIMOutcome] {
    var verifier = DKIMVerifier(converter: UnchangedNames())
    verifier.begin(try section())
    for part in pieces(piece) { verifier.append(part) }
    let names = try failing.map { try DomainName($0) }
    return await verifier.finish(
      resolver: try ZoneFile(Array(zone.utf8)).resolver(failing: names), now: now)
  }

  func signed(
    _ signings: [DKIMSigning], at now: UTCInstant = UTCInstant(seconds: 1_500_000_000), piece: Int = 1 << 20
  ) throws -> SampleMessage {
    var signer = DKIMSigner(signings)
    try signer.begin(try section())
    for part in pieces(piece) { signer.append(part) }
    let fields = try signer.finish(now: now).map { String(buffer: $0) }.joined()
    return SampleMessage(header: fields + header, body: body)
  }

  private func pieces(_ size: Int) -> [ByteBuffer] {
    let octets = Array(body.utf8)
    return stride(from: 0, to: octets.count, by: size).map {
      ByteBuffer(bytes: octets[$0..<min($0 + size, octets.count)])
    }
  }
}

struct DKIMSampleFault: Error {}

/// A key with its record, for `example.org`.
struct SampleKey {
  let key: DKIMKey
  let selector: String

  init(_ kind: DKIMKey.Kind, _ selector: String) throws {
    key = try DKIMKey.generate(kind)
    self.selector = selector
  }

  /// Keys are slow to make: one of each kind serves all tests.
  static let shared: [SampleKey] = [try? SampleKey(.rsa, "r1"), try? SampleKey(.ed25519, "e1")].compactMap(\.self)

  static func of(_ kind: DKIMKey.Kind) throws -> SampleKey {
    try #require(shared.first { $0.key.kind == kind })
  }

  var signing: DKIMSigning {
    get throws {
      DKIMSigning(domain: try DomainName("example.org"), selector: try DomainName(selector), key: key)
    }
  }

  var zone: String { SampleKey.zone(key.record, at: "\(selector)._domainkey.example.org") }

  /// A TXT record in strings of 255 octets at most.
  static func zone(_ record: String, at name: String) -> String {
    var (strings, rest) = ([String](), record[...])
    while !rest.isEmpty {
      strings.append("\"\(rest.prefix(255))\"")
      rest = rest.dropFirst(255)
    }
    return "\(name) TXT \(strings.joined(separator: " "))\n"
  }
}

/// An RSA key that nobody can sign with, for its size alone: an odd number.
struct HollowKey {
  let bits: Int

  /// DER of SubjectPublicKeyInfo (RFC 5280 §4.1, RFC 8017 §A.1.1).
  var subjectPublicKeyInfo: [UInt8] {
    let modulus: [UInt8] = [0x80] + Array(repeating: 0, count: bits / 8 - 2) + [1]
    let numbers = HollowKey.der(0x02, [0] + modulus) + HollowKey.der(0x02, [1, 0, 1])
    let algorithm: [UInt8] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00]
    let key = HollowKey.der(0x03, [0] + HollowKey.der(0x30, numbers))
    return HollowKey.der(0x30, HollowKey.der(0x30, algorithm) + key)
  }

  private static func der(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
    switch content.count {
    case ..<0x80: [tag, UInt8(content.count)] + content
    case ..<0x100: [tag, 0x81, UInt8(content.count)] + content
    default: [tag, 0x82, UInt8(content.count >> 8), UInt8(content.count & 0xff)] + content
    }
  }
}
