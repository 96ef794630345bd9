/// What is done to the mail of a copy of a domain.
enum DemoAttack: String, Hashable, Sendable, CaseIterable {
  /// The attacker only listens.
  case listening
  case stripped
  case refused
  case ehloRefused = "ehlo-refused"
  case injected
  case forged
  case expired
  case wrongName = "wrong-name"
  /// The TLSA records' signature is broken, and a forged certificate waits for who goes on without them.
  case tlsaFailing = "tlsa-failing"
  /// The unsigned MX record is forged, to a host of the attacker's own with TLSA records that hold.
  case forgedMX = "forged-mx"
  /// Nobody answers at the policy host, and STARTTLS is stripped; the policy was fetched yesterday.
  case policyKept = "policy-kept"
  /// The same, and the policy was never fetched.
  case policyUnknown = "policy-unknown"
  /// The policy host sends elsewhere, and STARTTLS is stripped.
  case policyRedirected = "policy-redirected"

  var title: String {
    switch self {
    case .listening: "only listened to"
    case .stripped: "STARTTLS stripped"
    case .refused: "STARTTLS answered 454"
    case .ehloRefused: "EHLO answered 500"
    case .injected: "bytes behind the 220"
    case .forged: "forged certificate"
    case .expired: "expired certificate"
    case .wrongName: "certificate of another name"
    case .tlsaFailing: "TLSA look-up fails, forged"
    case .forgedMX: "forged MX, attacker's own DANE"
    case .policyKept: "policy host down, policy kept"
    case .policyUnknown: "policy host down at first sight"
    case .policyRedirected: "policy host redirects"
    }
  }

  /// What stands in the way to the server.
  var interception: Interception {
    switch self {
    case .listening: .listen
    case .stripped, .policyKept, .policyUnknown, .policyRedirected: .strip
    case .refused: .refuse
    case .ehloRefused: .refuseEHLO
    case .injected: .inject
    case .forged, .tlsaFailing: .show(.forged)
    case .expired: .show(.expired)
    case .wrongName: .show(.wrongName)
    case .forgedMX: .show(.attackersOwn)
    }
  }

  /// How often the policy host is asked by a message under a promise; nil where there is none to ask, or nobody answers.
  func fetches(under promise: DemoPromise) -> Int? {
    switch (promise, self) {
    case (.enforce, .policyKept), (.enforce, .policyUnknown): nil
    case (.enforce, _), (.testing, _): 1
    case (.daneEE, _), (.daneTA, _), (.selfSigned, _), (.plain, _), (.strict, _): nil
    }
  }

  /// How the relay's record of the policy that was in force begins; empty where there is none.
  func policyInForce(under promise: DemoPromise) -> String {
    switch (promise, self) {
    case (.enforce, .policyKept): "enforce id=\(DemoInternet.yesterdaysID) "
    case (.enforce, .policyUnknown), (.enforce, .policyRedirected): ""
    case (.enforce, _), (.testing, _): "\(promise.rawValue) id=\(DemoInternet.policyID) "
    case (.daneEE, _), (.daneTA, _), (.selfSigned, _), (.plain, _), (.strict, _): ""
    }
  }

  enum Interception: Hashable, Sendable {
    case listen, strip, refuse, refuseEHLO, inject
    case show(Certificate)
    enum Certificate: Hashable, Sendable { case forged, expired, wrongName, attackersOwn }
  }
}

/// One destination of the demonstration's mail: a domain, or a copy of it under an attack.
struct DemoDestination: Hashable, Sendable {
  let promise: DemoPromise
  let attack: DemoAttack

  static let attackersHost = "mx.mallory.example"

  var domain: String {
    (attack == .listening ? "" : attack.rawValue + ".") + promise.rawValue + ".example"
  }
  var recipient: String { "reader@\(domain)" }
  /// The domain's true mail host.
  var mailHost: String { "mail.\(domain)" }
  /// Where its MX record leads, which an attacker may have forged.
  var exchanger: String { attack == .forgedMX ? DemoDestination.attackersHost : mailHost }
  var policyHost: String { "mta-sts.\(domain)" }
}
