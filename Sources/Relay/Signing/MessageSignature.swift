import MailAuthentication
import MailMessage
import MailQueue
import MailSyntax
import NIOCore

/// The signatures of one message on its way in: its octets go by, and none is kept.
struct MessageSignature {
  /// `DOMAIN/SELECTOR` of each, for the log.
  let names: [String]
  private var signer: DKIMSigner

  /// - Parameter header: as it will leave.
  /// - Returns: nil where none of the message's authors has a key.
  /// - Throws: where it should be signed and can't be.
  init?(_ header: HeaderSection, by signing: MailSigning) throws(MessageSigningFault) {
    let signings = try signing.signings(for: header)
    guard !signings.isEmpty else { return nil }
    names = signings.map { "\($0.domain)/\($0.selector)" }
    signer = DKIMSigner(signings)
    do throws(DKIMSigningFault) {
      try signer.begin(header)
    } catch {
      throw .unsignable(error.description)
    }
  }

  /// - Parameters:
  ///   - header: as it came.
  ///   - kept: what of it will leave, behind the fields that are `added`.
  init?(
    _ header: HeaderSection, leavingAs kept: ByteBuffer, behind added: [HeaderField], by signing: MailSigning
  ) throws(MessageSigningFault) {
    guard !added.isEmpty || kept != header.bytes else {
      try self.init(header, by: signing)
      return
    }
    var leaving = ByteBuffer()
    for field in added { field.write(into: &leaving) }
    leaving.writeImmutableBuffer(kept)
    guard case .complete(let header, _) = HeaderScanner.read(leaving) else {
      throw .unsignable("with the fields that were added its header is too large")
    }
    try self.init(header, by: signing)
  }

  mutating func append(_ body: ByteBuffer) { signer.append(body) }

  /// The fields, to be put above all others (RFC 6376 §5.6).
  consuming func finish(now: UTCInstant) throws(MessageSigningFault) -> ByteBuffer {
    var fields = ByteBuffer()
    do throws(DKIMKeyFileFault) {
      for field in try signer.finish(now: now) { fields.writeImmutableBuffer(field) }
    } catch {
      throw .keyFailed(error.description)
    }
    return fields
  }
}

/// Why a message that should be signed can't be: then it isn't taken, for unsigned it would go out more weakly than its
/// domain says.
public enum MessageSigningFault: Error, Hashable, Sendable {
  /// The message is such that no signature could be made of it.
  case unsignable(String)
  /// The key makes none.
  case keyFailed(String)
}

extension NewMessage {
  /// Puts the signatures in front of everything.
  mutating func sign(with signature: MessageSignature?, at now: UTCInstant) throws(MessageSigningFault) {
    guard let signature else { return }
    prepend(try signature.finish(now: now))
  }

  mutating func prepend(_ field: HeaderField) { prepend(field.bytes) }

  private mutating func prepend(_ fields: ByteBuffer) {
    var fields = fields
    fields.writeImmutableBuffer(prefix)
    prefix = fields
  }
}
