import Certificates
import Diagnosis
import MailSyntax

/// Who issues certificates on the demonstration's internet.
struct DemoAuthorities: Sendable {
  /// The one that the relay believes: its public authority.
  let believed: DevelopmentAuthority
  /// The one that the signed DNS vouches for, and nobody else.
  let vouched: DevelopmentAuthority
  /// One that nobody knows.
  let unknown: DevelopmentAuthority
  /// The attacker's own.
  let mallory: DevelopmentAuthority
  private let now: UTCInstant

  private static let month = Duration.seconds(30 * 86_400)

  init(now: UTCInstant) throws {
    self.now = now
    believed = try DevelopmentAuthority(now: now)
    vouched = try DevelopmentAuthority(now: now)
    unknown = try DevelopmentAuthority(now: now)
    mallory = try DevelopmentAuthority(now: now)
  }

  /// A chain as a server shows it.
  struct Chain: Sendable {
    let leaf: DevelopmentAuthority.Issued
    /// Leaf first.
    let pem: String
  }

  func chain(
    by authority: DevelopmentAuthority, for names: [String], isExpired: Bool = false, showsAuthority: Bool = false
  ) throws -> Chain {
    let subject = DevelopmentAuthority.Subject(dnsNames: names, addresses: [])
    let leaf =
      isExpired
      ? try authority.issue(
        for: subject, now: UTCInstant(seconds: now.seconds - 2 * DemoAuthorities.month.components.seconds),
        lasting: DemoAuthorities.month)
      : try authority.issue(for: subject, now: now)
    // RFC 7672 §3.1.2: under DANE-TA the authority's certificate is shown too, a root's as well.
    return Chain(
      leaf: leaf, pem: leaf.certificatePEM + (showsAuthority ? authority.issued.certificatePEM : ""))
  }

  /// What a true server shows; nil where it has no TLS.
  func chain(of server: DemoServer, for names: [String]) throws -> Chain? {
    switch server {
    case .certified: try chain(by: believed, for: names)
    case .ownKey: try chain(by: unknown, for: ["elsewhere.example"], isExpired: true)
    case .ownAuthority: try chain(by: vouched, for: names, showsAuthority: true)
    case .selfSigned: try chain(by: unknown, for: names)
    case .plain: nil
    }
  }

  /// What an attacker shows to the mail of a destination: as good as it can have.
  func identity(
    _ certificate: DemoAttack.Interception.Certificate, for destination: DemoDestination
  ) throws -> AttackIdentity {
    // One that the destination's senders believe has issued to the attacker too, or to the server once.
    let authority = destination.promise == .daneTA ? vouched : believed
    let showsAuthority = destination.promise == .daneTA
    let chain =
      switch certificate {
      case .forged: try chain(by: mallory, for: [destination.mailHost], showsAuthority: showsAuthority)
      case .expired:
        try chain(by: authority, for: [destination.mailHost], isExpired: true, showsAuthority: showsAuthority)
      case .wrongName: try chain(by: authority, for: ["mallory.example"], showsAuthority: showsAuthority)
      case .attackersOwn: try chain(by: mallory, for: [DemoDestination.attackersHost], showsAuthority: true)
      }
    return try AttackIdentity(chainPEM: chain.pem, keyPEM: chain.leaf.keyPEM)
  }
}
