import Crypto
import MailSyntax

@testable import MailAuthentication

/// Signs as others do and the product never does: with `l=`, `i=`, and names outside ASCII. The body is signed as it
/// stands: one without empty lines at its end.
struct ForeignSigner {
  let key: DKIMKey
  let selector: String

  /// - Parameter more: tags, as ` l=3;`.
  func signed(_ message: SampleMessage, domain: String = "example.org", _ more: String = "") throws -> SampleMessage {
    let body = Array(message.body.utf8)
    let field =
      "DKIM-Signature: v=1; a=ed25519-sha256; d=\(domain); s=\(selector); h=From;\(more)"
      + " bh=\(Base64.text(Array(SHA256.hash(data: body)))); b="
    let header = try message.section()
    let from = header.text(at: SignedFields(header).places(of: ["from"]), .simple)
    let digest = SignedFields.digest(from, .simple, last: Array(field.utf8))
    let signature = Base64.text(try key.signature(for: digest))
    return SampleMessage(header: field + signature + "\r\n" + message.header, body: message.body)
  }
}
