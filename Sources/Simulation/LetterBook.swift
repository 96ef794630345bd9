import MailSyntax
import NIOCore
import OrderedCollections

/// The letters of the day as their senders wrote them. Whoever receives one must have it octet for octet, behind header
/// fields of ours that trace its way (RFC 5321 §4.4) or that submission adds (RFC 6409 §8).
struct LetterBook {
  private static let ownFields = ["Received", "Delivered-To", "Message-ID"]

  /// More than a piece of the store's.
  static let largeOctets = 65_536

  /// By subject, which no two letters share.
  private var letters: OrderedDictionary<String, [UInt8]> = [:]
  private var wishes: OrderedDictionary<String, TLSWish> = [:]

  mutating func enter(_ octets: [UInt8], wish: TLSWish) {
    guard let subject = LetterBook.subject(of: octets) else { return }
    letters[subject] = octets
    wishes[subject] = wish
  }

  /// What a letter's sender asks for; nil for what is nobody's letter.
  func wish(of content: [UInt8]) -> TLSWish? { LetterBook.subject(of: content).flatMap { wishes[$0] } }

  /// What is wrong with a message that has arrived; nil where nothing is. A report of ours is nobody's letter.
  func fault(in content: [UInt8], isReport: Bool) -> String? {
    guard let subject = LetterBook.subject(of: content) else { return "it has no subject" }
    guard let letter = letters[subject] else { return isReport ? nil : "nobody wrote \(subject)" }
    guard content.count >= letter.count, Array(content.suffix(letter.count)) == letter else {
      return "\(subject) has other octets than its sender gave: \(String(decoding: content, as: UTF8.self))"
    }
    for line in LetterBook.lines(of: content.dropLast(letter.count)) {
      let isContinued = line.hasPrefix(" ") || line.hasPrefix("\t")
      let isOwn = LetterBook.ownFields.contains { line.hasPrefix($0 + ": ") }
      if !isContinued, !isOwn { return "\(subject) has \(line) in front" }
    }
    return nil
  }

  /// Header and body.
  static func parts(of octets: [UInt8]) -> (header: ArraySlice<UInt8>, body: ArraySlice<UInt8>) {
    var start = 0
    while start < octets.count, octets[start] != 0x0d {
      start = (octets[start...].firstIndex(of: 0x0a) ?? octets.count - 1) + 1
    }
    return (octets[..<start], octets[start...])
  }

  private static func lines(of octets: ArraySlice<UInt8>) -> [Substring] {
    String(decoding: octets, as: UTF8.self).split(separator: "\r\n")
  }

  private static func subject(of octets: [UInt8]) -> String? {
    let name = Array("Subject: ".utf8)
    var start = 0
    while start < octets.count, octets[start] != 0x0d {
      guard let end = octets[start...].firstIndex(of: 0x0d) else { return nil }
      if octets[start..<end].starts(with: name) { return String(decoding: octets[start..<end], as: UTF8.self) }
      start = end + 2
    }
    return nil
  }
}

extension Sequence<UInt8> {
  var isEightBit: Bool { contains { $0 >= 0x80 } }
}

extension [UInt8] {
  init(_ buffer: ByteBuffer) { self = buffer.getBytes(at: buffer.readerIndex, length: buffer.readableBytes) ?? [] }
}
