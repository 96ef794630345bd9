import MailSyntax
public import NIOCore

/// Why a command was not written. Nothing of it is in the buffer.
public enum CommandEncodingFault: Error, Hashable, Sendable {
  /// An argument holds CR, LF, NUL or another control character: on the wire it would be a command of its own.
  case controlCharacter(Verb)
  /// An argument has a space or another character that its grammar has no place for.
  case badArgument(Verb)
  /// Longer than `CommandEncoder.maximumLineOctets`.
  case tooLong(Verb)
}

/// Writes commands as a client sends them. Source: RFC 5321 §4.1.1 and the extensions `Command` names.
///
/// The values are checked where they are made; what is written is checked once more here, since this is the last place
/// before the wire (SMUG-006).
public enum CommandEncoder {
  /// A SASL initial response makes the longest line (RFC 4954 §4: where it doesn't fit, send it after the 334).
  public static let maximumLineOctets = LineFramer.maximumAuthenticationOctets

  /// Appends the command and its CRLF.
  public static func write(_ command: Command, into buffer: inout ByteBuffer) throws(CommandEncodingFault) {
    let start = buffer.writerIndex
    do throws(CommandEncodingFault) {
      try writeLine(command, into: &buffer)
      let line = buffer.viewBytes(at: start, length: buffer.writerIndex - start) ?? ByteBufferView()
      guard line.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { throw .controlCharacter(command.verb) }
      guard line.count + 2 <= maximumLineOctets else { throw .tooLong(command.verb) }
    } catch {
      buffer.moveWriterIndex(to: start)
      throw error
    }
    buffer.writeStaticString("\r\n")
  }

  private static func writeLine(_ command: Command, into buffer: inout ByteBuffer) throws(CommandEncodingFault) {
    buffer.writeString(command.verb.rawValue)
    switch command {
    case .startTLS, .data, .rset, .noop, .help, .quit: break
    case .ehlo(let identity), .helo(let identity):
      let name = identity.description
      // RFC 6531 §3.7.1: A-labels alone.
      guard !name.isEmpty, name.utf8.allSatisfy({ $0 != UInt8(ascii: " ") && $0 < 0x80 }) else {
        throw .badArgument(command.verb)
      }
      buffer.writeString(" \(name)")
    case .auth(let mechanism, let response):
      guard (1...CommandParser.maximumMechanismOctets).contains(mechanism.utf8.count),
        mechanism.utf8.allSatisfy(\.isMechanismCharacter),
        response.map({ CommandParser.isInitialResponse($0.readableBytesView) }) ?? true
      else { throw .badArgument(.auth) }
      buffer.writeString(" \(mechanism)")
      if let response {
        buffer.writeStaticString(" ")
        buffer.writeImmutableBuffer(response)
      }
    case .mail(let path, let parameters):
      buffer.writeString(" FROM:\(path)")
      try write(parameters, into: &buffer)
    case .rcpt(let path, let parameters):
      buffer.writeString(" TO:\(path)")
      try write(parameters, into: &buffer)
    case .bdat(let size, let isLast):
      guard size >= 0 else { throw .badArgument(.bdat) }
      buffer.writeString(isLast ? " \(size) LAST" : " \(size)")
    case .vrfy(let text), .expn(let text):
      buffer.writeStaticString(" ")
      buffer.writeImmutableBuffer(text)
    }
  }

  private static func write(
    _ parameters: MailParameters, into buffer: inout ByteBuffer
  ) throws(CommandEncodingFault) {
    if let size = parameters.size { buffer.writeString(" SIZE=\(size.bytes)") }
    if let body = parameters.body { buffer.writeString(" BODY=\(body.rawValue)") }
    if parameters.usesSMTPUTF8 { buffer.writeStaticString(" SMTPUTF8") }
    if let content = parameters.deliveryReportContent { buffer.writeString(" RET=\(content.rawValue)") }
    if let identifier = parameters.envelopeID {
      let encoded = XText.encode(identifier)
      guard (1...MailParameters.maximumEnvelopeIDOctets).contains(encoded.utf8.count), identifier.isPrintable,
        identifier.utf8.allSatisfy({ $0 < 0x80 })
      else { throw .badArgument(.mail) }
      buffer.writeString(" ENVID=\(encoded)")
    }
    if parameters.requiresTLS { buffer.writeStaticString(" REQUIRETLS") }
    switch parameters.authenticatedSender {
    case .none: break
    // RFC 4954 §5: the two brackets stand as they are; a mailbox goes without brackets, as xtext.
    case .some(.null): buffer.writeStaticString(" AUTH=<>")
    case .some(.mailbox(let mailbox)): buffer.writeString(" AUTH=\(XText.encode(mailbox.description))")
    }
  }

  private static func write(
    _ parameters: RecipientParameters, into buffer: inout ByteBuffer
  ) throws(CommandEncodingFault) {
    if let notify = parameters.notify { buffer.writeString(" NOTIFY=\(notify.encoded)") }
    if let original = parameters.originalRecipient {
      guard !original.addressType.isEmpty, original.addressType.utf8.allSatisfy(\.isAtomText),
        !original.address.isEmpty, original.address.isPrintable
      else { throw .badArgument(.rcpt) }
      buffer.writeString(" ORCPT=\(original.encoded)")
    }
  }
}

extension Notify {
  var encoded: String {
    guard self != .never else { return "NEVER" }
    return [(Notify.success, "SUCCESS"), (.failure, "FAILURE"), (.delay, "DELAY")]
      .filter { contains($0.0) }.map(\.1).joined(separator: ",")
  }
}

extension ByteBuffer {
  fileprivate func viewBytes(at index: Int, length: Int) -> ByteBufferView? {
    getSlice(at: index, length: length)?.readableBytesView
  }
}
