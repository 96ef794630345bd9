import MailSyntax
@_spi(CleartextPermitMinting) import SMTPSessions
import TransportSecurity

extension TLSDecision {
  /// Law 2: leave to send in clear comes from this decision and nothing else, and only where nobody asks for more.
  ///
  /// - Parameter reason: what goes into the record of a delivery that uses it.
  func cleartextPermit(reason: String) -> CleartextPermit? {
    switch verdict {
    case .opportunistic: CleartextPermit(reason: reason)
    case .encrypt, .authenticate, .tryLater, .refuse: nil
    }
  }
}
