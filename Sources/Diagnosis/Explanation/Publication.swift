public import TransportSecurity

/// What a postmaster puts into a zone or onto a web server, letter by letter.
public enum Publication: Hashable, Sendable {
  /// One record of a zone. The owner has no dot at its end.
  case record(owner: String, type: String, data: String)
  case file(url: String, text: [String])

  /// Behind this a record is folded by parentheses, as zone files allow (RFC 1035 §5.1).
  static let columns = 74

  /// As it is to stand there, of a file also where.
  public var lines: [String] {
    switch self {
    case .record(let owner, let type, let data):
      let whole = "\(owner). IN \(type) \(data)"
      return whole.utf8.count <= Publication.columns ? [whole] : ["\(owner). IN \(type) (", "  \(data) )"]
    case .file(let url, let text): return [url] + text.map { "  \($0)" }
    }
  }
}

/// One thing that is not as well as it could be, and how to mend it.
public struct ExplanationFinding: Hashable, Sendable {
  public enum Weight: String, Hashable, Sendable, CaseIterable {
    /// Mail doesn't go, or not there.
    case obstacle
    /// Mail goes, and somebody on the way could do something to it.
    case gap
    /// Nobody is harmed by it yet.
    case note
  }

  public let weight: Weight
  /// The domain, or one of its hosts.
  public let place: String
  /// A sentence.
  public let words: String
  /// The section that says so.
  public let source: String
  /// As what a report to the domain would count it (RFC 8460 §4.3); nil where nothing would be reported.
  public let report: TLSReportResult?
  /// A sentence.
  public let remedy: String
  public let publications: [Publication]
}
