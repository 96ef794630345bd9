/// The first word of a command line, as one of a fixed set: what a session looks at before it looks at anything else.
///
/// The raw value is safe to log and to put into a reply: it never holds an octet of the peer's.
public enum Verb: String, Hashable, Sendable, CaseIterable {
  case ehlo = "EHLO"
  case helo = "HELO"
  case startTLS = "STARTTLS"
  case auth = "AUTH"
  case mail = "MAIL"
  case rcpt = "RCPT"
  case data = "DATA"
  case bdat = "BDAT"
  case rset = "RSET"
  case noop = "NOOP"
  case help = "HELP"
  case vrfy = "VRFY"
  case expn = "EXPN"
  case quit = "QUIT"
  /// A method of HTTP, or the field name `Host:`: a browser has been talked into speaking to a mail port.
  case httpRequest = "HTTP"
  case unrecognised = "?"

  /// Up to eight octets of upper-case ASCII, the first in the highest place that is used.
  init(packed: UInt64) {
    self =
      switch packed {
      case 0x4D41_494C: .mail
      case 0x5243_5054: .rcpt
      case 0x4441_5441: .data
      case 0x4244_4154: .bdat
      case 0x5253_4554: .rset
      case 0x4E4F_4F50: .noop
      case 0x5155_4954: .quit
      case 0x4548_4C4F: .ehlo
      case 0x4845_4C4F: .helo
      case 0x5354_4152_5454_4C53: .startTLS
      case 0x4155_5448: .auth
      case 0x4845_4C50: .help
      case 0x5652_4659: .vrfy
      case 0x4558_504E: .expn
      // GET, PUT, PRI (the preface of HTTP/2), POST, HEAD, HOST:, PATCH, TRACE, DELETE, OPTIONS, CONNECT.
      case 0x47_4554, 0x50_5554, 0x50_5249, 0x504F_5354, 0x4845_4144, 0x48_4F53_543A, 0x50_4154_4348,
        0x54_5241_4345, 0x4445_4C45_5445, 0x4F_5054_494F_4E53, 0x43_4F4E_4E45_4354:
        .httpRequest
      case _: .unrecognised
      }
  }
}
