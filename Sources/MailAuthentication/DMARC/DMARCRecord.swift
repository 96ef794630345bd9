/// A DMARC policy record: what a domain's owner asks of those who get mail in its name. Source: RFC 9989 §4.7, §4.8.
public struct DMARCRecord: Hashable, Sendable {
  /// When an identifier belongs to the author's domain (RFC 9989 §4.4).
  public enum Alignment: String, Hashable, Sendable, CaseIterable {
    /// The two have one Organizational Domain.
    case relaxed = "r"
    /// The two are one domain.
    case strict = "s"
  }

  /// Whether the record's domain is one that others' domains are registered under.
  public enum PublicSuffix: String, Hashable, Sendable, CaseIterable {
    case yes = "y"
    /// It isn't, and it is its own Organizational Domain.
    case no = "n"
    case unknown = "u"
  }

  /// When a failure report is asked for.
  public enum FailureOption: String, Hashable, Sendable, CaseIterable {
    case allFailed = "0"
    case anyFailed = "1"
    case dkimFailed = "d"
    case spfFailed = "s"
  }

  public struct Policies: Hashable, Sendable {
    /// p
    public let domain: DMARCDisposition
    /// sp: for sub-domains that exist.
    public let subdomains: DMARCDisposition?
    /// np: for those that don't.
    public let nonexistentSubdomains: DMARCDisposition?

    /// RFC 9989 §4.7: sp stands in for np, and p for both.
    public var forExisting: DMARCDisposition { subdomains ?? domain }
    public var forNonexistent: DMARCDisposition { nonexistentSubdomains ?? forExisting }
  }

  /// As it is published; octets that are no UTF-8 show as U+FFFD.
  public let text: String
  /// Nil where p, sp or np is not to be understood and nobody is named who could be told so: then DMARC isn't applied
  /// (RFC 9989 §4.10.1).
  public let policies: Policies?
  public let dkimAlignment: Alignment
  public let spfAlignment: Alignment
  public let publicSuffix: PublicSuffix
  /// t=y: what is asked for is asked one level lower.
  public let isTest: Bool
  /// fo; `allFailed` alone where no failure reports are asked for.
  public let failureOptions: [FailureOption]
  /// rua
  public let aggregateReports: [DMARCReportURI]
  /// ruf
  public let failureReports: [DMARCReportURI]
  /// What was passed over or replaced, in the order it was met.
  public let faults: [DMARCRecordFault]
}

/// What is wrong with a record, and how its publisher can mend it. `noVersion`, `tooLong`, `tooManyTags` and
/// `duplicate` void the record; the others void a part of it.
public enum DMARCRecordFault: Error, Hashable, Sendable, CustomStringConvertible {
  case noVersion, tooLong, tooManyTags
  case duplicate(tag: String)
  case notATag(String)
  case badValue(tag: String, String)
  case missingPolicy
  case badURI(tag: String, String)
  case tooManyURIs(tag: String)

  public var description: String {
    switch self {
    case .noVersion: "it doesn't begin with v=DMARC1;"
    case .tooLong: "it is longer than \(DMARCRecord.maximumOctets) octets"
    case .tooManyTags: "it has more than \(DMARCRecord.maximumTags) tags"
    case .duplicate(let tag): "\(tag)= stands twice; leave one"
    case .notATag(let text): "\(FieldText.shown(text)) is no name=value; part tags by semicolons"
    case .badValue(let tag, let text):
      "\(tag)= is \(FieldText.shown(text)); write \(DMARCRecordFault.values(of: tag))"
    case .missingPolicy: "no p= is there; write p=none, p=quarantine or p=reject"
    case .badURI(let tag, let text):
      "\(tag)= has \(FieldText.shown(text)), which is no URI; write mailto: and an address, a comma as %2C and ! as %21"
    case .tooManyURIs(let tag): "\(tag)= has more than \(DMARCRecord.maximumURIs) addresses"
    }
  }

  private static func values(of tag: String) -> String {
    switch tag {
    case "p", "sp", "np": "none, quarantine or reject"
    case "adkim", "aspf": "r or s"
    case "psd": "y, n or u"
    case "t": "y or n"
    case _: "0 or 1, d, s, parted by colons"
    }
  }
}
