public import MailSyntax

/// Who we are on the way out: the addresses that connections come from, one a family, and the name said in EHLO.
public struct Egress: Hashable, Sendable {
  /// An address of this machine's, and the name for connections from it: best the one that its PTR record says, since
  /// servers compare them (RFC 5321 §4.1.4).
  public struct Source: Hashable, Sendable {
    public let address: IPAddress
    public let name: HostIdentity?
    public init(_ address: IPAddress, name: HostIdentity? = nil) {
      self.address = address
      self.name = name
    }
  }

  /// Where the source has none of its own, and where the system chooses the source.
  public let name: HostIdentity
  public let v4: Source?
  public let v6: Source?

  /// - Parameter sources: the first of each family counts. Toward a family without one the system chooses.
  public init(name: HostIdentity, sources: [Source] = []) {
    self.name = name
    v4 = sources.first { $0.address.isV4 }
    v6 = sources.first { !$0.address.isV4 }
  }

  /// What a connection to `peer` is to come from; nil leaves it to the system.
  public func source(toward peer: IPAddress) -> Source? { peer.isV4 ? v4 : v6 }

  /// What is said in EHLO to `peer`; nil stands for a UNIX socket.
  public func name(toward peer: IPAddress?) -> HostIdentity {
    peer.flatMap { source(toward: $0)?.name } ?? name
  }
}

extension IPAddress {
  fileprivate var isV4: Bool {
    switch self {
    case .v4: true
    case .v6: false
    }
  }
}
