import NIOCore

/// What the man in the middle makes of what each end says: octets in, steps out. It holds no socket. Loop-confined to
/// its connection, and bounded by `AttackBounds`.
struct AttackedDialogue {
  enum Step: Equatable {
    case toClient(ByteBuffer, Attack.Segments = .whole)
    case toServer(ByteBuffer)
    /// Behind all that was said to it before.
    case startTLSWithClient
    case startTLSWithServer
    /// An end said more than anybody reads.
    case close
  }

  /// What the client's next octets are.
  private enum Mode {
    case commands
    /// The answer to a challenge of AUTH.
    case authentication
    case content(ContentEnd)
    case chunk(left: Int)
    /// Nothing is read of the client until the server, or a handshake, has had its turn.
    case waiting
  }

  /// Whose reply comes next, and to what.
  private enum Awaited {
    case greeting, ehlo, startTLS, onwardTLS, data, authentication, other
    /// The attacker's own, in its turn behind the server's.
    case ours(String, startsTLS: Bool)
  }

  private let attack: Attack
  private var fromClient = ByteBuffer()
  private var fromServer = ByteBuffer()
  private var mode = Mode.commands
  private var awaited: [Awaited] = [.greeting]
  /// The ends speak TLS with each other: nothing can be read any more.
  private var isOpaque = false
  /// The client speaks TLS with the attacker.
  private var hasClient = false
  /// A handshake with the server is under way.
  private var awaitsServer = false
  /// What was seen since `takeSeen`.
  private var seen = AttackRecord()

  init(_ attack: Attack) { self.attack = attack }

  mutating func takeSeen() -> AttackRecord {
    defer { seen = AttackRecord() }
    return seen
  }

  // MARK: What happens

  mutating func clientSaid(_ octets: ByteBuffer) -> [Step] {
    guard !isOpaque else { return [.toServer(octets)] }
    fromClient.writeImmutableBuffer(octets)
    var steps: [Step] = []
    readClient(&steps)
    return steps
  }

  mutating func serverSaid(_ octets: ByteBuffer) -> [Step] {
    guard !isOpaque else { return [.toClient(octets)] }
    fromServer.writeImmutableBuffer(octets)
    var steps: [Step] = []
    while !isOpaque, let reply = nextReply() { answer(reply, &steps) }
    if isOpaque { pass(&steps) }
    if fromServer.readableBytes > AttackBounds.replyOctets { steps.append(.close) }
    readClient(&steps)
    return steps
  }

  /// The client has finished the handshake with the attacker.
  mutating func clientIsSecure() -> [Step] {
    hasClient = true
    seen.handshakesWon += 1
    mode = .commands
    var steps: [Step] = []
    readClient(&steps)
    return steps
  }

  mutating func clientRefused() { seen.handshakesLost += 1 }

  mutating func serverIsSecure() -> [Step] {
    awaitsServer = false
    var steps: [Step] = []
    readClient(&steps)
    return steps
  }

  // MARK: The client's side

  private mutating func readClient(_ steps: inout [Step]) {
    while !isOpaque, !awaitsServer, fromClient.readableBytes > 0 {
      switch mode {
      case .waiting: return
      case .chunk(let left):
        guard let part = fromClient.readSlice(length: min(left, fromClient.readableBytes)) else { return }
        seen.bodyOctets += part.readableBytes
        steps.append(.toServer(part))
        mode = part.readableBytes == left ? .commands : .chunk(left: left - part.readableBytes)
      case .content(var end):
        let (count, isOver) = end.scan(fromClient.readableBytesView)
        guard let part = fromClient.readSlice(length: count) else { return }
        // The dot and its CRLF are none of the message.
        seen.bodyOctets += count - (isOver ? 3 : 0)
        steps.append(.toServer(part))
        mode = isOver ? .commands : .content(end)
      case .authentication:
        guard let line = nextLine(&steps) else { return }
        // RFC 4954 §4: `*` breaks it off.
        if line.text != "*" { seen.credentials += 1 }
        mode = .waiting
        awaited.append(.authentication)
        steps.append(.toServer(line.octets))
      case .commands:
        guard let line = nextLine(&steps) else { return }
        guard awaited.count < AttackBounds.pipelinedCommands else { return steps.append(.close) }
        hear(line, &steps)
      }
    }
  }

  private mutating func nextLine(_ steps: inout [Step]) -> (octets: ByteBuffer, text: String)? {
    guard let end = fromClient.readableBytesView.firstIndex(of: UInt8(ascii: "\n")),
      let octets = fromClient.readSlice(length: end - fromClient.readerIndex + 1)
    else {
      if fromClient.readableBytes > AttackBounds.lineOctets { steps.append(.close) }
      return nil
    }
    let text = String(buffer: octets).split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
    return (octets, text)
  }

