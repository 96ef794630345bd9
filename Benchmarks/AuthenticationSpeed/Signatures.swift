import Crypto
import CryptoExtras
import Foundation
import MailAuthentication
import MailMessage
import NIOCore

/// Signing and verifying the message, beside the signature alone and the hash alone.
struct Signatures {
  private let stage: Stage
  private let kind: DKIMKey.Kind
  private let signing: DKIMSigning
  private let bare: (SHA256Digest) throws -> Int
  /// Of the message itself, by the library alone.
  private let bareOfMessage: ([UInt8]) throws -> Int

  init(_ stage: Stage, _ kind: DKIMKey.Kind) throws {
    self.stage = stage
    self.kind = kind
    signing = try stage.signing(kind)
    let pem = try stage.pem(kind)
    switch kind {
    case .rsa:
      let key = try _RSA.Signing.PrivateKey(unsafePEMRepresentation: pem)
      let sign = { (digest: SHA256Digest) in
        try key.signature(for: digest, padding: .insecurePKCS1v1_5).rawRepresentation.count
      }
      (bare, bareOfMessage) = (sign, { try sign(SHA256.hash(data: $0)) })
    case .ed25519:
      // The seed is at the end of PKCS#8 (RFC 8410 §7).
      let lines = pem.split(separator: "\n").filter { !$0.hasPrefix("-") }
      guard let envelope = Data(base64Encoded: lines.joined()) else { throw Unusable("ed25519.pem is no PEM") }
      let key = try Curve25519.Signing.PrivateKey(rawRepresentation: envelope.suffix(32))
      bare = { try key.signature(for: Array($0)).count }
      bareOfMessage = { try key.signature(for: $0).count }
    }
  }

  func measure(_ meter: inout Meter) async throws {
    let (header, body, message, bare, bareOfMessage) = (stage.header, stage.body, stage.message, bare, bareOfMessage)
    let digest = SHA256.hash(data: message)
    let signed = try Stage.parts(ByteBuffer(bytes: Array(try sign(header, body).readableBytesView) + message))
    try await verify(signed)
    try await meter.compare([
      ("\(kind.rawValue): bare signature", { for _ in 0..<$0 where try bare(digest) == 0 { throw Unusable("none") } }),
      (
        "\(kind.rawValue): bare signature of the message",
        { for _ in 0..<$0 where try bareOfMessage(message) == 0 { throw Unusable("none") } }
      ),
      ("\(kind.rawValue): signing", { for _ in 0..<$0 { _ = try sign(header, body) } }),
      ("\(kind.rawValue): signing without body", { for _ in 0..<$0 { _ = try sign(header, ByteBuffer()) } }),
      (
        "\(kind.rawValue): bare hash",
        { for _ in 0..<$0 where SHA256.hash(data: message) != digest { throw Unusable("another hash") } }
      ),
      ("\(kind.rawValue): verifying", { for _ in 0..<$0 { try await verify(signed) } }),
    ])
  }

  private func sign(_ header: HeaderSection, _ body: ByteBuffer) throws -> ByteBuffer {
    var signer = DKIMSigner([signing])
    try signer.begin(header)
    signer.append(body)
    guard let field = try signer.finish(now: Stage.now).first else { throw Unusable("nothing was signed") }
    return field
  }

  private func verify(_ message: (header: HeaderSection, body: ByteBuffer)) async throws {
    var verifier = DKIMVerifier(converter: NoConversion())
    verifier.begin(message.header)
    verifier.append(message.body)
    let outcomes = await verifier.finish(resolver: stage.resolver, now: Stage.now)
    guard outcomes.map(\.result) == [.pass] else { throw Unusable("\(outcomes)") }
  }
}
