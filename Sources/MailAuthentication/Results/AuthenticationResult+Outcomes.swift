public import MailSyntax

extension AuthenticationResult {
  /// What SPF came to for one identity (RFC 8601 §2.7.2).
  ///
  /// - Parameter converter: names outside ASCII are written by their A-labels.
  public init(_ outcome: SPFOutcome, converter: any IDNAConverter = UnchangedNames()) {
    let domain = (try? DomainName(outcome.domain)).map { "\(converter.canonicalForm(of: $0))" } ?? outcome.domain
    let property =
      switch outcome.identity {
      case .mailFrom: Property(.reversePath, domain)
      case .helo: Property(.greeting, domain)
      }
    self.init(.spf(outcome.result), reason: outcome.problem, properties: [property])
  }

  /// What one signature came to (RFC 8601 §2.7.1).
  public init(_ outcome: DKIMOutcome) {
    var properties: [Property] = []
    if let signature = outcome.signature {
      properties = [
        Property(.signingDomain, "\(signature.domain)"), Property(.signingSelector, "\(signature.selector)"),
        Property(.signatureAlgorithm, signature.algorithm.rawValue), Property(.signatureStart, signature.mark),
      ]
      if let identity = signature.identity { properties.append(Property(.signingIdentity, identity)) }
    }
    self.init(
      .dkim(AuthenticationVerdict.DKIM(outcome.result)), reason: outcome.result == .pass ? nil : outcome.reason,
      properties: properties)
  }

  /// What DMARC came to, with the domain and the policy that decided.
  ///
  /// - Parameter reason: why the message is suspicious here, for whoever files it.
  public init(_ outcome: DMARCOutcome, reason: String? = nil) {
    var properties: [Property] = []
    if let verdict = outcome.decisive {
      properties.append(Property(.authorDomain, verdict.authorDomain.description))
      if verdict.record?.policies != nil { properties.append(Property(.dmarcPolicy, verdict.requested.rawValue)) }
    }
    self.init(.dmarc(outcome.result), reason: reason ?? outcome.authorFault?.description, properties: properties)
  }
}

extension ReceivedSPFField {
  /// - Parameters:
  ///   - mailbox: of MAIL FROM; nil for the null reverse path.
  ///   - greeting: what the client gave in EHLO or HELO.
  public init(_ outcome: SPFOutcome, of mailbox: Mailbox?, client: IPAddress, greeting: String, receiver: DomainName) {
    self.init(outcome.result)
    let name =
      switch outcome.identity {
      case .mailFrom: mailbox.map { "\($0)" } ?? "postmaster@\(outcome.domain)"
      case .helo: outcome.domain
      }
    comment = "\(receiver): \(ReceivedSPFField.sentence(outcome, name, client))"
    clientAddress = client
    envelopeFrom = mailbox.map { "\($0)" } ?? ""
    self.greeting = greeting
    problem = outcome.problem
    self.receiver = receiver
    identity =
      switch outcome.identity {
      case .mailFrom: .mailfrom
      case .helo: .helo
      }
    mechanism = outcome.directive
  }

  /// As RFC 7208 §9.1 words its examples.
  private static func sentence(_ outcome: SPFOutcome, _ name: String, _ client: IPAddress) -> String {
    switch outcome.result {
    case .pass: "domain of \(name) designates \(client) as permitted sender"
    case .fail: "domain of \(name) does not designate \(client) as permitted sender"
    case .softfail: "transitioning domain of \(name) does not designate \(client) as permitted sender"
    case .neutral: "\(client) is neither permitted nor denied by domain of \(name)"
    case .none: "domain of \(name) does not designate permitted sender hosts"
    case .temperror, .permerror: "error in processing during lookup of \(name)"
    }
  }
}

extension AuthenticationVerdict.DKIM {
  fileprivate init(_ result: DKIMResult) {
    self =
      switch result {
      case .pass: .pass
      case .fail: .fail
      case .policy: .policy
      case .neutral: .neutral
      case .temperror: .temperror
      case .permerror: .permerror
      }
  }
}

extension DMARCInput {
  /// - Parameter spf: of MAIL FROM; nil where nobody asked.
  public init(spf outcome: SPFOutcome?, signatures: [DKIMOutcome]) {
    let domain = outcome.flatMap { try? DomainName($0.domain) }
    self.init(
      spf: domain.map {
        SPF(domain: $0, passed: outcome?.result == .pass, isTemporaryError: outcome?.result == .temperror)
      },
      // One that can't be read is nobody's.
      dkim: signatures.compactMap { outcome in
        outcome.signature.map {
          DKIM(domain: $0.domain, passed: outcome.result == .pass, isTemporaryError: outcome.result == .temperror)
        }
      })
  }
}
