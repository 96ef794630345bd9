import Crypto
import NIOCore

/// The hash of a body in its canonical form, from chunks of any size, in constant memory. Source: RFC 6376 §3.4.3, §3.4.4.
///
/// Whatever stands in its canonical form already is hashed where it lies: a body of base64 goes through as whole chunks.
struct DKIMBodyHash {
  private let canonicalization: DKIMCanonicalization
  private var reduction = WhiteSpaceReduction()
  private var output = CanonicalOutput()

  init(_ canonicalization: DKIMCanonicalization) { self.canonicalization = canonicalization }

  mutating func append(_ chunk: ByteBuffer) {
    chunk.withUnsafeReadableBytes { append($0) }
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty else { return }
    switch canonicalization {
    case .simple: output.write(bytes)
    case .relaxed: reduction.append(bytes, to: &output)
    }
  }

  struct Result: Hashable, Sendable {
    /// 32 octets.
    let digest: [UInt8]
    /// Of the canonical form.
    let octets: Int
  }

  /// Ends the body: its last line has a line end, and only one (§3.4.3); without any line a simple body is one, and a
  /// relaxed one nothing.
  func finish() -> Result {
    var (reduction, output) = (reduction, output)
    reduction.finish(&output)
    return output.finish(emptyIsLine: canonicalization == .simple)
  }
}

/// Takes the canonical form, holds back the line ends that may turn out to be the body's last, and hashes the rest.
private struct CanonicalOutput {
  private var hash = SHA256()
  private var octets = 0
  /// Line ends behind the last text, which count when text follows.
  private var lineEnds = 0
  private var hasCarriageReturn = false
  private var hasText = false

  mutating func write(_ bytes: UnsafeRawBufferPointer) {
    var bytes = bytes[...]
    if hasCarriageReturn, let first = bytes.first {
      hasCarriageReturn = false
      if first == 0x0a {
        lineEnds += 1
        bytes = bytes.dropFirst()
      } else {
        // A bare CR is text.
        putLineEnds()
        put([0x0d])
      }
    }
    if bytes.last == 0x0d {
      hasCarriageReturn = true
      bytes = bytes.dropLast()
    }
    var trailing = 0
    while bytes.count >= 2, bytes[bytes.endIndex - 1] == 0x0a, bytes[bytes.endIndex - 2] == 0x0d {
      trailing += 1
      bytes = bytes.dropLast(2)
    }
    if !bytes.isEmpty {
      putLineEnds()
      put(UnsafeRawBufferPointer(rebasing: bytes))
    }
    lineEnds += trailing
  }

  mutating func finish(emptyIsLine: Bool) -> DKIMBodyHash.Result {
    if hasCarriageReturn {
      putLineEnds()
      put([0x0d])
    }
    if hasText || emptyIsLine { put([0x0d, 0x0a]) }
    return DKIMBodyHash.Result(digest: Array(hash.finalize()), octets: octets)
  }

  private mutating func putLineEnds() {
    while lineEnds > 0 {
      let count = min(lineEnds, CanonicalOutput.block.count / 2)
      CanonicalOutput.block.withUnsafeBytes { put(UnsafeRawBufferPointer(rebasing: $0.prefix(2 * count))) }
      lineEnds -= count
    }
  }

  private static let block = Array(repeatElement([0x0d, 0x0a] as [UInt8], count: 64).joined())

  private mutating func put(_ octets: [UInt8]) { octets.withUnsafeBytes { put($0) } }

  private mutating func put(_ bytes: UnsafeRawBufferPointer) {
    hasText = true
    octets += bytes.count
    hash.update(bufferPointer: bytes)
  }
}

/// Makes white space within a line one space, and takes it away at the line's end (RFC 6376 §3.4.4).
private struct WhiteSpaceReduction {
  /// White space at the end of the last chunk, and whether a CR stood behind it.
  private var pending = Pending.nothing
  private enum Pending { case nothing, space, spaceAndCarriageReturn }

  mutating func append(_ bytes: UnsafeRawBufferPointer, to output: inout CanonicalOutput) {
    let start = resume(bytes, &output)
    withUnsafeTemporaryAllocation(byteCount: Gathering.octets, alignment: 1) { memory in
      var gathering = Gathering(memory: memory)
      reduce(bytes, from: start, &gathering, &output)
      gathering.flush(&output)
    }
  }

  private mutating func reduce(
    _ bytes: UnsafeRawBufferPointer, from first: Int, _ gathering: inout Gathering, _ output: inout CanonicalOutput
  ) {
    var start = first
    var position = first
    while let place = WhiteSpaceReduction.firstIrregular(bytes, from: position) {
      var end = place
      while end < bytes.count, isWhite(bytes[end]) { end += 1 }
      guard end < bytes.count else {
        gathering.take(bytes, start..<place, &output)
        pending = .space
        return
      }
      var isLineEnd = false
      if bytes[end] == 0x0d {
        guard end + 1 < bytes.count else {
          gathering.take(bytes, start..<place, &output)
          pending = .spaceAndCarriageReturn
          return
        }
        isLineEnd = bytes[end + 1] == 0x0a
      }
      if isLineEnd || bytes[place] != 0x20 {
        gathering.take(bytes, start..<place, &output)
        if !isLineEnd { gathering.takeSpace(&output) }
      } else {
        // The first of the white space is the one that stays.
        gathering.take(bytes, start..<place + 1, &output)
      }
      (start, position) = (end, end)
    }
    gathering.take(bytes, start..<bytes.count, &output)
  }

