/// What a domain of the demonstration's internet promises of its mail servers, and where senders find that.
enum DemoPromise: String, Hashable, Sendable, CaseIterable {
  /// An MTA-STS policy of mode `enforce`.
  case enforce
  /// One of mode `testing`.
  case testing
  /// TLSA records of usage 3: the server's own key.
  case daneEE = "dane-ee"
  /// TLSA records of usage 2: the authority that issues the server's certificates.
  case daneTA = "dane-ta"
  /// Nothing; its server has TLS with a certificate of nobody's authority.
  case selfSigned = "selfsigned"
  /// Nothing; its server has no TLS.
  case plain
  /// Nothing, as `selfSigned`; but the sender's own operator demands a proof.
  case strict

  var title: String {
    switch self {
    case .enforce: "MTA-STS, mode enforce"
    case .testing: "MTA-STS, mode testing"
    case .daneEE: "DANE-EE, the server's key in the signed DNS"
    case .daneTA: "DANE-TA, an authority in the signed DNS"
    case .selfSigned: "promises nothing; its certificate is self-signed"
    case .plain: "promises nothing; has no TLS"
    case .strict: "promises nothing; its sender demands `verified`"
    }
  }

  /// Whether the domain's zone is signed.
  var isSigned: Bool {
    switch self {
    case .daneEE, .daneTA: true
    case .enforce, .testing, .selfSigned, .plain, .strict: false
    }
  }

  var server: DemoServer {
    switch self {
    case .enforce, .testing: .certified
    case .daneEE: .ownKey
    case .daneTA: .ownAuthority
    case .selfSigned, .strict: .selfSigned
    case .plain: .plain
    }
  }
}

/// A mail server, by what it has to show. Some domains share one.
enum DemoServer: String, Hashable, Sendable, CaseIterable {
  /// A certificate of the authority that the relay believes.
  case certified
  /// A certificate that is expired and for another name: under DANE-EE the key alone counts (RFC 7672 §3.1.1).
  case ownKey = "own-key"
  /// A certificate of an authority that the DNS vouches for.
  case ownAuthority = "own-authority"
  /// A certificate of an authority that nobody knows.
  case selfSigned = "selfsigned"
  case plain

  /// As it greets and signs what it takes.
  var hostName: String { "\(rawValue).hosting.example" }
}
