import DNSRecords
import MailSyntax

extension TLSVerdict {
  /// Whom a handshake must meet under the verdict; nil where there is to be no connection at all.
  ///
  /// - Parameters:
  ///   - hostName: the MX host's name in A-labels, or the text of an address.
  ///   - dane: what the host's TLSA records expect, where some can be used. They are matched whatever is demanded.
  public func expectedPeer(hostName: String, dane: DANEExpectation?) -> ExpectedPeer? {
    let demand: CertificateDemand? =
      switch self {
      case .opportunistic, .encrypt: .recorded
      case .authenticate(.pkix): .verified
      case .authenticate(.dane): .dane
      case .authenticate(.pkixAndDANE): .daneAndVerified
      case .tryLater, .refuse: nil
      }
    return demand.map { ExpectedPeer(hostName: hostName, demand: $0, dane: dane) }
  }

  /// Whether a channel is as safe as asked, judged by what its handshake left: for a connection that is to be used
  /// again, for a domain that it wasn't made for.
  ///
  /// - Parameters:
  ///   - tls: nil for a channel in clear.
  ///   - dane: what the host's TLSA records expect for this domain, as they stand now.
  public func isMet(by tls: TLSFacts?, hostName: String, dane: DANEExpectation? = nil) -> Bool {
    guard let peer = expectedPeer(hostName: hostName, dane: dane) else { return false }
    if case .opportunistic = self { return true }
    guard let tls else { return false }
    return peer.fault(with: tls.peerCertificate) == nil
      && peer.dane.map { $0.admits(tls.peerCertificate?.dane) } ?? true
  }
}

extension DANEExpectation {
  /// Whether what an earlier handshake matched is among the records as they stand, for a name that counts here too. A
  /// channel that is judged by nothing but its encryption meets any records.
  fileprivate func admits(_ verification: DANEVerification?) -> Bool {
    guard case .matched(let record, let name)? = verification else { return true }
    return tlsa.usable.contains(record) && name.map { known in names.contains { $0.folded == known } } ?? true
  }
}