  mutating func finish(_ output: inout CanonicalOutput) {
    // White space that ends the body ends its last line too.
    if pending == .spaceAndCarriageReturn { WhiteSpaceReduction.spaceAndReturn.withUnsafeBytes { output.write($0) } }
    pending = .nothing
  }

  /// Settles what the last chunk left open, and gives the place to go on from.
  private mutating func resume(_ bytes: UnsafeRawBufferPointer, _ output: inout CanonicalOutput) -> Int {
    switch pending {
    case .nothing: return 0
    case .space:
      var end = 0
      while end < bytes.count, isWhite(bytes[end]) { end += 1 }
      guard end < bytes.count else { return end }
      if bytes[end] == 0x0d {
        guard end + 1 < bytes.count else {
          pending = .spaceAndCarriageReturn
          return bytes.count
        }
        if bytes[end + 1] == 0x0a {
          pending = .nothing
          return end
        }
      }
      pending = .nothing
      WhiteSpaceReduction.space.withUnsafeBytes { output.write($0) }
      return end
    case .spaceAndCarriageReturn:
      pending = .nothing
      let kept = bytes[0] == 0x0a ? WhiteSpaceReduction.carriageReturn : WhiteSpaceReduction.spaceAndReturn
      kept.withUnsafeBytes { output.write($0) }
      return 0
    }
  }

  private static let space: [UInt8] = [0x20]
  private static let carriageReturn: [UInt8] = [0x0d]
  private static let spaceAndReturn: [UInt8] = [0x20, 0x0d]

  /// The first white space that is no single space between two characters: a tab, two in a row, one in front of a CR, or
  /// one at the end of the chunk. Sixteen octets are looked at in one go.
  @inline(__always)
  private static func firstIrregular(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
    var position = start
    let (tab, blank, carriageReturn) = (
      SIMD16<UInt8>(repeating: 0x09), SIMD16<UInt8>(repeating: 0x20), SIMD16<UInt8>(repeating: 0x0d)
    )
    while position + 17 <= bytes.count {
      let these = bytes.loadUnaligned(fromByteOffset: position, as: SIMD16<UInt8>.self)
      let white = (these .== tab) .| (these .== blank)
      // An attachment has none for long.
      guard any(white) else {
        position += 16
        continue
      }
      let next = bytes.loadUnaligned(fromByteOffset: position + 1, as: SIMD16<UInt8>.self)
      let bad = (next .== blank) .| (next .== tab) .| (next .== carriageReturn)
      let irregular = (these .== tab) .| (white .& bad)
      // One octet of eight set bits for each that is irregular, the first the lowest.
      let marks = unsafeBitCast(
        SIMD16<UInt8>(repeating: 0).replacing(with: 0xff, where: irregular), to: SIMD2<UInt64>.self)
      if marks[0] != 0 { return position + marks[0].littleEndian.trailingZeroBitCount / 8 }
      if marks[1] != 0 { return position + 8 + marks[1].littleEndian.trailingZeroBitCount / 8 }
      position += 16
    }
    while position < bytes.count {
      let octet = bytes[position]
      if octet == 0x09 { return position }
      if octet == 0x20 {
        guard position + 1 < bytes.count else { return position }
        let next = bytes[position + 1]
        if isWhite(next) || next == 0x0d { return position }
      }
      position += 1
    }
    return nil
  }
}

/// Puts short runs together, for a hash takes many of them slower than it takes their copy; long ones go through as they
/// lie.
private struct Gathering {
  static let octets = 8 << 10
  private static let longRun = 1 << 10

  private let memory: UnsafeMutableRawBufferPointer
  private var count = 0

  init(memory: UnsafeMutableRawBufferPointer) { self.memory = memory }

  @inline(__always)
  mutating func take(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ output: inout CanonicalOutput) {
    guard !range.isEmpty else { return }
    let run = UnsafeRawBufferPointer(rebasing: bytes[range])
    if run.count >= Gathering.longRun || run.count > memory.count - count { flush(&output) }
    guard run.count < Gathering.longRun else { return output.write(run) }
    UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyMemory(from: run)
    count += run.count
  }

  mutating func takeSpace(_ output: inout CanonicalOutput) {
    if count == memory.count { flush(&output) }
    memory[count] = 0x20
    count += 1
  }

  mutating func flush(_ output: inout CanonicalOutput) {
    output.write(UnsafeRawBufferPointer(rebasing: memory.prefix(count)))
    count = 0
  }
}

@inline(__always)
private func isWhite(_ octet: UInt8) -> Bool { octet == 0x20 || octet == 0x09 }
