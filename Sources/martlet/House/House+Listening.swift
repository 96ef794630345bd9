import Configuration
import ControlPlane
import MailSyntax
import Relay
import SMTPSessions
import SMTPTransport
import SystemWorld

extension House {
  /// Opens every listener, or none. Each session begins with what stands at its connection.
  static func listen(
    _ standing: Standing, on loops: TransportLoops, identities: TLSIdentityStore?,
    ledger: ConnectionLedger, intake: Intake, dialogues: DialogueHub, inherited: [InheritedSocket]
  ) async throws -> [SMTPListener] {
    let configuration = standing.current.configuration
    let random = SystemRandom()
    var listeners: [SMTPListener] = []
    for listener in configuration.listeners {
      var options = ListenerOptions(
        opening: listener.role == .submissions ? .implicitTLS : .clear, addresses: listener.addresses,
        inherited: inherited.filter { listener.inherited.contains($0.name) },
        hostName: configuration.hostName.description)
      options.trustedProxies = listener.trustedProxies.compactMap { IPNetwork($0) }
      let role = listener.role
      do {
        listeners.append(
          try await SMTPListener.start(
            options, on: loops, identities: identities, ledger: ledger,
            report: { report in
              switch report {
              case .wrongWrapper(let wrapper, let delegate):
                guard let connection = delegate as? ServerConnection else { return }
                intake.observe(.wrongWrapper(wrapper), connection.facts)
              case .badProxyHeader(let reason, let proxy, let local):
                let facts = SessionFacts(session: SessionID(random.next()), role: role, peer: proxy, local: local)
                intake.observe(.badProxyHeader(reason), facts)
              case .notAdmitted(let bound, let peer, let local):
                let facts = SessionFacts(session: SessionID(random.next()), role: role, peer: peer, local: local)
                intake.observe(.notAdmitted(bound), facts)
              }
            },
            delegate: { wire, peer, local in
              ServerConnection(
                wire: wire,
                facts: SessionFacts(session: SessionID(random.next()), role: role, peer: peer, local: local),
                conduct: intake, settings: standing.current.settings, watch: dialogues)
            }))
      } catch {
        for open in listeners { await open.stopAccepting() }
        throw error
      }
    }
    return listeners
  }
}
