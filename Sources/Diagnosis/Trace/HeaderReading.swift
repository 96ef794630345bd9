public import MailMessage
internal import NIOCore

/// The header section of a message out of a file, as mail programs save them: lines may end in LF alone, and an mbox
/// line or empty lines may stand in front.
///
/// Bounds: `HeaderScanner.maximumHeaderOctets` and `maximumFields`; what stands behind them is not read, and said.
public struct HeaderReading: Sendable {
  /// Octets of a file that are looked at: a header of the greatest size, were each of its lines a single octet.
  public static let maximumOctets = HeaderScanner.maximumHeaderOctets

  public let header: HeaderSection
  /// Why it was read in part only.
  public let shortfall: String?

  /// Nil where there is no header field at all.
  public init?(_ octets: some Sequence<UInt8>) {
    var bytes = ByteBuffer()
    var previous: UInt8 = UInt8(ascii: "\n")
    var count = 0
    var isAtStart = true
    var skipsLine = false
    var line: [UInt8] = []
    for octet in octets.prefix(HeaderReading.maximumOctets) {
      count += 1
      if isAtStart {
        // "From anna@example.org Sun Nov 22 …" of an mbox, empty lines, and a byte order mark.
        if line.isEmpty, octet == 0x0a || octet == 0x0d || octet == 0xef || octet == 0xbb || octet == 0xbf { continue }
        line.append(octet)
        if line.elementsEqual("From ".utf8) {
          skipsLine = true
        } else if "From ".utf8.starts(with: line) {
          continue
        }
        isAtStart = false
        if !skipsLine { bytes.writeBytes(line) }
        previous = octet
        continue
      }
      if skipsLine {
        skipsLine = octet != 0x0a
        previous = octet
        continue
      }
      if octet == 0x0a, previous != 0x0d { bytes.writeInteger(UInt8(0x0d)) }
      bytes.writeInteger(octet)
      previous = octet
    }
    var scanner = HeaderScanner()
    var progress = scanner.append(bytes)
    if case .incomplete = progress { progress = scanner.finish() }
    switch progress {
    case .incomplete: return nil
    case .complete(let header, _):
      self.header = header
      shortfall =
        count == HeaderReading.maximumOctets && !header.hasSeparator
        ? "the header is longer than \(HeaderReading.maximumOctets) octets; what stands behind them was not read" : nil
    case .fault(let fault):
      guard !fault.header.fields.isEmpty else { return nil }
      header = fault.header
      shortfall = "the header could be read in part only: \(fault.finding.defect.rawValue) \(fault.finding.place)"
    }
  }
}
