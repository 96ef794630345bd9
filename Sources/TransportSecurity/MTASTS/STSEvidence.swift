/// What is known of a domain's MTA-STS policy at the time of a decision.
public enum STSEvidence: Hashable, Sendable {
  /// The domain announces no policy, and none is kept.
  case absent
  /// A policy is in force: fetched just now, or kept and unexpired.
  ///
  /// - Parameter trouble: why it could not be looked after just now (RFC 8461 §3.3: it holds all the same).
  case inForce(KnownSTSPolicy, trouble: STSTrouble? = nil)
  /// The domain announces a policy that can't be had, and none is kept: as if there were none (RFC 8461 §3.3).
  case unavailable(STSTrouble)
}

/// Why a policy could not be had.
public struct STSTrouble: Error, Hashable, Sendable, CustomStringConvertible {
  /// As TLS-RPT counts it: `sts-policy-fetch-error`, `sts-policy-invalid` or `sts-webpki-invalid`.
  public let result: TLSReportResult
  /// A clause for people, without a full stop.
  public let description: String
  /// It was never tried, for want of room of our own: that says nothing of the domain, and must not count as if it had no
  /// policy.
  public let isOurs: Bool

  public init(_ result: TLSReportResult, _ description: String, isOurs: Bool = false) {
    self.isOurs = isOurs
    self.result = result
    self.description = description
  }
}
