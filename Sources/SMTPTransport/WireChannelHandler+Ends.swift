import MailSyntax
import NIOCore
import SMTPSessions

/// How a wire ends, by our wish, the peer's or time's.
extension WireChannelHandler {
  /// Ends the wire at once for a reason of the peer's making.
  func end(with reason: WireFault) {
    switch phase {
    case .gone, .closing: return
    case .connecting, .handshaking, .silent, .open: break
    }
    if fault == nil { fault = reason }
    closeNow()
  }

  func report(_ wrapper: WrongWrapper) {
    if let delegate { setup.report(.wrongWrapper(wrapper, delegate)) }
  }

  /// Names the wrong wrapper: to the listener's report, to the peer where it can understand it, to the delegate.
  func turnAway(_ wrapper: WrongWrapper) {
    report(wrapper)
    turnAway(saying: wrapper.notice, .handshakeFailed(wrapper.explanation))
  }

  /// Ends the wire with a last word to the peer.
  func turnAway(saying notice: ByteBuffer?, _ reason: WireFault) {
    if fault == nil { fault = reason }
    outgoing = notice
    close()
  }

  func shutOutput() {
    guard case .closing(let deadline, _) = phase, let context else { return }
    phase = .closing(deadline: deadline, outputIsShut: true)
    context.close(mode: .output, promise: nil)
    // Otherwise the peer's own end is awaited: closing over unread input makes a reset, which can overtake the reply.
    if inputIsClosed { closeNow() }
  }

  /// Closes behind TLS's back where it is there: its own close would wait for the peer.
  func closeNow() {
    guard let context else { return }
    if let tls, let outer = try? context.pipeline.syncOperations.context(handler: tls) {
      outer.close(mode: .all, promise: nil)
    } else {
      context.close(mode: .all, promise: nil)
    }
  }

  /// Called by the loop's one timer.
  func sweep(_ now: Uptime) {
    let limits = setup.timeouts
    switch phase {
    case .open:
      tell { $0.tick() }
    case .handshaking(let since):
      if let gate, gate.isWaitingForFirstByte, setup.opening == .implicitTLS {
        guard now - since >= limits.silenceSaid else { return }
        report(.silenceOnTLSPort)
        phase = .silent(since: since)
        gate.discardInput()
        // A client that waits for a greeting reads SMTP; one that speaks TLS would have begun long ago.
        if let notice = WrongWrapper.silenceOnTLSPort.notice {
          context?.writeAndFlush(wrapOutboundOut(notice), promise: nil)
        }
      } else if now - since >= limits.handshake {
        end(with: .handshakeFailed("the TLS handshake was not finished in time"))
      }
    case .silent(let since):
      guard now - since >= limits.silenceClosed else { return }
      end(with: .handshakeFailed(WrongWrapper.silenceOnTLSPort.explanation))
    case .closing(let deadline, _):
      if now >= deadline { closeNow() }
    case .connecting, .gone: break
    }
  }
}
