import MailMessage
import MailSyntax
import NIOCore

extension UnsafeRawBufferPointer {
  /// The first line without its LF, and what stands behind it: choices, and what is read.
  func firstLine() -> (line: [UInt8], rest: [UInt8]) {
    let end = firstIndex(of: UInt8(ascii: "\n")) ?? count
    return (Array(self[..<end]), Array(self[Swift.min(end + 1, count)...]))
  }

  /// Cut at the unit separator of ASCII, so that a unit may have line ends.
  func units() -> [[UInt8]] { split(separator: 0x1f, omittingEmptySubsequences: false).map { Array($0) } }
}

/// Octets in pieces whose lengths the input chooses, each 0 to 255; whatever they leave is the last one.
func pieces(of octets: [UInt8], lengths: [UInt8]) -> [ByteBuffer] {
  var rest = octets[...]
  var pieces: [ByteBuffer] = []
  for length in lengths where !rest.isEmpty {
    pieces.append(ByteBuffer(bytes: rest.prefix(Int(length))))
    rest = rest.dropFirst(Int(length))
  }
  pieces.append(ByteBuffer(bytes: rest))
  return pieces
}

/// A message cut in two; nil where its header section can't be read.
func message(_ pieces: [ByteBuffer]) -> (header: HeaderSection, body: [ByteBuffer])? {
  var scanner = HeaderScanner()
  var header: HeaderSection?
  var body: [ByteBuffer] = []
  for piece in pieces {
    guard header == nil else {
      body.append(piece)
      continue
    }
    switch scanner.append(piece) {
    case .incomplete: continue
    case .fault: return nil
    case .complete(let section, let rest):
      header = section
      body.append(rest)
    }
  }
  if header == nil, case .complete(let section, _) = scanner.finish() { header = section }
  return header.map { ($0, body) }
}

func message(_ octets: [UInt8]) -> (header: HeaderSection, body: [ByteBuffer])? { message([ByteBuffer(bytes: octets)]) }

/// Fit for a line that a person reads: nothing in it ends the line or commands a terminal.
func isOneLine(_ text: String) -> Bool {
  text.unicodeScalars.allSatisfy { scalar in
    switch scalar.value {
    case 0..<0x20, 0x7f..<0xa0, 0x2028, 0x2029: false
    case _: true
    }
  }
}
