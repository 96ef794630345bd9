import MailSyntax
import OrderedCollections
import TransportSecurity

/// What becomes of STARTTLS at a host.
enum TLSConduct: Hashable, Sendable, CaseIterable {
  /// TLS, and a certificate that proves the host.
  case verified
  /// TLS with a certificate that proves nothing.
  case unverified
  case notOffered
  /// Offered, and answered with no.
  case refused
  /// The handshake fails, never ends, or ends below TLS 1.2.
  case broken, stalled, obsolete
}

/// How a mail host behaves for a while. Chances are per cent, drawn anew at every step of a session.
struct HostMood: Hashable, Sendable {
  /// No connection is answered.
  var isSilent = false
  var refusesConnections = 0
  /// Answers with a refusal of the golden table.
  var refuses = 0
  /// The connection is lost.
  var hangsUp = 0
  /// Nothing comes any more.
  var stalls = 0
  /// Takes a message, and the connection is lost before it says so.
  var losesWords = 0
  var recipientLimit: Int?
  /// Greets everybody with 421.
  var turnsAway = false
  /// What it hasn't seen before is to come again: envelopes of a sender and a recipient, for this long.
  var greylists: Duration?
  /// Instead of what the host is by nature.
  var tls: TLSConduct?
  /// An answer takes up to this long.
  var slowest: Duration = .milliseconds(400)

  static let well = HostMood()

  static func draw(_ random: SeededRandom) -> HostMood {
    switch random.below(10) {
    case 0, 1: .well
    case 2: HostMood(isSilent: true)
    case 3: HostMood(refusesConnections: 100)
    case 4: HostMood(refuses: 15)
    case 5: HostMood(hangsUp: 10, losesWords: 20)
    case 6, 7: HostMood(tls: random.pick(TLSConduct.allCases))
    case 8: HostMood(refusesConnections: 20, refuses: 5, stalls: 4, slowest: .seconds(60))
    case _: HostMood(refuses: 3, recipientLimit: 1 + random.below(2))
    }
  }
}

/// A mail server somewhere. Everything happens on the world's thread.
final class MailHost: @unchecked Sendable {
  let name: DomainName
  let addresses: [IPAddress]
  /// What it calls itself.
  let greetingName: DomainName
  private let nature: TLSConduct
  let key: HostKey
  /// What the DNS says of its keys; nil where its zone isn't signed, so that nothing of it can be proven.
  private(set) var tlsa: Phases<TLSAPublication>?
  private let moods: [(until: Uptime, mood: HostMood)]
  private let faultsEnd: Uptime
  /// Somebody demands TLS here, of a domain or of its own keys: when the faults stop its TLS is as it should be.
  var servesDemandingDomain = false
  var takesAnyMail = false
  /// When each envelope was seen first.
  private var greylist: OrderedDictionary<String, Uptime> = [:]

  /// - Parameter moods: until `faultsEnd`; then it is well.
  init(
    _ name: DomainName, at addresses: [IPAddress], greetingName: DomainName? = nil, nature: TLSConduct,
    key: HostKey, tlsa: Phases<TLSAPublication>? = nil,
    moods: [(until: Uptime, mood: HostMood)], faultsEnd: Uptime
  ) {
    self.key = key
    self.tlsa = tlsa
    self.name = name
    self.addresses = addresses
    self.greetingName = greetingName ?? name
    self.nature = nature
    self.moods = moods
    self.faultsEnd = faultsEnd
  }

  func mood(at moment: Uptime) -> HostMood {
    guard moment < faultsEnd else { return .well }
    return moods.first { moment < $0.until }?.mood ?? .well
  }

  var isSigned: Bool { tlsa != nil }

  /// What was published of its keys between both; nothing where its zone isn't signed.
  func publishedKeys(from begin: Uptime, to end: Uptime) -> [TLSAPublication] {
    tlsa?.values(from: begin, to: end) ?? []
  }

  /// Whether an envelope is to come again, for it is too new here.
  func putsOff(_ envelope: String, at moment: Uptime) -> Bool {
    guard let time = mood(at: moment).greylists else { return false }
    let first = greylist[envelope] ?? moment
    greylist[envelope] = first
    return moment - first < time
  }

  func tls(at moment: Uptime) -> TLSConduct {
    if moment >= faultsEnd, servesDemandingDomain { return .verified }
    return mood(at: moment).tls ?? nature
  }
}
