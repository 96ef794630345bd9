public import MailSyntax

/// What a domain's MTA-STS policy file says. Source: RFC 8461 §3.2.
public struct STSPolicy: Hashable, Sendable {
  public enum Mode: String, Hashable, Sendable, CaseIterable { case enforce, testing, none }

  public let mode: Mode
  /// At most `maximumAge`.
  public let maxAge: Duration
  /// As they stand in the file, in its order; empty only where the mode is `none`.
  public let patterns: [STSPattern]

  /// A year and a day or so: 31,557,600 seconds.
  public static let maximumAge = Duration.seconds(31_557_600)

  public init(mode: Mode, maxAge: Duration, patterns: [STSPattern]) {
    self.mode = mode
    self.maxAge = maxAge
    self.patterns = patterns
  }

  /// The first pattern that the name of an MX host fits (§4.1).
  public func pattern(matching host: DomainName) -> STSPattern? { patterns.first { $0.matches(host) } }
}

/// `mail.example.com`, or `*.example.net` for exactly one label more. Source: RFC 8461 §4.1.
public struct STSPattern: Hashable, Sendable, CustomStringConvertible {
  /// In lower case, in A-labels.
  public let description: String

  public init(_ text: String) { description = text.lowercasedASCII() }

  public func matches(_ host: DomainName) -> Bool { DNSID.matches(presented: description, host: host.folded) }
}

/// A policy as it is kept, and applied until it expires whatever the network says. Source: RFC 8461 §3.3, §10.2.
public struct KnownSTSPolicy: Hashable, Sendable {
  public var policy: STSPolicy
  /// Of the TXT record that led to it (§3.1).
  public var recordID: String
  /// The last time it was fetched as it is: its age counts from here.
  public var fetchedAt: UTCInstant

  public var expiresAt: UTCInstant { fetchedAt + policy.maxAge }

  public init(policy: STSPolicy, recordID: String, fetchedAt: UTCInstant) {
    self.policy = policy
    self.recordID = recordID
    self.fetchedAt = fetchedAt
  }
}