  private mutating func hear(_ line: (octets: ByteBuffer, text: String), _ steps: inout [Step]) {
    let words = line.text.split(separator: " ")
    switch words.first?.uppercased() {
    case "EHLO":
      if case .refuseEHLO = attack { return strike("500 5.5.1 Command unrecognized\r\n", &steps) }
      awaited.append(.ehlo)
    case "STARTTLS": return hearSTARTTLS(line.octets, &steps)
    case "MAIL", "RCPT":
      seen.envelopeCommands += 1
      awaited.append(.other)
    case "AUTH":
      // RFC 4954 §4: an initial response stands behind the mechanism.
      if words.count > 2 { seen.credentials += 1 }
      mode = .waiting
      awaited.append(.authentication)
    case "DATA":
      mode = .waiting
      awaited.append(.data)
    case "BDAT":
      let length = words.dropFirst().first.flatMap { Int($0) } ?? 0
      if length > 0 { mode = .chunk(left: length) }
      awaited.append(.other)
    case _: awaited.append(.other)
    }
    steps.append(.toServer(line.octets))
  }

  private mutating func hearSTARTTLS(_ command: ByteBuffer, _ steps: inout [Step]) {
    guard !hasClient else { return say("503 5.5.1 TLS is on\r\n", &steps) }
    switch attack {
    case .none, .injectBehind220:
      mode = .waiting
      awaited.append(.startTLS)
      steps.append(.toServer(command))
    case .stripSTARTTLS, .refuseEHLO: strike("502 5.5.1 Command not implemented\r\n", &steps)
    case .refuseSTARTTLS: strike("454 4.7.0 TLS not available due to temporary reason\r\n", &steps)
    case .forgeCertificate, .expiredCertificate, .wrongName:
      mode = .waiting
      // What a client says before it has its 220 is nothing that TLS could make use of.
      fromClient.clear()
      seen.strikes += 1
      awaited.append(.ours("220 2.0.0 Ready to start TLS\r\n", startsTLS: true))
      takeOurTurn(&steps)
      guard case .tls? = attack.impersonation?.onward else { return }
      awaitsServer = true
      awaited.append(.onwardTLS)
      steps.append(.toServer(command))
    }
  }

  private mutating func strike(_ reply: String, _ steps: inout [Step]) {
    seen.strikes += 1
    say(reply, &steps)
  }

  private mutating func say(_ reply: String, _ steps: inout [Step]) {
    awaited.append(.ours(reply, startsTLS: false))
    takeOurTurn(&steps)
  }

  private mutating func takeOurTurn(_ steps: inout [Step]) {
    while case .ours(let reply, let startsTLS)? = awaited.first {
      awaited.removeFirst()
      steps.append(.toClient(ByteBuffer(string: reply)))
      if startsTLS { steps.append(.startTLSWithClient) }
    }
  }

  // MARK: The server's side

  /// A reply with all its lines. What has no form of a reply goes on line by line.
  private mutating func nextReply() -> ByteBuffer? {
    let octets = fromServer.readableBytesView
    var start = octets.startIndex
    while let end = octets[start...].firstIndex(of: UInt8(ascii: "\n")) {
      let line = octets[start...end]
      start = end + 1
      let isLast = line.count < 4 || line[line.startIndex + 3] != UInt8(ascii: "-")
      if isLast { return fromServer.readSlice(length: start - octets.startIndex) }
    }
    return nil
  }

  private mutating func answer(_ reply: ByteBuffer, _ steps: inout [Step]) {
    let code = String(decoding: reply.readableBytesView.prefix(3), as: UTF8.self)
    let question = awaited.isEmpty ? .other : awaited.removeFirst()
    switch question {
    case .greeting, .other, .ours: steps.append(.toClient(reply))
    case .ehlo: answerEHLO(reply, &steps)
    case .data:
      mode = code == "354" ? .content(ContentEnd()) : .commands
      steps.append(.toClient(reply))
    case .authentication:
      mode = code == "334" ? .authentication : .commands
      steps.append(.toClient(reply))
    case .onwardTLS:
      // Without TLS it goes on in clear: its victim won't know.
      if code == "220" { steps.append(.startTLSWithServer) } else { awaitsServer = false }
    case .startTLS:
      guard code == "220" else {
        mode = .commands
        steps.append(.toClient(reply))
        break
      }
      isOpaque = true
      guard case .injectBehind220(let replies, let segments) = attack else {
        steps.append(.toClient(reply))
        break
      }
      seen.strikes += 1
      var both = reply
      both.writeString(replies)
      steps.append(.toClient(both, segments))
    }
    takeOurTurn(&steps)
  }

  private mutating func answerEHLO(_ reply: ByteBuffer, _ steps: inout [Step]) {
    guard let cut = EHLOCut.withoutSTARTTLS(reply) else { return steps.append(.toClient(reply)) }
    switch attack {
    case .stripSTARTTLS(let segments):
      seen.strikes += 1
      steps.append(.toClient(cut, segments))
    // Inside its own TLS the server's offer, made in clear, would look strange (RFC 3207 §4.2).
    case .forgeCertificate, .expiredCertificate, .wrongName: steps.append(.toClient(hasClient ? cut : reply))
    case .none, .refuseSTARTTLS, .refuseEHLO, .injectBehind220: steps.append(.toClient(reply))
    }
  }

  /// Hands on what was held when the ends began to speak TLS with each other.
  private mutating func pass(_ steps: inout [Step]) {
    if fromServer.readableBytes > 0 { steps.append(.toClient(fromServer)) }
    if fromClient.readableBytes > 0 { steps.append(.toServer(fromClient)) }
    fromServer.clear()
    fromClient.clear()
  }
}
