public import DNSRecords
public import MailSyntax

/// A key of this house under the name that verifiers find it by, and how far it is on its way. Source: RFC 6376 §3.1.
///
/// A key waits until the DNS shows its record, signs until a newer one of its kind does, and then is published on for as
/// long as mail it has signed may be on its way.
public struct DKIMSelector: Sendable {
  public enum Standing: String, Hashable, Sendable, CaseIterable {
    /// Its record isn't in the DNS yet: what it signed nobody could verify.
    case waiting
    case signing
    /// A newer one signs; the record stays, for mail that was signed before.
    case retired
  }

  /// In its ASCII form.
  public let domain: DomainName
  public let name: DomainName
  public let key: DKIMKey
  public internal(set) var standing: Standing
  /// Since when it has this standing.
  public internal(set) var since: UTCInstant

  public init(domain: DomainName, name: DomainName, key: DKIMKey, standing: Standing, since: UTCInstant) {
    self.domain = domain
    self.name = name
    self.key = key
    self.standing = standing
    self.since = since
  }

  /// Where its record stands: `SELECTOR._domainkey.DOMAIN` (RFC 6376 §3.6.2.1). Nil where the two are longer than a name
  /// may be.
  public var recordName: DomainName? { try? DomainName("\(name)._domainkey.\(domain)") }

  /// How long a signature may still be asked about once no more are made: the life of a message in the queue, and a day
  /// for whoever reads it late.
  public static func afterlife(ofQueue giveUpAfter: Duration) -> Duration { giveUpAfter + .seconds(86_400) }
}

/// What the DNS has at a selector's name.
public enum DKIMPublication: Hashable, Sendable {
  case published
  case absent
  /// Something else: a record of another key, or one that verifiers can't use.
  case differs(String)
  /// Nobody could say.
  case unanswered(String)
}

extension DKIMSelector {
  /// Looks for the record as a verifier would. Source: RFC 6376 §6.1.2.
  public func publication(by resolver: any Resolver) async -> DKIMPublication {
    guard let recordName else { return .differs("selector and domain are longer than a name of the DNS may be") }
    switch await resolver.texts(of: recordName) {
    case .none, .noSuchName: return .absent
    case .failed(let reason), .bogus(let reason): return .unanswered(reason)
    case .records(let set): return publication(in: set.records)
    }
  }

  func publication(in records: [[UInt8]]) -> DKIMPublication {
    // Which of several a verifier takes can't be told (RFC 6376 §3.6.2.2).
    guard records.count == 1, let text = records.first else {
      return .differs("\(records.count) records stand there, and only one may")
    }
    let found: DKIMKeyRecord
    do throws(DKIMKeyFault) {
      found = try DKIMKeyRecord(text)
    } catch {
      return .differs("\(error)")
    }
    guard !found.key.isEmpty else {
      // RFC 6376 §3.6.1: an empty p= says as much as no record, and more clearly.
      return standing == .retired ? .absent : .differs("the record says that the key is revoked")
    }
    // As keys, and not as octets: an RSA key has two forms (RFC 6376 §3.6.1).
    guard let own = try? DKIMKeyRecord(Array(key.record.utf8)).publicKey(), let other = try? found.publicKey(),
      own.isSame(as: other)
    else { return .differs("the record is of another key") }
    guard found.hashes?.contains("sha256") ?? true else { return .differs("the record's h= is without sha256") }
    return .published
  }
}
