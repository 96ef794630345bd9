import MailSyntax
import SMTPSessions

extension ConfigurationReader {
  mutating func readListeners(in root: Section, hasCertificates: Bool) -> [Configuration.Listener] {
    guard let listen = open("listen", in: root), ListenerRole.allCases.contains(where: { listen.has($0.rawValue) })
    else {
      if root.entry("listen").map({ $0.value.isNothing }) ?? true {
        fault(
          "listen: there is no listener", at: position(of: "listen") ?? root.position,
          "add listen with submissions, submission or relay, as submissions: :465")
      }
      return []
    }
    var listeners: [Configuration.Listener] = []
    var taken: [(endpoint: SocketEndpoint, role: ListenerRole)] = []
    for role in ListenerRole.allCases {
      guard let entry = listen.entry(role.rawValue) else { continue }
      checkCertificate(for: role, at: entry.position, hasCertificates: hasCertificates)
      guard let listener = readListener(role, entry, taken: &taken) else { continue }
      listeners.append(listener)
    }
    return listeners
  }

  private mutating func readListener(
    _ role: ListenerRole, _ entry: YAMLEntry, taken: inout [(endpoint: SocketEndpoint, role: ListenerRole)]
  ) -> Configuration.Listener? {
    let key = Keys.listener(role)
    let before = errorCount
    var endpoints: [Placed<[SocketEndpoint]>] = []
    var inherited: [String] = []
    var trustedProxies: [String] = []
    switch entry.value.content {
    case .mapping:
      guard
        let section = section(entry.value, path: "listen.ROLE", place: key.row.path, at: entry.position)
      else { return nil }
      endpoints = readList(Keys.addresses, in: section) ?? []
      inherited = (readList(Keys.inherited, in: section) ?? []).map(\.value)
      trustedProxies = (readList(Keys.proxyFrom, in: section) ?? []).map(\.value)
    case .scalar, .list:
      endpoints = items(of: entry.value, as: key.form, called: key.row.path)
    }
    for placed in endpoints {
      for endpoint in placed.value { claim(endpoint, for: role, at: placed.position, taken: &taken) }
    }
    if endpoints.isEmpty, inherited.isEmpty, errorCount == before {
      fault(
        "\(key.row.path): it has neither an address nor an inherited socket", at: entry.position,
        "give \(key.form.words)")
    }
    return Configuration.Listener(
      role: role, addresses: endpoints.flatMap(\.value), inherited: inherited, trustedProxies: trustedProxies)
  }

  /// One socket on each endpoint: a second bind to it, or to one it covers, would fail when the server starts.
  private mutating func claim(
    _ endpoint: SocketEndpoint, for role: ListenerRole, at position: FilePosition,
    taken: inout [(endpoint: SocketEndpoint, role: ListenerRole)]
  ) {
    if let other = taken.first(where: { $0.endpoint.overlaps(endpoint) }) {
      let covering = other.endpoint == endpoint ? "is" : "is covered by \(other.endpoint), which is"
      fault(
        "listen.\(role.rawValue): \(endpoint) \(covering) listened on by \(other.role.rawValue) already", at: position,
        "give each listener ports of its own")
    }
    taken.append((endpoint, role))
  }

  private mutating func checkCertificate(for role: ListenerRole, at position: FilePosition, hasCertificates: Bool) {
    guard !hasCertificates else { return }
    switch role {
    case .submissions, .submission:
      // RFC 8314 §3.3, RFC 4954 §4: no password without TLS, and no TLS without a certificate.
      fault(
        "listen.\(role.rawValue): submission needs a certificate, and none is named", at: position,
        "add tls.certificates with a chain and a key")
    case .relay:
      warn(
        "listen.relay: without a certificate STARTTLS is not offered, and all mail comes in cleartext", at: position,
        "add tls.certificates with a chain and a key")
    }
  }
}

extension SocketEndpoint {
  /// The same port of the same family, and the same address or every address.
  fileprivate func overlaps(_ other: SocketEndpoint) -> Bool {
    guard port == other.port else { return false }
    switch (address, other.address) {
    case (.v4(let left), .v4(let right)): return left == right || left == 0 || right == 0
    case (.v6, .v6):
      let any = IPAddress.v6(high: 0, low: 0)
      return address == other.address || address == any || other.address == any
    case (.v4, .v6), (.v6, .v4): return false
    }
  }
}
