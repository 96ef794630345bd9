public import MailSyntax

// Initialisers for those who make a configuration without a file.

extension Configuration.CertificateFiles {
  public init(chainFile: String, keyFile: String) { self.init(chain: chainFile, key: keyFile) }
}

extension Configuration.Outbound {
  public init(_ route: Route) { self.init(route: route, egress: Configuration.Egress()) }
}

extension Configuration.Smarthost {
  public init(
    _ host: DomainName, port: UInt16, _ tls: TLSMode, _ authentication: Authentication = .none,
    chunking: Bool = true
  ) {
    self.init(host: host, port: port, tls: tls, authentication: authentication, usesChunking: chunking)
  }
}

extension Configuration.Domain {
  public init(
    _ name: DomainName, recipients: [String] = [], catchAll: Mailbox? = nil, postmaster: Mailbox,
    deliver: Configuration.Destination
  ) {
    self.init(
      name: name, recipients: recipients, asksForRecipients: false, aliases: [], catchAll: catchAll,
      postmaster: postmaster, abuse: nil,
      recipientDelimiter: "+", deliver: deliver)
  }
}
