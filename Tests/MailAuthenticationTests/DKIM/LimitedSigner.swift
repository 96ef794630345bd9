import Crypto
import MailSyntax

@testable import MailAuthentication

/// Signs with `l=` as others do, which the product never does.
struct LimitedSigner {
  let key: DKIMKey
  let selector: String

  func signed(_ message: SampleMessage) throws -> SampleMessage {
    let body = Array(message.body.utf8)
    let field =
      "DKIM-Signature: v=1; a=ed25519-sha256; d=example.org; s=\(selector); h=From; l=\(body.count);"
      + " bh=\(Base64.text(Array(SHA256.hash(data: body)))); b="
    let header = try message.section()
    let from = header.text(at: SignedFields(header).places(of: ["from"]), .simple)
    let digest = SignedFields.digest(from, .simple, last: Array(field.utf8))
    let signature = Base64.text(try key.signature(for: digest))
    return SampleMessage(header: field + signature + "\r\n" + message.header, body: message.body)
  }
}
