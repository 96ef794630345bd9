public import MailSyntax
public import SASLMechanisms
public import TransportSecurity

/// How a client connection is to be made and kept: who we are, how safe the channel must be, and as whom we log in.
public struct ClientPlan: Sendable {
  public enum Security: Hashable, Sendable {
    /// TLS from the first byte (RFC 8314 §3.3).
    case implicitTLS(ExpectedPeer)
    /// STARTTLS or nothing (RFC 3207).
    case startTLS(ExpectedPeer)
    /// STARTTLS where it is offered, with the certificate as the peer is expected. Once it was offered there is TLS or a
    /// fault; where it wasn't, the permit lets mail go in clear on the same connection.
    case opportunisticStartTLS(ExpectedPeer, ifNotOffered: CleartextPermit)
    case cleartext(CleartextPermit)

    /// A peer by its name alone.
    public static func implicitTLS(hostName: String, demand: CertificateDemand) -> Security {
      .implicitTLS(ExpectedPeer(hostName: hostName, demand: demand))
    }
    /// A peer by its name alone.
    public static func startTLS(hostName: String, demand: CertificateDemand) -> Security {
      .startTLS(ExpectedPeer(hostName: hostName, demand: demand))
    }
    /// A peer by its name alone, whatever its certificate.
    public static func opportunisticStartTLS(hostName: String, ifNotOffered permit: CleartextPermit) -> Security {
      .opportunisticStartTLS(ExpectedPeer(hostName: hostName, demand: .recorded), ifNotOffered: permit)
    }
  }

  /// A credential and what its exchange needs beside it. It is used only inside TLS with a proven peer (Law 3).
  public struct Authentication: Sendable {
    public let credential: ClientCredential
    /// Fresh for each connection.
    public let nonce: SCRAMNonce
    public let server: ClientExchange.Server?
    public init(credential: ClientCredential, nonce: SCRAMNonce, server: ClientExchange.Server? = nil) {
      self.credential = credential
      self.nonce = nonce
      self.server = server
    }
  }

  /// Who we are, and from where we connect.
  public var egress: Egress
  public var dialect: ClientDialect
  public var security: Security
  public var authentication: Authentication?
  /// BDAT where the server offers it, else DATA.
  public var usesChunking: Bool
  public var timeouts: ClientTimeouts
  /// Sees each line as it goes, on the wire's thread of control. Must not block.
  public var observe: (@Sendable (DialogueLine) -> Void)?
  /// Where SCRAM's derivation runs: milliseconds of work.
  public var derive: @Sendable (SCRAMDerivation) async -> SaltedPassword

  /// - Parameter derive: takes the derivation off the event loop; by default it runs where the caller is.
  public init(
    egress: Egress, dialect: ClientDialect = .smtp, security: Security, authentication: Authentication? = nil,
    usesChunking: Bool = true, timeouts: ClientTimeouts = ClientTimeouts(),
    observe: (@Sendable (DialogueLine) -> Void)? = nil,
    derive: @escaping @Sendable (SCRAMDerivation) async -> SaltedPassword = { $0.run() }
  ) {
    self.egress = egress
    self.dialect = dialect
    self.security = security
    self.authentication = authentication
    self.usesChunking = usesChunking
    self.timeouts = timeouts
    self.observe = observe
    self.derive = derive
  }

  /// From whatever address the system chooses.
  public init(
    identity: HostIdentity, dialect: ClientDialect = .smtp, security: Security, authentication: Authentication? = nil,
    usesChunking: Bool = true, timeouts: ClientTimeouts = ClientTimeouts(),
    observe: (@Sendable (DialogueLine) -> Void)? = nil,
    derive: @escaping @Sendable (SCRAMDerivation) async -> SaltedPassword = { $0.run() }
  ) {
    self.init(
      egress: Egress(name: identity), dialect: dialect, security: security, authentication: authentication,
      usesChunking: usesChunking, timeouts: timeouts, observe: observe, derive: derive)
  }
}

extension ClientPlan.Security {
  /// What the session in clear that begins the connection is for; nil where it begins with a handshake.
  var goal: CleartextClientSession.Goal? {
    switch self {
    case .implicitTLS: nil
    case .startTLS: .tls
    case .opportunisticStartTLS: .tlsIfOffered
    case .cleartext: .mail
    }
  }

  /// Whom the handshake is to meet, and how surely; nil where there is to be none.
  var peer: ExpectedPeer? {
    switch self {
    case .implicitTLS(let peer), .startTLS(let peer), .opportunisticStartTLS(let peer, _): peer
    case .cleartext: nil
    }
  }

  /// By what mail may go over a channel that stayed in clear.
  var permit: CleartextPermit? {
    switch self {
    case .implicitTLS, .startTLS: nil
    case .opportunisticStartTLS(_, let permit), .cleartext(let permit): permit
    }
  }
}
