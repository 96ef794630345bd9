public import NIOCore

/// Looks for the octets that content may not hold, chunk by chunk, whichever command brought it: DATA and BDAT go
/// through this one state machine. Any split into chunks gives the same finding.
public struct ContentInspector: Sendable {
  /// RFC 5321 §4.5.3.1.6, the CRLF included.
  public static let maximumLineOctets = 1000

  public private(set) var defects = ContentDefects()
  /// All that was inspected: the size RFC 1870 §5 counts.
  public private(set) var octets = 0

  private let maximumLineOctets: Int
  private var line = 1
  private var lineOctets = 0
  private var endsInCarriageReturn = false

  public init(maximumLineOctets: Int = maximumLineOctets) { self.maximumLineOctets = maximumLineOctets }

  /// The content so far is empty or ends with CRLF.
  public var endsAtLineEnd: Bool { lineOctets == 0 }

  public mutating func inspect(_ chunk: ByteBuffer) {
    chunk.withUnsafeReadableBytes { bytes in
      guard !bytes.isEmpty else { return }
      let firstLine = line
      let beganBehindCarriageReturn = endsInCarriageReturn
      inspectLines(bytes)
      if defects.nul == nil, let position = bytes.first(0, in: 0..<bytes.count) {
        defects.nul = firstLine + lineEnds(in: bytes, before: position, behindCarriageReturn: beganBehindCarriageReturn)
      }
      octets &+= bytes.count
    }
  }

  /// The content is over: a CR that still waits for its LF has none.
  public mutating func finish() {
    if endsInCarriageReturn { note(\.bareCarriageReturn) }
    endsInCarriageReturn = false
  }

  private mutating func inspectLines(_ bytes: UnsafeRawBufferPointer) {
    var position = 0
    if endsInCarriageReturn {
      endsInCarriageReturn = false
      if bytes[0] == Octet.lineFeed {
        position = 1
        advance(by: 1)
        endLine()
      } else {
        note(\.bareCarriageReturn)
      }
    }
    // Kept from one turn to the next: a chunk of bare CRs alone isn't searched for a LF once for each.
    var lineFeed = position
    while position < bytes.count {
      if lineFeed <= position { lineFeed = bytes.first(Octet.lineFeed, in: position..<bytes.count) ?? bytes.count }
      let carriageReturn = bytes.first(Octet.carriageReturn, in: position..<lineFeed)
      switch carriageReturn {
      case .some(let at) where at + 1 == bytes.count:
        endsInCarriageReturn = true
        advance(by: at + 1 - position)
        position = bytes.count
      case .some(let at) where at + 1 == lineFeed:
        advance(by: at + 2 - position)
        endLine()
        position = at + 2
      case .some(let at):
        advance(by: at + 1 - position)
        note(\.bareCarriageReturn)
        position = at + 1
      case .none where lineFeed < bytes.count:
        advance(by: lineFeed + 1 - position)
        note(\.bareLineFeed)
        position = lineFeed + 1
      case .none:
        advance(by: bytes.count - position)
        position = bytes.count
      }
    }
  }

  private mutating func advance(by count: Int) {
    lineOctets &+= count
    if lineOctets > maximumLineOctets { note(\.overlongLine) }
  }

  private mutating func endLine() {
    line &+= 1
    lineOctets = 0
  }

  private mutating func note(_ defect: WritableKeyPath<ContentDefects, Int?>) {
    if defects[keyPath: defect] == nil { defects[keyPath: defect] = line }
  }

  /// Only run once a message, for the first NUL.
  private func lineEnds(in bytes: UnsafeRawBufferPointer, before end: Int, behindCarriageReturn: Bool) -> Int {
    var count = behindCarriageReturn && bytes[0] == Octet.lineFeed && end > 0 ? 1 : 0
    var position = 1
    while position < end, let lineFeed = bytes.first(Octet.lineFeed, in: position..<end) {
      if bytes[lineFeed - 1] == Octet.carriageReturn { count += 1 }
      position = lineFeed + 1
    }
    return count
  }
}
