public import DNSRecords
public import MailSyntax

/// The DNS Tree Walk: from a domain up to the top, the policy records that stand at it and above it, and the
/// Organizational Domain that follows from them. Source: RFC 9989 §4.10.
public struct DMARCTreeWalk: Hashable, Sendable {
  /// Queries of one walk, however many labels the domain has.
  public static let maximumQueries = 8

  public struct Found: Hashable, Sendable {
    public let domain: DomainName
    public let record: DMARCRecord
  }

  /// Where the walk began.
  public let start: DomainName
  /// The records it met, from the longest name to the shortest.
  public let found: [Found]
  /// Why it ended before its end; nothing follows from it then.
  public let failure: Failure?

  public enum Failure: Hashable, Sendable {
    /// A query failed for now.
    case temporary(String)
    /// Too many names were asked about for one message.
    case exhausted
  }

  /// Walks alone, for a domain in its ASCII form: what a check of a domain shows.
  public static func walk(from start: DomainName, resolver: any Resolver) async -> DMARCTreeWalk {
    var lookups = DMARCLookups(resolver: resolver)
    return await walk(from: start, &lookups)
  }

  static func walk(from start: DomainName, _ lookups: inout DMARCLookups) async -> DMARCTreeWalk {
    var found: [Found] = []
    for target in targets(from: start) {
      switch await lookups.finding(at: target) {
      case .record(let record):
        found.append(Found(domain: target, record: record))
        // RFC 9989 §4.10, steps 2 and 6: psd=n and psd=y end the walk.
        if record.publicSuffix != .unknown { return DMARCTreeWalk(start: start, found: found, failure: nil) }
      case .absent: continue
      case .failed(let reason): return DMARCTreeWalk(start: start, found: found, failure: .temporary(reason))
      case .exhausted: return DMARCTreeWalk(start: start, found: found, failure: .exhausted)
      }
    }
    return DMARCTreeWalk(start: start, found: found, failure: nil)
  }

  /// The domains asked about, in their order, if none ends the walk.
  ///
  /// RFC 9989 §4.10, steps 3, 4 and 7: the domain itself; then, where it has eight labels or more, the name of its last
  /// seven, else its parent; then parent after parent, the top-level domain too.
  public static func targets(from start: DomainName) -> [DomainName] {
    [start] + start.domainsAbove.suffix(maximumQueries - 1)
  }

  /// RFC 9989 §4.10.2. Of a walk that failed it is not known.
  public var organizationalDomain: DomainName {
    for found in found {
      switch found.record.publicSuffix {
      case .no: return found.domain
      // Rule 2: one label more than the suffix. The start, where it is that or the suffix itself.
      case .yes: return start.domainsAbove.first { $0.parent == found.domain } ?? start
      case .unknown: continue
      }
    }
    return found.last?.domain ?? start
  }

  /// The record that applies to mail from the walk's start: its own, its Organizational Domain's, or that of the public
  /// suffix above. One that stands in between is no one's (RFC 9989 §4.10.1).
  public var policy: Found? {
    let organization = organizationalDomain
    return found.first { $0.domain == start } ?? found.first { $0.domain == organization }
      ?? found.last { $0.record.publicSuffix == .yes }
  }
}
