import Testing

/// The client's dialogues of Tests/Corpus/sessions/client, against the machines alone.
@Suite("Client transcripts")
struct ClientTranscriptTests {
  @Test("the corpus is read: a suite without transcripts proves nothing")
  func corpusIsThere() throws {
    #expect(try ClientTranscript.corpus().count >= 40)
  }

  @Test("a dialogue goes as its transcript says, fed whole", arguments: try ClientTranscript.corpus())
  func whole(_ transcript: ClientTranscript) throws {
    try check(transcript, .whole)
  }

  @Test("a dialogue goes the same way fed byte by byte", arguments: try ClientTranscript.corpus())
  func byteByByte(_ transcript: ClientTranscript) throws {
    guard !transcript.has("feed", "whole") else { return }
    try check(transcript, .byteByByte)
  }

  @Test("a dialogue goes the same way cut at each boundary", arguments: try ClientTranscript.corpus())
  func cut(_ transcript: ClientTranscript) throws {
    guard !transcript.has("feed", "whole") else { return }
    let longest = transcript.steps.map { if case .server(let octets) = $0 { octets.count } else { 0 } }.max() ?? 0
    for at in 1..<max(2, longest) { try check(transcript, .cut(at)) }
  }

  private func check(_ transcript: ClientTranscript, _ feeding: Feeding) throws {
    var driver = try ClientDriver(transcript)
    let log = driver.run(feeding)
    let expected = transcript.steps.compactMap { if case .expected(let line) = $0 { line } else { nil } }
    #expect(log == expected, "\(transcript.name) \(feeding)")
  }
}
