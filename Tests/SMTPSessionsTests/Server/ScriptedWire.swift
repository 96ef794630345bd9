import MailSyntax
import NIOCore
@_spi(TLSProofMinting) import SMTPSessions
import TransportSecurity

/// A wire in memory: keeps what is written, lets the test decide when awaited answers come.
final class ScriptedWire: Wire {
  var uptime = Uptime(nanoseconds: 0)
  var isWritable = true
  weak var delegate: (any WireDelegate)?
  private(set) var written = ByteBuffer()
  private(set) var isReading = true
  private(set) var isClosed = false
  private(set) var isHandshaking = false
  private var unflushed = ByteBuffer()
  private(set) var flushes = 0
  var pending: [() async -> Void] = []

  func write(_ bytes: ByteBuffer) {
    var bytes = bytes
    unflushed.writeBuffer(&bytes)
  }
  func flush() {
    guard unflushed.readableBytes > 0 else { return }
    flushes += 1
    written.writeBuffer(&unflushed)
    unflushed.clear()
  }
  func pauseReading() { isReading = false }
  func resumeReading() { isReading = true }
  var admitsHandshakes = true
  func admitsTLS() -> Bool { admitsHandshakes }
  func startTLS(_ side: TLSSide) { isHandshaking = true }
  func close() {
    flush()
    isClosed = true
  }
  func await<Answer: Sendable>(
    _ question: @escaping @Sendable () async -> Answer, then: @escaping (Answer) -> Void
  ) {
    pending.append { then(await question()) }
  }

  func finishHandshake(_ facts: TLSFacts = .example) {
    isHandshaking = false
    delegate?.tlsEstablished(TLSProof(facts: facts))
  }
  /// Lets every answer that is awaited come, and those that follow from them.
  func settle() async {
    while !pending.isEmpty { await pending.removeFirst()() }
  }
  func takeWritten() -> String {
    defer { written.clear() }
    return String(buffer: written)
  }
}

extension TLSFacts {
  static let example = TLSFacts(
    version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1302), group: NamedGroup(rawValue: 0x11ec))
}
