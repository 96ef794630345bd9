import MailSyntax
import SMTPSessions

/// What all wires of one listener, or of one dialer, have in common.
final class WireSetup: Sendable {
  enum Opening: Hashable, Sendable { case clear, implicitTLS }

  typealias Report = SMTPListener.Report

  let opening: Opening
  let isServer: Bool
  let timeouts: WireTimeouts
  let identities: TLSIdentityStore?
  let clientTLS: ClientTLS?
  let ledger: ConnectionLedger?
  let owner: ObjectIdentifier?
  let report: Report

  /// The wires of a listener.
  init(
    opening: Opening, timeouts: WireTimeouts, identities: TLSIdentityStore?, ledger: ConnectionLedger,
    owner: ObjectIdentifier, report: @escaping Report
  ) {
    self.opening = opening
    isServer = true
    self.timeouts = timeouts
    self.identities = identities
    clientTLS = nil
    self.ledger = ledger
    self.owner = owner
    self.report = report
  }

  /// The wires of a dialer; without `client` they stay in clear.
  init(client: ClientTLS?, timeouts: WireTimeouts) {
    opening = .clear
    isServer = false
    self.timeouts = timeouts
    identities = nil
    clientTLS = client
    ledger = nil
    owner = nil
    report = { _ in }
  }
}
