internal import FoundationEssentials
internal import NIOCore

/// The language of the control socket: one request on one line of JSON, then answers, one a line, until a line `end`
/// or `fault`. One request a connection.
///
/// ```
/// > {"filter":{"state":"held"},"request":"queue.release","version":1}
/// < {"changed":3}
/// < {"end":true}
/// ```
public enum ControlProtocol {
  public static let version = 1
  public static let maximumRequestOctets = 64 << 10
  /// One line of an answer.
  public static let maximumAnswerOctets = 1 << 20
  /// Lines of one answer.
  public static let maximumAnswers = 500_000
  /// A longer text in an answer, such as a peer's reply, is cut.
  public static let maximumTextOctets = 4096
  /// Commands served at once.
  public static let maximumConnections = 16
  /// How long a command may take to say what it wants.
  public static let requestTimeout: Duration = .seconds(10)

  static func append(_ value: some Encodable, to buffer: inout ByteBuffer) throws(ControlFault) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      buffer.writeBytes(try encoder.encode(value))
      buffer.writeInteger(UInt8(ascii: "\n"))
    } catch {
      throw ControlFault(.failed, "this can't be said in JSON: \(error)")
    }
  }

  static func read<Value: Decodable>(_ type: Value.Type, from line: ByteBuffer) throws(ControlFault) -> Value {
    do {
      return try JSONDecoder().decode(type, from: Data(line.readableBytesView))
    } catch let fault as ControlFault {
      throw fault
    } catch DecodingError.keyNotFound(let key, _) {
      throw ControlFault(.badRequest, "\"\(key.stringValue)\" is missing")
    } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      throw ControlFault(.badRequest, "\"\(path)\" is of the wrong type")
    } catch {
      throw ControlFault(.badRequest, "this is no line of the control protocol")
    }
  }
}

/// Cuts what arrives into lines of bounded length.
struct LineReader {
  let maximumOctets: Int
  private var held = ByteBuffer()

  init(maximumOctets: Int) { self.maximumOctets = maximumOctets }

  mutating func add(_ bytes: ByteBuffer) {
    var bytes = bytes
    held.writeBuffer(&bytes)
    held.discardReadBytes()
  }

  /// The next line without its LF; nil when more bytes are needed.
  mutating func next() throws(ControlFault) -> ByteBuffer? {
    let length = held.readableBytesView.firstIndex(of: UInt8(ascii: "\n")).map { $0 - held.readerIndex }
    guard length ?? held.readableBytes <= maximumOctets else {
      throw ControlFault(.badRequest, "the line is longer than \(maximumOctets) octets")
    }
    guard let length, let line = held.readSlice(length: length) else { return nil }
    held.moveReaderIndex(forwardBy: 1)
    return line
  }
}
