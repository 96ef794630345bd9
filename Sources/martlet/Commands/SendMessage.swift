import ArgumentParser
import Foundation
import MailMessage
import MailSyntax
import NIOCore
import SMTPGrammar
import SMTPSessions
import Synchronization

/// What `send` sends: a small text of its own making, or a whole message as it stands in a file.
enum SendMessage: Sendable {
  case composed(MessageBuilder)
  case whole(ByteBuffer)

  /// Of a file. As much as a server of ours can be told to take.
  static let maximumOctets = 1 << 30

  /// Reads a whole message; `-` is standard input.
  static func read(_ path: String) throws(FileTrouble) -> SendMessage {
    let handle: FileHandle
    if path == "-" {
      handle = .standardInput
    } else if let opened = FileHandle(forReadingAtPath: path) {
      handle = opened
    } else {
      throw FileTrouble("\(path): can't be read; it should hold the whole message")
    }
    var octets: [UInt8] = []
    do {
      while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty {
        octets += piece
        guard octets.count <= maximumOctets else { break }
      }
    } catch {
      throw FileTrouble("\(path): can't be read: \(error.localizedDescription)")
    }
    guard octets.count <= maximumOctets else {
      throw FileTrouble("\(path): larger than \(maximumOctets) bytes, the most that is sent")
    }
    guard !octets.isEmpty else { throw FileTrouble("\(path): empty; it should hold the whole message") }
    return .whole(ByteBuffer(bytes: wireForm(ofText: octets)))
  }

  /// A text file of this system, whose every line ends with LF alone, in the form of the wire. A file that has a CR is
  /// in that form already, or is wrong: it goes as it stands, and a bare CR or LF in it is refused by its line.
  static func wireForm(ofText octets: [UInt8]) -> [UInt8] {
    guard !octets.contains(UInt8(ascii: "\r")) else { return octets }
    var result: [UInt8] = []
    result.reserveCapacity(octets.count + octets.count / 16)
    for octet in octets {
      if octet == UInt8(ascii: "\n") { result.append(UInt8(ascii: "\r")) }
      result.append(octet)
    }
    return result
  }

  /// The octets for a server that takes eight bits, or doesn't.
  func octets(allowsEightBit: Bool) throws(MessageTextError) -> ByteBuffer {
    switch self {
    case .whole(let bytes): return bytes
    case .composed(var builder):
      builder.allowsEightBit = allowsEightBit
      return try builder.build()
    }
  }

  var messageID: String? {
    switch self {
    case .composed(let builder): builder.messageID.description
    case .whole(let bytes): SendMessage.header(of: bytes)?.value(of: "message-id")
    }
  }

  /// What MAIL must say of the octets.
  func parameters(for bytes: ByteBuffer) -> MailParameters {
    var parameters = MailParameters()
    parameters.size = ByteCount(bytes.readableBytes)
    parameters.body = bytes.readableBytesView.contains { $0 >= 0x80 } ? .eightBitMIME : .sevenBit
    // RFC 6531 §3.4: a header beyond ASCII needs it, whatever the envelope holds.
    switch self {
    case .composed(let builder): parameters.usesSMTPUTF8 = builder.needsSMTPUTF8
    case .whole: parameters.usesSMTPUTF8 = SendMessage.header(of: bytes)?.isEightBit ?? false
    }
    return parameters
  }

  /// Nil where it can't be read to its end: the server will say what is wrong with it.
  private static func header(of bytes: ByteBuffer) -> HeaderSection? {
    var scanner = HeaderScanner()
    var progress = scanner.append(bytes)
    if case .incomplete = progress { progress = scanner.finish() }
    guard case .complete(let header, _) = progress else { return nil }
    return header
  }
}

/// A message in memory on its way out.
final class MemoryBody: OutgoingBody {
  private let bytes: Mutex<ByteBuffer?>

  init(_ bytes: ByteBuffer) { self.bytes = Mutex(bytes) }

  func next() async throws(OutgoingBodyFault) -> ByteBuffer? {
    bytes.withLock { bytes in
      defer { bytes = nil }
      return bytes
    }
  }
}
