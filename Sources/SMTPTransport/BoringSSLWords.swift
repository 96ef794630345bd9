import MailSyntax
import NIOSSL

/// Makes a sentence of BoringSSL's error stack, without file names of its build: what a person is told of a handshake
/// that failed.
enum BoringSSLWords {
  static func describe(_ error: BoringSSLError) -> String {
    switch error {
    case .sslError(let stack), .unknownError(let stack), .invalidSNIName(let stack), .failedToSetALPN(let stack):
      return describe(stack.map(\.description))
    case .noError, .zeroReturn, .wantRead, .wantWrite, .wantConnect, .wantAccept, .wantX509Lookup,
      .wantCertificateVerify, .syscallError:
      return "\(error)"
    }
  }

  /// Whether a client's handshake ended on the server's version: its hello chose TLS 1.1 or lower, or its alert refused
  /// TLS 1.2 and 1.3 (RFC 8446 §6.2).
  static func tellOfObsoleteServer(_ error: BoringSSLError) -> Bool {
    guard case .sslError(let stack) = error else { return false }
    return stack.contains { line in
      ["unsupported protocol", "tlsv1 alert protocol version"].contains(lastWords(of: line.description))
    }
  }

  /// - Parameter stack: `error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER at …` on each line.
  static func describe(_ stack: [String]) -> String {
    guard !stack.isEmpty else { return "TLS failed" }
    let words = stack.map(lastWords)
    // The alert or the first cause says it; what lies above it in the stack is of the library's making.
    for word in words {
      if let sentence = sentences[word] { return sentence }
    }
    return words.joined(separator: ", ")
  }

  /// The same for an alert that was read by ourselves.
  static func describe(alert: UInt8) -> String {
    alerts[alert].flatMap { sentences[$0] } ?? "the other side ended the handshake (alert \(alert))"
  }

  /// By BoringSSL's names for them. RFC 8446 §6.2.
  private static let alerts: [UInt8: String] = [
    40: "sslv3 alert handshake failure", 42: "sslv3 alert bad certificate", 45: "sslv3 alert certificate expired",
    46: "sslv3 alert certificate unknown", 48: "tlsv1 alert unknown ca", 49: "tlsv1 alert access denied",
    70: "tlsv1 alert protocol version", 71: "tlsv1 alert insufficient security", 80: "tlsv1 alert internal error",
    112: "tlsv1 unrecognized name", 116: "tlsv1 alert certificate required",
  ]

  private static func lastWords(of line: String) -> String {
    let shown = line.split(separator: " at ", maxSplits: 1).first.map(String.init) ?? line
    let last = shown.split(separator: ":").last.map(String.init) ?? shown
    return last.lowercasedASCII().split(separator: "_").joined(separator: " ").trimmingSpaces()
  }

  /// By the last words of a line. An alert is the other side's word (RFC 8446 §6.2), all else is our own finding.
  private static let sentences = [
    "tlsv1 alert protocol version": "the other side refuses TLS 1.2 and 1.3 (alert protocol_version)",
    "unsupported protocol": "the other side speaks TLS 1.1 at most",
    "sslv3 alert handshake failure":
      "the other side shares no cipher suite with us, or wants a client certificate (alert handshake_failure)",
    "tlsv1 alert insufficient security": "our cipher suites are too weak for the other side "
      + "(alert insufficient_security)",
    "tlsv1 alert certificate required": "the other side wants a client certificate (alert certificate_required)",
    "tlsv1 alert unknown ca": "the other side doesn't trust the issuer of our certificate (alert unknown_ca)",
    "sslv3 alert certificate unknown": "the other side doesn't accept our certificate (alert certificate_unknown)",
    "sslv3 alert bad certificate": "the other side doesn't accept our certificate (alert bad_certificate)",
    "sslv3 alert certificate expired": "our certificate has expired for the other side (alert certificate_expired)",
    "tlsv1 unrecognized name": "the other side knows no server of this name (alert unrecognized_name)",
    "tlsv1 alert access denied": "the other side denies access (alert access_denied)",
    "tlsv1 alert internal error": "the other side has an internal error (alert internal_error)",
    "wrong version number": "the other side doesn't speak TLS here",
    "http request": "the other side speaks HTTP",
  ]
}

extension String {
  func trimmingSpaces() -> String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
