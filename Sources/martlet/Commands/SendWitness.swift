import MailSyntax
import NIOCore
import SMTPSessions
import Synchronization
import TransportSecurity

/// What was seen on one wire, beside what the conversation on it says: advice needs the reason, not its words.
final class WireTestimony: Sendable {
  private struct State {
    var hasWire = false
    var tls: TLSFacts?
    var fault: WireFault?
  }
  private let state = Mutex(State())
  private let end = OneShot<Void>()

  /// Of the handshake that ended well.
  var tls: TLSFacts? { state.withLock { $0.tls } }
  /// How the wire ended, other than by our own close.
  var fault: WireFault? { state.withLock { $0.fault } }

  /// Waits until the wire is gone, where there was one: what a conversation says last, it says after its answer.
  func ended() async {
    if state.withLock({ $0.hasWire }) { await end.value() }
  }

  fileprivate func seeWire() { state.withLock { $0.hasWire = true } }
  fileprivate func see(_ facts: TLSFacts) { state.withLock { $0.tls = facts } }
  fileprivate func seeEnd(_ fault: WireFault?) {
    state.withLock { $0.fault = fault }
    end.fulfil(())
  }
}

/// A dialer whose wires leave a testimony.
struct WitnessedDialer<Base: Dialer>: Dialer {
  let base: Base
  let testimony: WireTestimony
  /// Told of a handshake before the first line inside it, on the wire's thread of control.
  let onHandshake: @Sendable (TLSFacts) -> Void

  func dial(
    _ target: DialTarget, from egress: Egress, timeout: Duration,
    delegate: @escaping @Sendable (any Wire, DialledPeer) -> any WireDelegate
  ) async throws(DialFault) -> DialledPeer {
    let (testimony, onHandshake) = (testimony, onHandshake)
    return try await base.dial(target, from: egress, timeout: timeout) { wire, peer in
      WireWitness(delegate(wire, peer), testimony: testimony, onHandshake: onHandshake)
    }
  }
}

/// Stands between a wire and the connection on it, and hands on all that the wire says.
private final class WireWitness: WireDelegate {
  private let connection: any WireDelegate
  private let testimony: WireTestimony
  private let onHandshake: @Sendable (TLSFacts) -> Void

  init(
    _ connection: any WireDelegate, testimony: WireTestimony, onHandshake: @escaping @Sendable (TLSFacts) -> Void
  ) {
    self.connection = connection
    self.testimony = testimony
    self.onHandshake = onHandshake
    testimony.seeWire()
  }

  func tlsEstablished(_ proof: TLSProof) {
    testimony.see(proof.facts)
    onHandshake(proof.facts)
    connection.tlsEstablished(proof)
  }

  func closed(_ fault: WireFault?) {
    // Last: whoever has waited for it finds nothing more to come.
    defer { testimony.seeEnd(fault) }
    connection.closed(fault)
  }

  func opened() { connection.opened() }
  func received(_ bytes: inout ByteBuffer) { connection.received(&bytes) }
  func becameWritable() { connection.becameWritable() }
  func inputClosed() { connection.inputClosed() }
  func tick() { connection.tick() }
}
