import MailSyntax
import TransportSecurity

/// One domain of the demonstration's internet: who takes its mail, what the relay's operator demands for it, and what
/// has to come of a message to it.
struct DemoDomain: Hashable, Sendable {
  let name: String
  let server: Server
  var floor = TLSFloor.opportunistic
  let ending: Ending

  var recipient: String { "reader@\(name)" }

  static let all = [
    DemoDomain(name: "plain.example", server: .plain, ending: .inClear),
    DemoDomain(name: "selfsigned.example", server: .selfSigned, ending: .unproven),
    DemoDomain(name: "good.example", server: .good, ending: .proven),
    DemoDomain(name: "strict.example", server: .selfSigned, floor: .verified, ending: .waiting),
  ]

  /// A mail server, by what it has to offer a sender.
  enum Server: Hashable, Sendable, CaseIterable {
    case plain
    /// Its certificate is of an authority of its own, which nobody else knows.
    case selfSigned
    /// Its certificate is of an authority that the relay believes.
    case good

    var hostName: String {
      switch self {
      case .plain: "mail.plain.example"
      case .selfSigned: "mail.selfsigned.example"
      case .good: "mail.good.example"
      }
    }

    /// All servers of a run listen on one port, as all of the world do on 25, so each has an address of its own.
    var address: IPAddress {
      switch self {
      case .plain: .v4(0x7f00_0002)
      case .selfSigned: .v4(0x7f00_0003)
      case .good: .v4(0x7f00_0004)
      }
    }

    var hasCertificate: Bool {
      switch self {
      case .plain: false
      case .selfSigned, .good: true
      }
    }

    /// As a table shows it.
    var offer: String {
      switch self {
      case .plain: "no STARTTLS"
      case .selfSigned: "STARTTLS, self-signed"
      case .good: "STARTTLS, certified"
      }
    }
  }

  /// How safely a message has to get there.
  enum Ending: Hashable, Sendable {
    case inClear
    case unproven
    case proven
    /// It stays in the queue, since the floor can't be met.
    case waiting
  }
}
