public import MailMessage
internal import MailSyntax

/// Whether a message was encrypted on one hop, as far as the field that tells of the hop says.
public enum HopVerdict: Hashable, Sendable {
  /// What is known of it; nil where the field says no more than that.
  case encrypted(ReceivedTLS?)
  case notEncrypted(reason: String)
  /// The field doesn't say it, and its software would not always.
  case notSaid(reason: String)
  /// Within one machine, where no network was crossed.
  case inside(reason: String)

  public init(_ hop: ReceivedHop) {
    if let reason = HopVerdict.insideReason(hop) {
      self = .inside(reason: reason)
      return
    }
    if let tls = hop.tls {
      self = .encrypted(tls)
      return
    }
    let type = hop.transmission.map { String($0.prefix(64)) } ?? ""
    switch hop.way {
    case .smtp(let smtp) where smtp.saysTLS: self = .encrypted(nil)
    case .lmtp(isEncrypted: true), .web(isEncrypted: true): self = .encrypted(nil)
    case .smtp, .lmtp:
      if hop.wouldShowTLS, let software = hop.software {
        self = .notEncrypted(reason: "\(type) by \(software.rawValue), which shows TLS wherever there was any")
      } else if case .smtp(let smtp) = hop.way, !smtp.isExtended {
        self = .notSaid(reason: "\(type) may stand for a session with TLS as well as for one without")
      } else {
        self = .notSaid(
          reason: "\(type) should mean that there was no TLS (RFC 3848), but not every server keeps to that")
      }
    case .web(isEncrypted: false): self = .notSaid(reason: "handed in at a web page (\(type))")
    case .other: self = .notSaid(reason: "with \(type), which is no way of SMTP")
    case .unsaid: self = .notSaid(reason: "the field doesn't say how the message came")
    case .localSubmission, .innerStep, .mapi: self = .inside(reason: "within one machine")
    }
  }

  private static func insideReason(_ hop: ReceivedHop) -> String? {
    switch hop.way {
    case .localSubmission: return "handed in by a program on the machine itself"
    case .innerStep: return "one part of the server to another"
    case .mapi: return "within Exchange, by MAPI"
    case .smtp, .lmtp, .web, .other, .unsaid: break
    }
    guard let sender = hop.sender else { return nil }
    if sender.isLocalSocket { return "over a socket of the machine itself" }
    if let address = sender.address {
      if address.isLoopback { return "from \(address), the machine itself" }
      if address == hop.receiverAddress { return "from \(address), which is the receiver's own address" }
      return nil
    }
    if case .lmtp = hop.way { return "LMTP without an address: to the mail store of the same machine" }
    return nil
  }
}

extension ReceivedTLS {
  /// What is wrong with it by today's measure (RFC 8996, RFC 9325 §4.1); empty when nothing is.
  public var weaknesses: [String] {
    var weaknesses: [String] = []
    if let version, ["SSLv3", "TLSv1.0", "TLSv1.1"].contains(version) {
      weaknesses.append("\(version) is obsolete (RFC 8996)")
    }
    guard let suite = cipherSuite?.uppercased() else { return weaknesses }
    if suite.contains("NULL") { weaknesses.append("a NULL suite doesn't encrypt at all") }
    if suite.contains("RC4") || suite.contains("DES") || suite.contains("EXP") {
      weaknesses.append("the cipher suite is broken (RFC 9325 §4.1)")
    }
    if suite.contains("ANON") || suite.hasPrefix("ADH") || suite.hasPrefix("AECDH") {
      weaknesses.append("an anonymous suite: the server showed no certificate")
    }
    return weaknesses
  }
}
