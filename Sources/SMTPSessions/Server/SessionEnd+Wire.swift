internal import TransportSecurity

extension SessionEnd {
  init(_ fault: WireFault?, peerHadFinished: Bool) {
    switch fault {
    case .handshakeFailed, .certificateRefused, .obsoleteTLS: self = .handshakeFailed
    case .reset: self = .lost
    case .peerClosed: self = .peerClosed
    case nil: self = peerHadFinished ? .peerClosed : .lost
    }
  }
}

extension WireFault {
  /// The wire's own words, where it has any.
  var reason: String? {
    switch self {
    case .handshakeFailed(let text), .reset(let text): text
    case .certificateRefused(let fault): fault.resultType
    case .obsoleteTLS: "the client offers nothing newer than TLS 1.1"
    case .peerClosed: nil
    }
  }
}
