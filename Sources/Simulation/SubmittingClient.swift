import MailQueue
import MailSyntax
import NIOCore

/// A mail client on 465: speaks the protocol in text, in pieces of any length, pipelined or not, and sometimes goes away.
struct SubmittingClient {
  struct Letter: Sendable {
    let account: String
    let sender: String
    let recipients: [String]
    let octets: [UInt8]
    let wish: TLSWish

    /// What MAIL must say of it.
    var parameters: String {
      let isInternational = !([sender] + recipients).allSatisfy { $0.utf8.allSatisfy { $0 < 0x80 } }
      return (octets.isEightBit ? " BODY=8BITMIME" : "") + (isInternational ? " SMTPUTF8" : "")
        + (wish == .required ? " REQUIRETLS" : "")
    }
  }

  enum End: Hashable, Sendable {
    /// 250: the server has it for good.
    case accepted(QueueID)
    case refused(String)
    /// Nobody knows.
    case lost
  }

  let internet: SimulatedInternet

  func send(_ letter: Letter, to server: SimulatedServer) async -> End {
    guard let wire = server.connect() else { return .lost }
    let end = await dialogue(letter, on: wire)
    wire.hangUp()
    return end
  }

  private func dialogue(_ letter: Letter, on wire: SimulatedWire) async -> End {
    let credentials = Base64.encode("\0\(letter.account)\0\(SimulatedServer.password)")
    guard await reply(on: wire)?.hasPrefix("220") == true else { return .lost }
    for command in ["EHLO client.example", "AUTH PLAIN \(credentials)"] {
      await say(command + "\r\n", on: wire)
      guard let answer = await reply(on: wire) else { return .lost }
      guard answer.hasPrefix("2") else { return .refused(answer) }
    }
    let commands =
      ["MAIL FROM:<\(letter.sender)>\(letter.parameters)"] + letter.recipients.map { "RCPT TO:<\($0)>" } + ["DATA"]
    let isPipelined = internet.random.chance(60)
    if isPipelined { await say(commands.joined(separator: "\r\n") + "\r\n", on: wire) }
    var last = ""
    for command in commands {
      if !isPipelined { await say(command + "\r\n", on: wire) }
      guard let answer = await reply(on: wire) else { return .lost }
      last = answer
    }
    guard last.hasPrefix("354") else { return .refused(last) }
    if internet.random.chance(3) { return .lost }
    await say(stuffed(letter.octets), on: wire)
    guard let answer = await reply(on: wire) else { return .lost }
    guard answer.hasPrefix("250") else { return .refused(answer) }
    await say("QUIT\r\n", on: wire)
    guard let id = answer.split(separator: " ").last.flatMap({ QueueID($0) }) else {
      internet.ledger.violate("the 250 names no message: \(answer)")
      return .lost
    }
    return .accepted(id)
  }

  /// RFC 5321 §4.5.2, with the dot at the end.
  private func stuffed(_ octets: [UInt8]) -> [UInt8] {
    let dot = UInt8(ascii: ".")
    var stuffed: [UInt8] = []
    var last: UInt8 = 0x0a
    for octet in octets {
      if octet == dot, last == 0x0a { stuffed.append(dot) }
      stuffed.append(octet)
      last = octet
    }
    return stuffed + [dot, 0x0d, 0x0a]
  }

  private func say(_ text: String, on wire: SimulatedWire) async { await say(Array(text.utf8), on: wire) }

  /// Sends in up to three pieces with a little time between them.
  private func say(_ octets: [UInt8], on wire: SimulatedWire) async {
    var rest = octets[...]
    for _ in 0..<internet.random.below(3) where rest.count > 1 {
      let piece = rest.prefix(1 + internet.random.below(rest.count - 1))
      wire.send(ByteBuffer(bytes: piece))
      rest = rest.dropFirst(piece.count)
      await internet.clock.sleep(for: .milliseconds(1 + internet.random.below(40)))
    }
    wire.send(ByteBuffer(bytes: rest))
  }

  /// The last line of the next reply.
  private func reply(on wire: SimulatedWire) async -> String? {
    while let line = await wire.readLine() {
      guard line.utf8.count >= 3 else { return line }
      if line.utf8.dropFirst(3).first != UInt8(ascii: "-") { return line }
    }
    return nil
  }
}

/// RFC 4648 §4, for AUTH PLAIN.
private enum Base64 {
  static func encode(_ text: String) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    let octets = Array(text.utf8)
    var encoded: [UInt8] = []
    for start in stride(from: 0, to: octets.count, by: 3) {
      let group = octets[start..<min(start + 3, octets.count)]
      let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for place in 0..<4 {
        encoded.append(place <= group.count ? alphabet[bits >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
      }
    }
    return String(decoding: encoded, as: UTF8.self)
  }
}
