import Foundation
import MailSyntax
import NIOCore
import Testing

@testable import MailMessage

func buffer(_ text: String) -> ByteBuffer { ByteBuffer(string: text) }
func text(_ bytes: ByteBuffer) -> String { String(buffer: bytes) }

func mailbox(_ text: String) throws -> Mailbox { try Mailbox(text) }

/// 2026-11-22 11:42:01 UTC.
let someInstant = UTCInstant(seconds: 1_795_347_721)

/// The same numbers for every run.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
    return word ^ word >> 31
  }
}

/// A header section read whole; the test fails when it can't be.
func section(_ text: String) throws -> HeaderSection {
  var scanner = HeaderScanner()
  var progress = scanner.append(buffer(text))
  if progress == .incomplete { progress = scanner.finish() }
  guard case .complete(let header, _) = progress else {
    throw UnreadableHeader(progress: progress)
  }
  return header
}

struct UnreadableHeader: Error { let progress: HeaderScanner.Progress }

/// Only CRLF ends lines, none is overlong, no NUL: SMTP-006, SMUG-003.
func expectCleanLines(_ bytes: ByteBuffer, _ location: SourceLocation = #_sourceLocation) {
  var check = TextCheck()
  check.append(bytes.readableBytesView)
  #expect(check.isText, sourceLocation: location)
  #expect(bytes.readableBytesView.suffix(2).elementsEqual([0x0d, 0x0a]), sourceLocation: location)
}

/// Compares with a file of the repository, or rewrites it under MARTLET_REWRITE_GOLDEN=1.
func expectGolden(_ path: String, _ produced: String, _ location: SourceLocation = #_sourceLocation) throws {
  let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  let file = root.appending(path: path)
  if ProcessInfo.processInfo.environment["MARTLET_REWRITE_GOLDEN"] == "1" {
    try Data(produced.utf8).write(to: file)
  }
  let golden = String(decoding: try Data(contentsOf: file), as: UTF8.self)
  #expect(produced == golden, "\(path) differs; MARTLET_REWRITE_GOLDEN=1 rewrites it", sourceLocation: location)
}
