public import MailSyntax

/// The mechanisms a client speaks. Source: RFC 7677, RFC 4616, draft-murchison-sasl-login, RFC 7628, Google's XOAUTH2.
public enum ClientMechanism: String, Hashable, Sendable, CaseIterable {
  case scramSHA256 = "SCRAM-SHA-256"
  case plain = "PLAIN"
  case login = "LOGIN"
  case oauthBearer = "OAUTHBEARER"
  case xoauth2 = "XOAUTH2"

  /// The first mechanism of the credential's own order that the server offers; `nil` where none fits.
  ///
  /// For passwords SCRAM first, since it keeps the password from the server; for tokens the RFC's form first.
  public static func choose(
    from offered: some Sequence<some StringProtocol>, for credential: ClientCredential
  ) -> ClientMechanism? {
    let names = offered.map { $0.lowercasedASCII() }
    return credential.mechanisms.first { names.contains($0.rawValue.lowercasedASCII()) }
  }
}

/// What a client proves itself with.
public enum ClientCredential: Sendable {
  case password(user: String, Secret)
  /// An OAuth 2 access token, as the issuer gave it, without the word Bearer.
  case token(user: String, Secret)

  public var user: String {
    switch self {
    case .password(let user, _), .token(let user, _): user
    }
  }

  /// In order of preference.
  public var mechanisms: [ClientMechanism] {
    switch self {
    case .password: [.scramSHA256, .plain, .login]
    case .token: [.oauthBearer, .xoauth2]
    }
  }
}

/// What the caller of a `ClientExchange` is to do next.
public enum ClientStep: Sendable {
  /// From `start()`: the initial response; RFC 4954 §4 lets a caller whose AUTH line would get too long leave it out
  /// and send it after the empty challenge instead. From `receive`: the answer to the challenge, which may be empty.
  case send([UInt8])
  /// From `start()` only: AUTH goes out without an initial response.
  case awaitChallenge
  /// Compute this, off the event loop, and hand the result to `receive(salted:)`.
  case derive(SCRAMDerivation)
  /// Nothing more may be sent but the `*` that cancels, where a challenge is open (RFC 4954 §4).
  case failed(ClientFault)
}

/// What a 235 means when it comes.
public enum ClientOutcome: Hashable, Sendable {
  /// The exchange has gone all its way, and the server has proven what its mechanism lets it prove.
  case authenticated
  /// Close the connection: whoever said 235 doesn't know the password, or broke the mechanism.
  case failed(ClientFault)
}

public enum ClientFault: Error, Hashable, Sendable {
  /// The mechanism doesn't take this kind of credential: our own caller's mistake.
  case wrongCredential
  /// The user name, password or token is empty, too long, or holds what the mechanism can't carry.
  case unusableCredential
  case malformedChallenge
  case unexpectedChallenge
  /// The server's nonce doesn't begin with ours (RFC 5802 §5.1).
  case nonceMismatch
  case iterationsOutOfRange(Int)
  /// The server doesn't know the password's keys (RFC 5802 §5): it isn't the server it claims to be.
  case serverSignatureMismatch
  /// Success was claimed before the exchange came to its end.
  case endedEarly
  /// The mechanism's own error: SCRAM's `e=`, or the JSON of the OAuth mechanisms; printable ASCII, at most
  /// `ClientExchange.maximumErrorOctets`.
  case refused(String)
}
