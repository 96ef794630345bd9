/// Cuts the cleartext beginning of a TLS stream into handshake messages, over records and reads of any size.
///
/// It keeps at most one message of the kinds that were asked for and skips the rest without keeping them.
/// Source: RFC 8446 §4 and §5.1, RFC 5246 §6.2.1 and §7.4.
struct HandshakeMessages {
  /// What TLS libraries take of a hello themselves.
  static let maximumMessageOctets = 16_384
  /// After so much of a flight there is nothing left that is worth waiting for.
  static let maximumFlightOctets = 262_144
  /// RFC 5246 §6.2.3: a record's fragment with room for its protection.
  static let maximumFragmentOctets = 16_384 + 2_048

  enum Step: Equatable {
    case message(HandshakeType, [UInt8])
    /// A record of another type than handshake begins: change_cipher_spec, an alert, encrypted data.
    case otherRecord(UInt8)
    case needsBytes
    /// This is no TLS handshake, or one beyond the bounds.
    case malformed
  }

  private let wanted: Set<HandshakeType>
  private var input: [UInt8] = []
  private var inputOffset = 0
  private var fragmentLeft = 0
  private var message: [UInt8] = []
  private var skipLeft = 0
  private var total = 0

  init(wanted: Set<HandshakeType>) { self.wanted = wanted }

  mutating func append(_ bytes: some Collection<UInt8>) {
    // What was taken is dropped first: the input never holds more than one read and an unfinished header.
    input.removeFirst(inputOffset)
    inputOffset = 0
    input.append(contentsOf: bytes)
    total += bytes.count
  }

  mutating func next() -> Step {
    guard total <= HandshakeMessages.maximumFlightOctets else { return .malformed }
    while true {
      if let step = nextMessage() { return step }
      if fragmentLeft > 0 {
        let available = min(fragmentLeft, input.count - inputOffset)
        guard available > 0 else { return .needsBytes }
        take(input[inputOffset..<(inputOffset + available)])
        inputOffset += available
        fragmentLeft -= available
      } else {
        guard input.count - inputOffset >= 5 else { return .needsBytes }
        let header = input[inputOffset..<(inputOffset + 5)]
        let type = header[inputOffset]
        let length = Int(header[inputOffset + 3]) << 8 | Int(header[inputOffset + 4])
        guard header[inputOffset + 1] == 3, length <= HandshakeMessages.maximumFragmentOctets else {
          return .malformed
        }
        guard type == HandshakeMessages.handshakeRecord else {
          return skipRecord(type: type, length: length)
        }
        inputOffset += 5
        fragmentLeft = length
      }
    }
  }

  static let handshakeRecord: UInt8 = 22

  /// Another record is told once whole records of it are here, so that reading can go on behind it.
  private mutating func skipRecord(type: UInt8, length: Int) -> Step {
    guard input.count - inputOffset >= 5 + length else { return .needsBytes }
    inputOffset += 5 + length
    return .otherRecord(type)
  }

  private mutating func take(_ fragment: ArraySlice<UInt8>) {
    let skipped = min(skipLeft, fragment.count)
    skipLeft -= skipped
    message.append(contentsOf: fragment.dropFirst(skipped))
  }

  /// A whole message out of what has been gathered, or nil when more of the record is needed.
  private mutating func nextMessage() -> Step? {
    while message.count >= 4 {
      let length = Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3])
      let type = HandshakeType(rawValue: message[0])
      guard wanted.contains(type) else {
        let present = min(length, message.count - 4)
        message.removeFirst(4 + present)
        skipLeft = length - present
        continue
      }
      guard length <= HandshakeMessages.maximumMessageOctets else { return .malformed }
      guard message.count >= 4 + length else { return nil }
      let body = Array(message[4..<(4 + length)])
      message.removeFirst(4 + length)
      return .message(type, body)
    }
    return nil
  }
}

/// Source: RFC 8446 §4, RFC 5246 §7.4.
struct HandshakeType: RawRepresentable, Hashable {
  let rawValue: UInt8
  static let clientHello = HandshakeType(rawValue: 1)
  static let serverHello = HandshakeType(rawValue: 2)
  static let serverKeyExchange = HandshakeType(rawValue: 12)
  static let serverHelloDone = HandshakeType(rawValue: 14)
}

/// Reads big-endian fields off a message; nil where it is too short.
struct FieldReader {
  private var rest: ArraySlice<UInt8>
  init(_ bytes: some Sequence<UInt8>) { rest = Array(bytes)[...] }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func octet() -> UInt8? { rest.popFirst() }

  mutating func uint16() -> UInt16? {
    guard let high = octet(), let low = octet() else { return nil }
    return UInt16(high) << 8 | UInt16(low)
  }

  mutating func octets(_ count: Int) -> ArraySlice<UInt8>? {
    guard count <= rest.count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  /// A vector behind a one-octet length.
  mutating func shortVector() -> ArraySlice<UInt8>? {
    guard let length = octet() else { return nil }
    return octets(Int(length))
  }

  /// A vector behind a two-octet length.
  mutating func vector() -> ArraySlice<UInt8>? {
    guard let length = uint16() else { return nil }
    return octets(Int(length))
  }
}
