extension DialogueFault.Cause {
  /// How a wire ended, as a delivery sees it.
  init(_ fault: WireFault) {
    switch fault {
    case .peerClosed: self = .transport("the server closed the connection")
    case .reset(let reason): self = .transport("the connection was lost: \(reason)")
    case .handshakeFailed(let reason): self = .security(.handshake(reason))
    case .certificateRefused(let fault): self = .security(.certificate(fault))
    case .obsoleteTLS: self = .security(.obsoleteTLS)
    }
  }
}
