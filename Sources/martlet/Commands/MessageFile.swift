import Foundation
import MailMessage
import NIOCore

/// A message in a file, or from a pipe, read in pieces as often as one likes. Whatever ends its lines there, they end in
/// CRLF here: a file whose first line ends in LF alone is one of a system that writes lines so.
struct MessageFile {
  static let pieceOctets = 256 << 10

  private let handle: FileHandle
  private let path: String
  /// Whether lines end in LF alone.
  let isOfLineFeeds: Bool

  /// - Parameter path: `-` is standard input, which is kept in a nameless file meanwhile.
  init(_ path: String) throws {
    self.path = path
    do {
      handle =
        path == "-" ? try MessageFile.spooledInput() : try FileHandle(forReadingFrom: URL(filePath: path))
      let start = try handle.read(upToCount: MessageFile.pieceOctets) ?? Data()
      let lineFeed = start.firstIndex(of: 0x0a)
      isOfLineFeeds = lineFeed.map { $0 == start.startIndex || start[$0 - 1] != 0x0d } ?? false
    } catch {
      throw MessageFile.told(error, path)
    }
  }

  /// The message with lines that end in CRLF.
  func read(_ take: (ByteBuffer) throws -> Void) throws {
    var lastIsReturn = false
    try pieces { piece in
      guard isOfLineFeeds else { return try take(ByteBuffer(bytes: piece)) }
      var buffer = ByteBuffer()
      buffer.reserveCapacity(piece.count + piece.count / 32)
      for (index, line) in piece.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
        if index > 0 { buffer.writeString(lastIsReturn ? "\n" : "\r\n") }
        buffer.writeBytes(line)
        if !line.isEmpty || index > 0 { lastIsReturn = line.last == 0x0d }
      }
      try take(buffer)
    }
  }

  /// Its octets as they are there.
  func octets(_ take: (Data) throws -> Void) throws { try pieces(take) }

  /// The first line that doesn't end as the first one does, counted from 1; nil where all are alike. Mail has one line
  /// end (RFC 5321 §2.3.8), and what becomes of another on its way nobody knows.
  func oddLine() throws -> Int? {
    var (line, odd, last) = (1, Int?.none, UInt8(0))
    try pieces { piece in
      guard odd == nil else { return }
      for octet in piece {
        if octet == 0x0a {
          if (last != 0x0d) != isOfLineFeeds {
            odd = line
            return
          }
          line += 1
        }
        last = octet
      }
    }
    return odd
  }

  /// Its header section, and then its body in pieces.
  func parts(header: (HeaderSection) throws -> Void, body: (ByteBuffer) throws -> Void) throws {
    var scanner = HeaderScanner()
    var isInBody = false
    func take(_ progress: HeaderScanner.Progress) throws {
      switch progress {
      case .incomplete: break
      case .fault(let fault):
        Console.complain("\(QueueText.printable(path)): \(fault.finding)")
        throw ExitStatus.badData
      case .complete(let section, let rest):
        isInBody = true
        try header(section)
        if rest.readableBytes > 0 { try body(rest) }
      }
    }
    try read { piece in
      if isInBody { try body(piece) } else { try take(scanner.append(piece)) }
    }
    if !isInBody { try take(scanner.finish()) }
  }

  private func pieces(_ take: (Data) throws -> Void) throws {
    do { try handle.seek(toOffset: 0) } catch { throw MessageFile.told(error, path) }
    while true {
      let piece: Data?
      do { piece = try handle.read(upToCount: MessageFile.pieceOctets) } catch { throw MessageFile.told(error, path) }
      guard let piece, !piece.isEmpty else { return }
      try take(piece)
    }
  }

  private static func spooledInput() throws -> FileHandle {
    var name = Array((NSTemporaryDirectory() + "/martlet-XXXXXX").utf8CString)
    let descriptor = mkstemp(&name)
    guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
    unlink(name)
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    while let piece = try FileHandle.standardInput.read(upToCount: pieceOctets), !piece.isEmpty {
      try handle.write(contentsOf: piece)
    }
    try handle.seek(toOffset: 0)
    return handle
  }

  private static func told(_ error: any Error, _ path: String) -> any Error { ArgumentFile.told(error, path) }
}
