import Crypto
import Foundation
import MailAuthentication
import MailMessage
import NIOCore

/// Long bodies, as they come from the wire in pieces: what of the time is the hash's. One signature is made too, which is
/// nothing beside megabytes.
struct Bodies {
  enum Kind: String, CaseIterable {
    /// An attachment: lines of 76 characters.
    case base64
    /// Words with a space between, two where a sentence ends.
    case prose
    /// The same with a space at the end of each line that goes on (RFC 3676).
    case flowed
  }

  private static let octets = 4 << 20
  private static let pieceOctets = 64 << 10

  private let kind: Kind
  private let header: HeaderSection
  private let signing: DKIMSigning
  private let pieces: [ByteBuffer]

  init(_ kind: Kind, _ stage: Stage) throws {
    self.kind = kind
    header = stage.header
    signing = try stage.signing(.ed25519)
    let text = Bodies.text(kind)
    pieces = stride(from: 0, to: text.count, by: Bodies.pieceOctets).map {
      ByteBuffer(bytes: text[$0..<min(text.count, $0 + Bodies.pieceOctets)])
    }
  }

  /// By the octet.
  func measure(_ meter: inout Meter) async throws {
    let (header, pieces, signing) = (header, pieces, signing)
    func hash(_ canonicalization: DKIMCanonicalization, times: Int) throws {
      var signing = signing
      signing.bodyCanonicalization = canonicalization
      for _ in 0..<times {
        var signer = DKIMSigner([signing])
        try signer.begin(header)
        for piece in pieces { signer.append(piece) }
        guard try signer.finish(now: Stage.now).count == 1 else { throw Unusable("nothing was signed") }
      }
    }
    func bare(times: Int) throws {
      for _ in 0..<times {
        var hash = SHA256()
        for piece in pieces { piece.withUnsafeReadableBytes { hash.update(bufferPointer: $0) } }
        guard hash.finalize().first(where: { $0 != 0 }) != nil else { throw Unusable("no hash") }
      }
    }
    try await meter.compare(
      [
        ("\(kind.rawValue): relaxed", { try hash(.relaxed, times: $0) }),
        ("\(kind.rawValue): simple", { try hash(.simple, times: $0) }),
        ("\(kind.rawValue): bare hash", { try bare(times: $0) }),
      ], of: Bodies.octets)
  }

  private static func text(_ kind: Kind) -> [UInt8] {
    var generator = Xorshift(state: 88_172_645_463_325_252)
    var text: [UInt8] = []
    text.reserveCapacity(octets + 100)
    while text.count < octets {
      switch kind {
      case .base64: line(of: 76, &text) { alphabet[Int(generator.next() % 64)] }
      case .prose: proseLine(&text, &generator, ending: [])
      case .flowed: proseLine(&text, &generator, ending: [0x20])
      }
    }
    return Array(text.prefix(octets - 2)) + [0x0d, 0x0a]
  }

  private static func line(of columns: Int, _ text: inout [UInt8], _ next: () -> UInt8) {
    for _ in 0..<columns { text.append(next()) }
    text += [0x0d, 0x0a]
  }

  /// About seventy columns; every tenth word ends a sentence, every fortieth line a paragraph.
  private static func proseLine(_ text: inout [UInt8], _ generator: inout Xorshift, ending: [UInt8]) {
    let start = text.count
    while true {
      for _ in 0..<2 + generator.next() % 8 { text.append(UInt8(ascii: "a") + UInt8(generator.next() % 26)) }
      let endsSentence = generator.next() % 10 == 0
      if endsSentence { text.append(UInt8(ascii: ".")) }
      guard text.count - start < 66 else { break }
      text += endsSentence ? [0x20, 0x20] : [0x20]
    }
    text += ending + [0x0d, 0x0a]
    if generator.next() % 40 == 0 { text += [0x0d, 0x0a] }
  }

  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// The same numbers on every machine.
  private struct Xorshift {
    var state: UInt64
    mutating func next() -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state
    }
  }
}
