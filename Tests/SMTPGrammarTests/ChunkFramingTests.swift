import NIOCore
import SMTPGrammar
import Testing

@Suite struct ChunkFramingTests {
  @Test("CHNK-002: a chunk has exactly its octets, whatever they are, and the next command follows")
  func counting() {
    let content = "a\r\n.\r\nb"
    for arrival in octets(content + "QUIT\r\n").arrivals {
      var framing = ChunkFraming(size: content.utf8.count)
      var buffer = ByteBuffer()
      var taken = ""
      for chunk in arrival {
        buffer.writeImmutableBuffer(chunk)
        while case .content(let slice) = framing.next(&buffer) { taken += slice.text }
      }
      #expect(taken == content)
      #expect(framing.next(&buffer) == .end)
      #expect(buffer.text == "QUIT\r\n")
      #expect(framing.remaining == 0)
    }
  }

  @Test("CHNK-003: a chunk of no octets is whole at once")
  func empty() {
    var framing = ChunkFraming(size: 0)
    var buffer = octets("QUIT\r\n")
    #expect(framing.next(&buffer) == .end)
    #expect(buffer.readableBytes == 6)
  }

  @Test("a chunk of the largest size waits for its octets")
  func huge() {
    var framing = ChunkFraming(size: .max)
    var buffer = octets("abc")
    #expect(framing.next(&buffer) == .content(octets("abc")))
    #expect(framing.next(&buffer) == .needBytes)
    #expect(framing.remaining == .max - 3)
  }
}
