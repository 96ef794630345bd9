import MailSyntax
import SMTPGrammar
import SMTPSessions
import TransportSecurity

/// The lines about TLS in a shown dialogue, and the advice that follows a failed one.
enum SendDialogue {
  static func lines(for facts: TLSFacts) -> [String] {
    var lines = ["-- \(facts.channel)"]
    if let certificate = facts.peerCertificate {
      let names = certificate.dnsNames.isEmpty ? "no DNS name" : certificate.dnsNames.joined(separator: ", ")
      lines.append("-- certificate for \(names): \(verdict(certificate.verification))")
      lines.append("-- certificate SHA-256 \(hexadecimal(certificate.sha256Fingerprint))")
    }
    return lines
  }

  static func verdict(_ verification: CertificateVerification) -> String {
    switch verification {
    case .verified(let hostName): "verified for \(hostName)"
    case .failed(let fault): "NOT verified, \(fault.resultType)"
    }
  }

  static func isVerified(_ verification: CertificateVerification) -> Bool {
    switch verification {
    case .verified: true
    case .failed: false
    }
  }

  static func hexadecimal(_ octets: [UInt8]) -> String {
    octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// What a person can do about a fault; nil where its own words say all.
  static func advice(
    for fault: DialogueFault, wire: WireFault?, target: SendTarget, security: SendSecurity, authority: String?
  ) -> String? {
    if case .certificateRefused(let reason)? = wire {
      return advice(for: reason, target: target, authority: authority)
    }
    switch (fault.stage, fault.cause) {
    case (.startTLS, .security):
      return "Nothing was sent: without TLS password and mail could be read on the way, and whoever wants to read them "
        + "would cut this very offer out. Where the server has port 465, use --tls implicit."
    case (.handshake, _) where security == .implicit:
      return "If the server begins in clear and offers STARTTLS, as on 587, 2525 and 25, use --tls starttls."
    case (.greeting, .transport) where security != .implicit,
      (.greeting, .protocolViolation) where security != .implicit:
      return "If the server speaks TLS from the first byte, as on 465, use --tls implicit."
    case (.authentication, .reply(let reply)) where reply.code.rawValue == 535:
      return "Check --user and the first line of the password file."
    case (_, .reply(let reply)) where reply.code.rawValue == 530 && security == .none:
      return "The server wants TLS first: use --tls starttls, or --tls implicit on port 465."
    case (_, .reply(let reply)) where reply.code.rawValue == 530:
      return "The server wants to know who you are: give --user and --password-file."
    case (_, _): return nil
    }
  }

  private static func advice(for fault: CertificateFault, target: SendTarget, authority: String?) -> String {
    switch fault {
    case .tlsaMismatch:
      return "The server presents another key than its domain publishes: ask its postmaster."
    case .notTrusted:
      guard let authority else {
        return "No authority that this system trusts has issued it. If you know the one that did, name its PEM file by "
          + "--ca FILE; that of `martlet dev` is tls/ca.pem in its data folder."
      }
      return
        "\(authority) doesn't hold the authority that issued it: name the PEM file of the one that did by --ca FILE."
    case .hostMismatch(_, let presented):
      guard let name = presented.first else {
        return "It carries no DNS name, so it proves none; its owner must have a new one issued."
      }
      return "Use a name that it proves, such as --server \(name):\(target.port)."
    case .expired: return "Its owner must renew it; nothing was sent."
    }
  }
}
