import MailSyntax
import NIOCore
import SMTPSessions

/// Both ends of a connection in a simulated world: `Wire` for the server's connection, plain functions for the client.
/// Everything happens on the world's thread.
final class SimulatedWire: WorldWire, @unchecked Sendable {
  let world: World
  private var delegate: (any WireDelegate)?
  private var outgoing = ByteBuffer()
  /// What the server flushed and the client hasn't read.
  private var inbox = ByteBuffer()
  /// What the client sent while the server read nothing.
  private var outbox = ByteBuffer()
  private var isPaused = false
  private var reader: CheckedContinuation<Void, Never>?
  private(set) var isClosed = false

  init(_ world: World) { self.world = world }

  // MARK: The server's end

  func write(_ bytes: ByteBuffer) { outgoing.writeImmutableBuffer(bytes) }
  func flush() {
    guard !isClosed else { return }
    inbox.writeBuffer(&outgoing)
    outgoing.clear()
    wakeReader()
  }
  func pauseReading() { isPaused = true }
  func resumeReading() {
    isPaused = false
    passOn()
  }
  func startTLS(_ side: TLSSide) { delegate?.tlsEstablished(ModelledHandshake.proof) }
  func close() {
    flush()
    end(nil)
  }

  // MARK: The client's end

  /// Connects, with TLS from the first byte.
  func open(_ delegate: any WireDelegate) {
    self.delegate = delegate
    delegate.tlsEstablished(ModelledHandshake.proof)
    delegate.opened()
  }

  func send(_ bytes: ByteBuffer) {
    guard !isClosed else { return }
    outbox.writeImmutableBuffer(bytes)
    passOn()
  }

  private func passOn() {
    guard !isPaused, !isClosed, outbox.readableBytes > 0 else { return }
    var bytes = outbox
    outbox = ByteBuffer()
    delegate?.received(&bytes)
  }

  func tick() { delegate?.tick() }

  /// The next line without its end; nil when the connection is gone.
  func readLine() async -> String? {
    while true {
      if let line = takeLine() { return line }
      guard !isClosed, !Task.isCancelled else { return nil }
      await withCheckedContinuation { reader = $0 }
    }
  }

  private func takeLine() -> String? {
    let bytes = inbox.readableBytesView
    guard let end = bytes.firstIndex(of: 0x0a) else { return nil }
    let line = String(decoding: bytes[..<end].dropLast(), as: UTF8.self)
    inbox.moveReaderIndex(forwardBy: end - bytes.startIndex + 1)
    return line
  }

  /// The connection is lost; the server hears of it.
  func hangUp() { end(.reset("the client went away")) }

  /// The server's machine lost its power: nobody there hears of anything any more, and what was on its way is gone.
  func cut() {
    delegate = nil
    inbox.clear()
    end(nil)
  }

  private func end(_ fault: WireFault?) {
    guard !isClosed else { return }
    isClosed = true
    let delegate = delegate
    self.delegate = nil
    delegate?.closed(fault)
    wakeReader()
  }

  private func wakeReader() {
    let reader = reader
    self.reader = nil
    reader?.resume()
  }
}
