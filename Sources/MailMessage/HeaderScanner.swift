internal import MailSyntax
public import NIOCore

/// Finds a message's header section in octets that come in chunks of any size, in time linear to their number.
///
/// Only CRLF ends a line. The section ends at the first empty line, or with the message. Bounds: `maximumHeaderOctets`
/// and `maximumFields`; no more than that is ever held.
public struct HeaderScanner: Sendable {
  /// Octets of all fields and the empty line.
  public static let maximumHeaderOctets = 256 << 10
  public static let maximumFields = 1000

  public enum Progress: Hashable, Sendable {
    case incomplete
    /// `rest` is what the last chunk held of the body.
    case complete(HeaderSection, rest: ByteBuffer)
    case fault(HeaderFault)
  }

  private let octetLimit: Int
  private let fieldLimit: Int
  private var held = ByteBuffer()
  private var fields: [HeaderSection.Field] = []
  private var lineStart = 0
  private var lines = 0
  /// How much of `held` has been looked at: nothing is looked at twice.
  private var scanned = 0
  private var isFinished = false

  public init(
    maximumHeaderOctets: Int = HeaderScanner.maximumHeaderOctets, maximumFields: Int = HeaderScanner.maximumFields
  ) {
    octetLimit = maximumHeaderOctets
    fieldLimit = maximumFields
  }

  /// Reads a message that is here whole: never `.incomplete`.
  public static func read(_ message: ByteBuffer) -> Progress {
    var scanner = HeaderScanner()
    let progress = scanner.append(message)
    guard case .incomplete = progress else { return progress }
    return scanner.finish()
  }

  /// Takes the next chunk. After `.complete` or `.fault` the scanner is done and may not be fed.
  public mutating func append(_ bytes: ByteBuffer) -> Progress {
    invariant(!isFinished, "a header scanner is not fed after its end")
    // One octet over the limit is enough to know; a body of megabytes behind a small header isn't copied here.
    var rest = bytes
    let share = min(rest.readableBytes, octetLimit + 1 - held.readableBytes)
    if var slice = rest.readSlice(length: share) { held.writeBuffer(&slice) }
    while let lineEnd = nextLineEnd() {
      if let end = takeLine(upTo: lineEnd, rest: rest) { return end }
    }
    guard held.readableBytes <= octetLimit else { return fail(.headerTooLarge, "after \(octetLimit) octets", rest) }
    return .incomplete
  }

  /// Says that the message has ended: what is here is all of the header section.
  public mutating func finish() -> Progress {
    invariant(!isFinished, "a header scanner ends once")
    if lineStart < held.writerIndex, let end = takeLine(upTo: held.writerIndex, rest: ByteBuffer()) { return end }
    guard !fields.isEmpty else { return fail(.emptyMessage, "", ByteBuffer()) }
    isFinished = true
    return .complete(HeaderSection(bytes: held, fields: fields, hasSeparator: false), rest: ByteBuffer())
  }

  /// The index behind the next CRLF.
  private mutating func nextLineEnd() -> Int? {
    let (from, start) = (scanned, lineStart)
    let found = held.withUnsafeReadableBytes { bytes -> Int? in
      var position = from
      while position < bytes.count {
        if bytes[position] == UInt8(ascii: "\n"), position > start, bytes[position - 1] == UInt8(ascii: "\r") {
          return position + 1
        }
        position += 1
      }
      return nil
    }
    scanned = found ?? held.writerIndex
    return found
  }

  /// Takes one line, its CRLF included where it has one; answers when the section has ended.
  private mutating func takeLine(upTo end: Int, rest: ByteBuffer) -> Progress? {
    let start = lineStart
    guard end <= octetLimit else { return fail(.headerTooLarge, "after \(octetLimit) octets", rest) }
    lines += 1
    let line = held.viewBytes(at: start, length: end - start) ?? ByteBufferView()
    let hasLineEnd = end - start >= 2 && line.suffix(2).elementsEqual([UInt8(ascii: "\r"), UInt8(ascii: "\n")])
    let content = hasLineEnd ? line.dropLast(2) : line
    guard let first = content.first else { return complete(at: end, rest: rest) }

    if isWhiteSpace(first) {
      guard let last = fields.popLast() else { return fail(.firstLineNotAField, "line 1", rest) }
      fields.append(
        HeaderSection.Field(
          name: last.name, nameRange: last.nameRange, valueRange: last.valueRange.lowerBound..<content.endIndex,
          rawRange: last.rawRange.lowerBound..<end, hasSpaceBeforeColon: last.hasSpaceBeforeColon))
      lineStart = end
      return nil
    }

    guard let colon = content.firstIndex(of: UInt8(ascii: ":")) else {
      return fail(fields.isEmpty ? .firstLineNotAField : .lineWithoutColon, "line \(lines)", rest)
    }
    // RFC 5322 §4.5.8: obsolete fields may have white space before the colon; it is no part of the name, so that
    // `From : x` is a From field to every check.
    let spaces = content[..<colon].reversed().prefix { isWhiteSpace($0) }.count
    let name = content[..<(colon - spaces)]
    guard !name.isEmpty, name.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      return fail(.badFieldLine, "line \(lines)", rest)
    }
    guard fields.count < fieldLimit else { return fail(.tooManyFields, "after \(fieldLimit) fields", rest) }
    fields.append(
      HeaderSection.Field(
        name: String(decoding: name.map(\.lowercasedASCII), as: UTF8.self), nameRange: start..<name.endIndex,
        valueRange: (colon + 1)..<content.endIndex, rawRange: start..<end, hasSpaceBeforeColon: spaces > 0))
    lineStart = end
    return nil
  }

  private mutating func complete(at end: Int, rest: ByteBuffer) -> Progress {
    isFinished = true
    var body = held.getSlice(at: end, length: held.writerIndex - end) ?? ByteBuffer()
    var rest = rest
    if body.readableBytes == 0 { body = rest } else { body.writeBuffer(&rest) }
    guard !fields.isEmpty else {
      return fail(.emptyMessage, "line 1", rest: body, header: held.getSlice(at: 0, length: end) ?? ByteBuffer())
    }
    let section = HeaderSection(
      bytes: held.getSlice(at: 0, length: end) ?? ByteBuffer(), fields: fields, hasSeparator: true)
    return .complete(section, rest: body)
  }

  /// The line at `lineStart` is the first that does not belong to the header.
  private mutating func fail(_ defect: IntakeDefect, _ place: String, _ rest: ByteBuffer) -> Progress {
    var body = held.getSlice(at: lineStart, length: held.writerIndex - lineStart) ?? ByteBuffer()
    var rest = rest
    body.writeBuffer(&rest)
    return fail(defect, place, rest: body, header: held.getSlice(at: 0, length: lineStart) ?? ByteBuffer())
  }

  private mutating func fail(
    _ defect: IntakeDefect, _ place: String, rest: ByteBuffer, header: ByteBuffer
  ) -> Progress {
    isFinished = true
    let section = HeaderSection(bytes: header, fields: fields, hasSeparator: false)
    return .fault(HeaderFault(finding: IntakeFinding(defect, place: place), header: section, rest: rest))
  }
}

/// Why a header section could not be read to its end, and what was read: `header.bytes` and then `rest` are all that
/// came so far, so that a relay can pass on what submission refuses.
public struct HeaderFault: Hashable, Sendable {
  public let finding: IntakeFinding
  public let header: HeaderSection
  public let rest: ByteBuffer
}
