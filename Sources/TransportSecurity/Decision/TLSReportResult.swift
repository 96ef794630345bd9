/// What a TLS-RPT report calls a failure. Source: RFC 8460 §4.3 and the registry that it founds.
public enum TLSReportResult: String, Hashable, Sendable, CaseIterable {
  case startTLSNotSupported = "starttls-not-supported"
  case certificateHostMismatch = "certificate-host-mismatch"
  case certificateExpired = "certificate-expired"
  case certificateNotTrusted = "certificate-not-trusted"
  case validationFailure = "validation-failure"
  case tlsaInvalid = "tlsa-invalid"
  case dnssecInvalid = "dnssec-invalid"
  case daneRequired = "dane-required"
  case stsPolicyFetchError = "sts-policy-fetch-error"
  case stsPolicyInvalid = "sts-policy-invalid"
  case stsWebPKIInvalid = "sts-webpki-invalid"
}
