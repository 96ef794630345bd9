import NIOCore
import SMTPSessions

extension WrongWrapper {
  /// For the log and the delegate.
  var explanation: String {
    switch self {
    case .tlsOnCleartextPort: "the client spoke TLS from the first byte to a port that begins in clear; port 465 does"
    case .smtpOnTLSPort: "the client spoke SMTP in clear to a port that speaks TLS from the first byte"
    case .silenceOnTLSPort: "the client waited for a greeting on a port that speaks TLS from the first byte"
    case .http: "the client spoke HTTP"
    case .obsoleteTLS: "the client offers TLS 1.1 at most"
    }
  }

  /// What a peer that made this mistake can read, where there is such a thing. No octet of the peer's is reflected.
  var notice: ByteBuffer? {
    switch self {
    case .smtpOnTLSPort, .silenceOnTLSPort:
      ByteBuffer(
        string: "554 5.7.0 This port speaks TLS from the first byte (RFC 8314); use 587 for STARTTLS\r\n")
    case .tlsOnCleartextPort: TLSAlert.handshakeFailure.record
    // Closing is the answer to a browser; an answer could be made to mean something (cross-protocol attacks).
    case .http: nil
    // BoringSSL says protocol_version itself.
    case .obsoleteTLS: nil
    }
  }
}

/// A fatal alert in clear, as one may be sent before the ServerHello. Source: RFC 8446 §6.
enum TLSAlert: UInt8 {
  case handshakeFailure = 40
  case noApplicationProtocol = 120

  var record: ByteBuffer { ByteBuffer(bytes: [21, 3, 3, 0, 2, 2, rawValue]) }

  /// The alert in clear that these octets end with. Anybody on the way could have put it there, so it may be told and
  /// decides nothing.
  static func code(ofRecordEnding bytes: some BidirectionalCollection<UInt8>) -> UInt8? {
    let record = Array(bytes.suffix(7))
    guard record.count == 7, record.starts(with: [21, 3]), record[3] == 0, record[4] == 2 else { return nil }
    return record[6]
  }
}
