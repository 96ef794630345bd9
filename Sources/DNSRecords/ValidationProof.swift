public import MailSyntax

/// Tries whether a resolver tells proven answers from forged ones. Without this proof a name server that strips
/// signatures, or anchors of a key that signs no more, would be seen only by their effect: DANE switched off in silence,
/// or every signed domain put off (RFC 7672 §2.1.1).
public struct ValidationProof: Hashable, Sendable {
  /// Names in signed zones. One that is proven suffices, for a zone of others may be down or broken.
  public var secure: [DomainName]
  /// Names whose signatures are wrong on purpose. None may be answered.
  public var bogus: [DomainName]

  public init(secure: [DomainName], bogus: [DomainName]) {
    self.secure = secure
    self.bogus = bogus
  }

  /// Without names nothing is asked.
  public var isOff: Bool { secure.isEmpty && bogus.isEmpty }

  /// What the proof has shown.
  public enum Verdict: Hashable, Sendable {
    case off
    case validates
    case fault(ValidationFault)
  }

  /// Asks one name after another; each takes at most what the resolver takes for a look-up.
  /// - Parameter anchors: those that the resolver begins at.
  public func run(by resolver: some Resolver, anchors: [TrustAnchor]) async -> Verdict {
    guard !isOff else { return .off }
    var fault: ValidationFault?
    for name in secure {
      let found = ValidationProof.fault(of: name, await resolver.addresses(of: name, family: .v4), anchors)
      guard let found else {
        fault = nil
        break
      }
      // A name without an answer tells less than any other.
      if fault == nil || fault?.isSilence == true { fault = found }
    }
    if let fault { return .fault(fault) }
    for name in bogus {
      switch await resolver.addresses(of: name, family: .v4) {
      case .bogus: break
      // A name server that validates keeps such an answer to itself. Once a proven answer came, that is a refusal.
      case .failed(let reason):
        if secure.isEmpty { return .fault(.noAnswer(name, reason: reason)) }
      case .records, .none, .noSuchName: return .fault(.takesForgeries(name))
      }
    }
    return .validates
  }

  /// Nil where the answer, whatever it says, is proven.
  private static func fault(
    of name: DomainName, _ answer: DNSAnswer<IPAddress>, _ anchors: [TrustAnchor]
  ) -> ValidationFault? {
    switch answer {
    case .records(let set): fault(of: name, set.security)
    case .none(let state), .noSuchName(let state): fault(of: name, state)
    case .failed(let reason): .noAnswer(name, reason: reason)
    case .bogus(let reason):
      if RootAnchors.areOutOfDate(anchors) {
        .anchorsOutOfDate
      } else if isOfMissingSignatures(reason) {
        .signaturesStripped(name, reason: reason)
      } else {
        .answersBogus(name, reason: reason)
      }
    }
  }

  private static func fault(of name: DomainName, _ state: DNSSECState) -> ValidationFault? {
    switch state {
    case .secure: nil
    case .insecure: .unproven(name)
    }
  }

  /// The words of libunbound's validator where an answer came without its signatures or keys. They choose the remedy
  /// that is named, and nothing else.
  private static func isOfMissingSignatures(_ reason: String) -> Bool {
    let reason = reason.lowercasedASCII()
    return ["no signatures", "no dnskey", "missing"].contains(where: reason.contains)
  }
}

/// Why a resolver's answers are not proven.
public enum ValidationFault: Hashable, Sendable, CustomStringConvertible {
  /// The anchors are of a root key that signs no more.
  case anchorsOutOfDate
  /// Answers come without their signatures.
  case signaturesStripped(DomainName, reason: String)
  /// Signatures are there and don't hold.
  case answersBogus(DomainName, reason: String)
  /// An answer that should be proven came as one of an unsigned zone.
  case unproven(DomainName)
  /// An answer that must not be believed was.
  case takesForgeries(DomainName)
  case noAnswer(DomainName, reason: String)

  fileprivate var isSilence: Bool {
    switch self {
    case .noAnswer: true
    case .anchorsOutOfDate, .signaturesStripped, .answersBogus, .unproven, .takesForgeries: false
    }
  }

  /// Which of them it is, in one word.
  public var name: String {
    switch self {
    case .anchorsOutOfDate: "anchors-out-of-date"
    case .signaturesStripped: "signatures-stripped"
    case .answersBogus: "answers-bogus"
    case .unproven: "unproven"
    case .takesForgeries: "takes-forgeries"
    case .noAnswer: "no-answer"
    }
  }

  public var description: String {
    switch self {
    case .anchorsOutOfDate:
      "the trust anchors have the root key \(RootAnchors.previousKeyTag) and not \(RootAnchors.currentKeyTag), which "
        + "has signed the root since October 2026: every signed domain is bogus"
    case .signaturesStripped(let name, let reason): "the answer for \(name) comes without signatures: \(reason)"
    case .answersBogus(let name, let reason): "the signatures of \(name) don't hold: \(reason)"
    case .unproven(let name): "\(name) is in a signed zone, and its answer is not proven"
    case .takesForgeries(let name): "\(name), whose signatures are wrong on purpose, is answered"
    case .noAnswer(let name, let reason): "no answer for \(name): \(reason)"
    }
  }

  /// How to mend it.
  public var remedy: String {
    switch self {
    case .anchorsOutOfDate: "take dns.trust_anchors out, or name a current file, as of Debian's dns-root-data"
    case .signaturesStripped:
      "name servers in dns.servers that pass DNSSEC on, or take dns.servers out, and Martlet asks the root itself"
    case .answersBogus:
      "set this machine's clock; if it is right, something changes answers on the way: try without dns.servers"
    case .unproven: "name a file with the root's keys in dns.trust_anchors, or take it out"
    case .takesForgeries: "name another in dns.probe.bogus if its zone was mended"
    case .noAnswer: "let port 53 through, UDP and TCP, or name servers in dns.servers"
    }
  }
}
