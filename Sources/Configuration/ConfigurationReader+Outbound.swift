import MailSyntax

extension ConfigurationReader {
  /// Nil only where the section is there and can't be used.
  mutating func readOutbound(in root: Section) -> Configuration.Outbound? {
    guard root.has("outbound") else { return Configuration.Outbound(.none) }
    guard let section = open("outbound", in: root) else { return nil }
    let egress = readSources(in: section)
    let rules = readFloors(in: section)
    let exchangers = readExchangers(in: section)
    let name = read(Keys.route, in: section)
    let smarthost = readSmarthost(in: section)
    let maildir = read(Keys.outboundMaildir, in: section).map(absolute)
    guard let name else { return nil }
    checkUnused("smarthost", of: .smarthost, route: name, in: section)
    checkUnused("maildir", of: .maildir, route: name, in: section)
    for part in ["mx", "tls"] where name != .mx { warnOfUnused(part, route: name, in: section) }
    let route: Configuration.Outbound.Route? =
      switch name {
      case .smarthost: smarthost.map { .smarthost($0) }
      case .maildir: maildir.map { .local(.maildir(path: $0)) }
      case .mx: .exchangers
      case .none: Configuration.Outbound.Route.none
      case .discard: .local(.discard)
      }
    return route.map {
      Configuration.Outbound(route: $0, egress: egress, rules: rules, exchangers: exchangers)
    }
  }

  /// A section for a route that isn't taken is a mistake; so is the route without it.
  private mutating func checkUnused(
    _ name: String, of owner: Keys.RouteName, route: Keys.RouteName, in section: Section
  ) {
    switch (section.entry(name), route == owner) {
    case (let entry?, false):
      fault(
        "outbound.\(name): it has no effect, for the route is \(route.rawValue)", at: entry.position,
        "write route: \(owner.rawValue), or take \(name) out")
    case (nil, true):
      fault(
        "outbound.\(name) is missing, which the route \(owner.rawValue) needs", at: position(of: "outbound.route"),
        "add \(name)")
    case (_?, true), (nil, false): break
    }
  }

  private mutating func readSmarthost(in outbound: Section) -> Configuration.Smarthost? {
    guard let section = open("smarthost", in: outbound) else { return nil }
    let host = read(Keys.smarthostHost, in: section)
    let tls = read(Keys.smarthostTLS, in: section) ?? .implicit
    let port = readPlaced(Keys.smarthostPort, in: section)
    if let port { checkPort(port.value, tls: tls, at: port.position) }
    let authentication = readAuthentication(in: section)
    let chunking = read(Keys.chunking, in: section) ?? true
    guard let host, let authentication else { return nil }
    return Configuration.Smarthost(
      host: host, port: port.flatMap { UInt16(exactly: $0.value) } ?? tls.customaryPort, tls: tls,
      authentication: authentication, usesChunking: chunking)
  }

  private mutating func checkPort(_ port: Int, tls: Configuration.Smarthost.TLSMode, at position: FilePosition) {
    let expected: Configuration.Smarthost.TLSMode
    switch port {
    case 465: expected = .implicit
    case 25, 587, 2525: expected = .starttls
    case _: return
    }
    guard expected != tls else { return }
    warn(
      "outbound.smarthost.port: servers speak \(expected.rawValue) TLS on port \(port), and tls is \(tls.rawValue)",
      at: position, "write tls: \(expected.rawValue), or port: \(tls.customaryPort)")
  }

  private mutating func readAuthentication(in section: Section) -> Configuration.Smarthost.Authentication? {
    let before = errorCount
    let user = read(Keys.smarthostUser, in: section)
    let passwordFile = readPath(Keys.passwordFile, in: section)
    let command = readList(Keys.tokenCommand, in: section)
    if let program = command?.first, program.value.utf8.first != UInt8(ascii: "/") {
      fault(
        "outbound.smarthost.token_command: '\(program.value)' is not an absolute path", at: program.position,
        "write the program's whole path, and its arguments as further items")
    }
    if let command, command.isEmpty, errorCount == before {
      fault(
        "outbound.smarthost.token_command: the list is empty", at: position(of: "outbound.smarthost.token_command"),
        "give the program's path, and its arguments as further items")
    }
    let secrets = [Keys.passwordFile.name, Keys.tokenCommand.name].filter(section.has)
    switch (section.has(Keys.smarthostUser.name), secrets.count) {
    case (_, 2):
      fault(
        "outbound.smarthost: it has a password_file and a token_command", at: section.entry(secrets[1])?.position,
        "leave one of them")
    case (false, 1):
      fault(
        "outbound.smarthost: \(secrets[0]) stands without user", at: section.entry(secrets[0])?.position,
        "add user: with the name to log in with")
    case (true, 0):
      fault(
        "outbound.smarthost: user stands without a password", at: section.entry(Keys.smarthostUser.name)?.position,
        "add password_file or token_command, or take user out")
    case _: break
    }
    guard errorCount == before else { return nil }
    guard let user else { return Configuration.Smarthost.Authentication.none }
    return passwordFile.map { .password(user: user, passwordFile: $0) }
      ?? command.map { .tokenCommand(user: user, command: $0.map(\.value)) }
  }
}

extension Configuration.Smarthost.TLSMode {
  fileprivate var customaryPort: UInt16 {
    switch self {
    case .implicit: 465
    case .starttls: 587
    }
  }
}
