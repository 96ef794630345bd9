import MailSyntax
import NIOCore
import NIOSSL
import SMTPSessions
import TransportSecurity

extension WireChannelHandler {
  /// Counts a handshake once, whether it is asked about before the answer to STARTTLS or begins by itself.
  func admitsTLS() -> Bool {
    guard !hasAdmittedTLS else { return true }
    guard let ledger = setup.ledger, let peer else { return true }
    hasAdmittedTLS = ledger.admitHandshake(of: peer.address, at: uptime)
    return hasAdmittedTLS
  }

  /// Puts the gate, and on a client TLS behind it, in front of this handler. On a server TLS comes with the hello.
  func beginHandshake(_ side: TLSSide) {
    guard let context else { return }
    do {
      switch side {
      case .server:
        guard setup.identities != nil else { return end(with: .handshakeFailed("no certificate is configured")) }
        guard admitsTLS() else {
          return end(with: .handshakeFailed("too many TLS handshakes from this address in a minute"))
        }
        try insertGate(.server, context)
      case .client(let peer):
        guard let clientTLS = setup.clientTLS else {
          return end(with: .handshakeFailed("no trust roots were given to judge the server by"))
        }
        let tls = try clientTLS.handler(for: peer, on: station) { [weak self] in
          self?.judgement = $0
          self?.refusal = peer.fault(with: $0)
        }
        let gate = try insertGate(.client, context)
        self.tls = tls
        try context.pipeline.syncOperations.addHandler(tls, position: .after(gate))
      }
    } catch {
      end(with: .handshakeFailed("\(error)"))
    }
  }

  @discardableResult
  private func insertGate(_ side: HandshakeGate.Side, _ context: ChannelHandlerContext) throws -> HandshakeGate {
    let gate = HandshakeGate(side, of: self)
    self.gate = gate
    // Not `.first`: a PROXY header's handler may still stand there, about to pass on what follows the header.
    try context.pipeline.syncOperations.addHandler(gate, position: .before(self))
    return gate
  }

  /// Called by the gate when the client's hello is whole: TLS begins with the certificate for its name.
  func addServerTLS(after gate: HandshakeGate, for serverName: String?) -> Bool {
    guard let context, let identities = setup.identities else { return false }
    let tls = NIOSSLServerHandler(context: identities.context(for: serverName))
    self.tls = tls
    do {
      try context.pipeline.syncOperations.addHandler(tls, position: .after(gate))
      return true
    } catch {
      end(with: .handshakeFailed("\(error)"))
      return false
    }
  }

  /// Ends a handshake that TLS isn't to see with an alert in clear.
  func refuseHandshake(_ alert: TLSAlert, _ reason: String) {
    turnAway(saying: alert.record, .handshakeFailed(reason))
  }

  /// What an error of the channel means to the delegate.
  func describe(_ error: any Error) -> WireFault {
    switch error {
    case NIOSSLError.handshakeFailed(let reason):
      if let refusal { return .certificateRefused(refusal) }
      if gate?.clientHello?.isObsolete == true {
        report(.obsoleteTLS)
        return .obsoleteTLS
      }
      if !setup.isServer, BoringSSLWords.tellOfObsoleteServer(reason) { return .obsoleteTLS }
      if let alert = gate?.alertInClear { return .handshakeFailed(BoringSSLWords.describe(alert: alert)) }
      return .handshakeFailed(BoringSSLWords.describe(reason))
    case NIOSSLError.readInInvalidTLSState:
      return .reset("bytes came after the end of TLS")
    case NIOSSLError.shutdownFailed(let reason): return .reset(BoringSSLWords.describe(reason))
    case NIOSSLError.uncleanShutdown: return .peerClosed
    case let reason as BoringSSLError: return .reset(BoringSSLWords.describe(reason))
    case let reason as IOError: return .reset(systemWords(for: reason.errnoCode))
    case _: return .reset("\(error)")
    }
  }
}
