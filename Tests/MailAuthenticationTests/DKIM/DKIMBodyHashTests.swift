import Crypto
import MailSyntax
import NIOCore
import Testing

@testable import MailAuthentication

/// DKIM-004.
@Suite("Canonical bodies")
struct DKIMBodyHashTests {
  /// The canonical form by the RFC's words, over the whole body at once: what the streaming form is held against.
  private func plain(_ body: [UInt8], _ canonicalization: DKIMCanonicalization) -> [UInt8] {
    var lines: [[UInt8]] = [[]]
    var position = 0
    while position < body.count {
      if body[position] == 13, position + 1 < body.count, body[position + 1] == 10 {
        lines.append([])
        position += 2
      } else {
        lines[lines.count - 1].append(body[position])
        position += 1
      }
    }
    if canonicalization == .relaxed {
      lines = lines.map { line in
        var reduced: [UInt8] = []
        for octet in line {
          let isWhite = octet == 32 || octet == 9
          if !(isWhite && reduced.last == 32) { reduced.append(isWhite ? 32 : octet) }
        }
        if reduced.last == 32 { reduced.removeLast() }
        return reduced
      }
    }
    while lines.last?.isEmpty == true { lines.removeLast() }
    if lines.isEmpty { return canonicalization == .simple ? [13, 10] : [] }
    return lines.flatMap { $0 + [13, 10] }
  }

  private func hash(
    _ body: [UInt8], _ canonicalization: DKIMCanonicalization, cuts: [Int] = []
  ) -> DKIMBodyHash.Result {
    var hash = DKIMBodyHash(canonicalization)
    var start = 0
    for cut in cuts + [body.count] {
      hash.append(ByteBuffer(bytes: body[start..<cut]))
      start = cut
    }
    return hash.finish()
  }

  private func expect(_ body: [UInt8], cuts: [Int] = []) {
    for canonicalization in DKIMCanonicalization.allCases {
      let expected = plain(body, canonicalization)
      let found = hash(body, canonicalization, cuts: cuts)
      #expect(
        found.digest == Array(SHA256.hash(data: expected)) && found.octets == expected.count,
        "\(canonicalization) of \(String(decoding: body, as: UTF8.self).debugDescription) cut at \(cuts)")
    }
  }

  @Test("RFC 6376 §3.4.5 and Appendix: bodies come out as the RFC says")
  func examples() {
    #expect(plain(Array(" C \r\nD \t E\r\n\r\n\r\n".utf8), .simple) == Array(" C \r\nD \t E\r\n".utf8))
    #expect(plain(Array(" C \r\nD \t E\r\n\r\n\r\n".utf8), .relaxed) == Array(" C\r\nD E\r\n".utf8))
    expect(Array(" C \r\nD \t E\r\n\r\n\r\n".utf8))
    // §3.4.3, §3.4.4: the hashes of an empty body.
    #expect(Base64.text(hash([], .simple).digest) == "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=")
    #expect(Base64.text(hash([], .relaxed).digest) == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
  }

  static let nasty = [
    "", "\r\n", "\r\n\r\n", " ", "\t", " \r\n", " \r\n \r\n", "a", "a\r\n", "a \r\n", "a\r", "\r", "\n", "\r\r\n",
    "a\n\r\n", "a \r",
    "a \rb", " a", "a  b\t\tc \t d", "a\r\n\r\n\r\nb", "a \r\n \r\n\r\n", "a\r\n \t ", ".\r\n..\r\n", "\r\na",
    "a b c d e f g h i j k l m n o p q",
    "abcdefghijklmnop \r\n", "abcdefghijklmno  p", "abcdefghijklmnop\t", "\u{e9} \u{e9}\r\n", " \r \r\n", "a\r \r\n",
    "\r\n\r", "x\r\n\r\n\r",
  ]

  @Test("however a body is cut, it has one canonical form: each cut, and each two", arguments: nasty)
  func cuts(_ text: String) {
    let body = Array(text.utf8)
    expect(body)
    for first in 0...body.count {
      expect(body, cuts: [first])
      for second in first...body.count { expect(body, cuts: [first, second]) }
    }
    expect(body, cuts: Array(0...body.count))
  }

  @Test("whatever octets come in whatever pieces, the form is that of the whole")
  func garbage() {
    var state: UInt64 = 11
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let alphabet: [UInt8] = [13, 10, 32, 9, 97, 98]
    for _ in 0..<3_000 {
      let body = (0..<next(60)).map { _ in alphabet[next(next(2) == 0 ? 6 : 3)] }
      let cuts = (0..<next(5)).map { _ in next(body.count + 1) }.sorted()
      expect(body, cuts: cuts)
    }
    // Octets that no pattern of sixteen cuts: the wide look and the narrow one agree.
    for _ in 0..<300 {
      let body = (0..<400).map { _ in next(12) == 0 ? alphabet[next(4)] : UInt8(97 + next(26)) }
      expect(body, cuts: [next(400)].sorted())
    }
  }

  @Test("long bodies with much, little and hardly any white space: runs put together, and runs hashed as they lie")
  func longBodies() {
    var state: UInt64 = 5
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let white: [[UInt8]] = [[32], [32, 32], [9], [32, 13, 10], [13, 10], [9, 9, 13, 10, 13, 10], [13], [32, 13]]
    for rarity in [2, 20, 200, 1_023, 1_024, 3_000, 9_000] {
      var body: [UInt8] = []
      while body.count < 40_000 {
        body += Array(repeating: UInt8(97 + next(26)), count: rarity - (rarity > 1_000 ? 0 : next(rarity)))
        body += white[next(white.count)]
      }
      expect(body)
      expect(body, cuts: [next(40_000), next(40_000)].sorted())
    }
    // Nothing but white space to be made less, in front of every length of text up to the place where memory is full.
    for count in 8_150...8_210 {
      expect(Array(String(repeating: "a  ", count: count / 2).utf8) + Array(repeating: 98, count: count % 2 + 1))
    }
  }

  @Test("a million empty lines are counted, not kept")
  func emptyLines() {
    var hash = DKIMBodyHash(.simple)
    let lines = ByteBuffer(string: String(repeating: "\r\n", count: 50_000))
    for _ in 0..<20 { hash.append(lines) }
    #expect(hash.finish().octets == 2)
    hash.append(ByteBuffer(string: "x"))
    #expect(hash.finish().octets == 2_000_003)
  }

  @Test(
    "RFC 6376 §3.4.2: a field's name in lower case, its value on one line with single spaces",
    arguments: [
      ("A: X\r\n", "a:X\r\n"), ("B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"), ("Subject:\r\n  a\r\n  b\r\n", "subject:a b\r\n"),
      ("X:\r\n", "x:\r\n"), ("X:  \r\n", "x:\r\n"), ("X: a:b", "x:a:b\r\n"), ("X: \u{e9}\r\n", "x:\u{e9}\r\n"),
      // A CR or LF alone is text, and no fold.
      ("X: a\rb\r\n", "x:a\rb\r\n"), ("X: a\nb\r\n", "x:a\nb\r\n"), ("X: a\r\r\n b\r\n", "x:a\r b\r\n"),
    ])
  func fields(_ raw: String, _ relaxed: String) {
    #expect(DKIMCanonicalization.relaxed.field(Array(raw.utf8)) == Array(relaxed.utf8))
    #expect(
      DKIMCanonicalization.simple.field(Array(raw.utf8)) == Array((raw.hasSuffix("\r\n") ? raw : raw + "\r\n").utf8))
  }
}
