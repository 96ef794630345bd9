import MailMessage
import MailSyntax
import SASLMechanisms
public import SMTPGrammar

// All that a server session says of its own accord. Nothing here repeats what the peer sent (ALP-002).

extension Reply {
  static func greeting(_ host: DomainName) -> Reply { Reply(220, nil, "\(host) ESMTP Martlet") }
  /// RFC 5321 §3.2: one line, no extensions.
  static func hello(_ host: DomainName) -> Reply { Reply(250, nil, "\(host)") }
  static func capabilities(_ host: DomainName, _ keywords: [EHLOKeyword]) -> Reply {
    Reply(ReplyCode(250), lines: ["\(host)"] + keywords.map(\.description))
  }
  static func goodbye(_ host: DomainName) -> Reply { Reply(221, .done, "\(host) closing") }

  static let ok = Reply(250, .done, "OK")
  static let help = Reply(214, .done, "https://www.rfc-editor.org/rfc/rfc5321")
  static let cannotVerify = Reply(252, EnhancedStatusCode(.success, 5, 2), "send some mail, I'll try my best")
  static let senderAccepted = Reply(250, EnhancedStatusCode(.success, 1, 0), "OK")
  static let recipientAccepted = Reply(250, EnhancedStatusCode(.success, 1, 5), "OK")
  static let startMailInput = Reply(354, nil, "go ahead, end with CRLF.CRLF")
  static func chunkTaken(_ octets: Int) -> Reply { Reply(250, .done, "\(octets) octets received") }
  static let readyForTLS = Reply(220, .done, "ready to start TLS")

  // AUTH, RFC 4954 §4 and §6
  /// RFC 4954 §4: the code, a space, the challenge; the space stays when the challenge is empty.
  static func challenge(_ encoded: [UInt8]) -> Reply { Reply(334, nil, String(decoding: encoded, as: UTF8.self)) }
  static let authenticated = Reply(235, EnhancedStatusCode(.success, 7, 0), "authenticated")
  public static let authenticationFailed = Reply(535, .credentialsInvalid, "authentication failed")
  static let authenticationCancelled = Reply(501, .securityOther, "authentication cancelled")
  static let authenticationMalformed = Reply(501, .syntax, "that is not how this mechanism answers")
  static let authenticationLineTooLong = Reply(
    500, EnhancedStatusCode(.permanent, 5, 6), "authentication line too long")
  init(_ fault: SASLBase64.Fault) {
    switch fault {
    case .tooLong: self = .authenticationLineTooLong
    case .malformed: self = Reply(501, .syntax, "not base64")
    }
  }
  static let mechanismUnknown = Reply(504, .badParameter, "that mechanism is not offered here")
  static let authenticatedAlready = Reply(503, .badSequence, "authenticated already, or mail under way")
  static let authenticateFirst = Reply(530, .securityOther, "authentication required")

  // STARTTLS, RFC 3207 §4
  static let startTLSFirst = Reply(530, .securityOther, "must issue a STARTTLS command first")
  static let tlsAlready = Reply(503, .badSequence, "TLS is active already")
  /// RFC 3207 §4 has 454 for this, behind which a client may go on in clear: 421 has it come back and be safe.
  static let tooManyHandshakes = Reply(
    421, EnhancedStatusCode(.persistentTransient, 7, 0), "too many TLS handshakes from your address, try again later")
  static let tlsUnavailable = Reply(454, EnhancedStatusCode(.persistentTransient, 7, 0), "TLS not available now")

  // Order and limits
  static let helloFirst = Reply(503, .badSequence, "send EHLO first")
  static let mailFirst = Reply(503, .badSequence, "send MAIL first")
  static let transactionOpen = Reply(503, .badSequence, "a mail transaction is open, finish it or send RSET")
  static let resetFirst = Reply(503, .badSequence, "the last chunk failed, send RSET first")
  static let noRecipients = Reply(503, .badSequence, "no valid recipients")
  static let notImplemented = Reply(502, .badSequence, "not available here")
  static let lineTooLong = Reply(500, .syntax, "line too long")
  static let tooManyRecipients = Reply(
    452, EnhancedStatusCode(.persistentTransient, 5, 3), "too many recipients, send the rest in another transaction")
  static func tooLarge(_ limits: ServerLimits) -> Reply {
    Reply(552, EnhancedStatusCode(.permanent, 3, 4), "message larger than \(limits.messageSize.bytes) octets")
  }
  static let needsSMTPUTF8 = Reply(550, EnhancedStatusCode(.permanent, 6, 7), "non-ASCII address without SMTPUTF8")
  static let recipientNeedsSMTPUTF8 = Reply(
    553, EnhancedStatusCode(.permanent, 6, 7), "non-ASCII address without SMTPUTF8")
  /// SMUG-002: named after the table of intake rules, and refused whole. The first line of all is told.
  static func defective(_ defects: ContentDefects) -> Reply {
    let first = ContentDefect.allCases.compactMap { defect in defects[defect].map { (defect, $0) } }
      .min { $0.1 < $1.1 }
    guard let (defect, line) = first,
      let refusal = IntakeFinding(IntakeDefect(defect), place: "line \(line)").refusal(on: .relay)
    else { return .internalError }
    return Reply(refusal.code, refusal.enhanced, lines: [refusal.text])
  }

  // Ends
  static let turnedAway = Reply(503, .badSequence, "no service for you here, send QUIT")
  static let tooManyErrors = Reply(421, EnhancedStatusCode(.persistentTransient, 7, 0), "too many errors, closing")
  static let tooManyRefusals = Reply(
    421, EnhancedStatusCode(.persistentTransient, 7, 0), "too many refused addresses, closing")
  static let tooManyIdleCommands = Reply(
    421, EnhancedStatusCode(.persistentTransient, 7, 0), "too many commands and no mail, closing")
  static let earlyTalker = Reply(554, EnhancedStatusCode(.permanent, 5, 0), "a client waits for the greeting")
  static let bareLineEnd = Reply(500, .syntax, "a line ends in CRLF, closing")
  static let http = Reply(554, EnhancedStatusCode(.permanent, 5, 1), "this is a mail server, not a web server, closing")
  static let noMessage = Reply(421, EnhancedStatusCode(.persistentTransient, 4, 2), "no message for too long, closing")
  static let timedOut = Reply(421, EnhancedStatusCode(.persistentTransient, 4, 2), "timed out, closing")
  public static let shuttingDown = Reply(
    421, EnhancedStatusCode(.persistentTransient, 3, 2), "shutting down, come back later")
  static let internalError = Reply(421, EnhancedStatusCode(.persistentTransient, 3, 0), "internal error, closing")
}

extension EnhancedStatusCode {
  static let done = EnhancedStatusCode(.success, 0, 0)
  static let syntax = EnhancedStatusCode(.permanent, 5, 2)
  static let badSequence = EnhancedStatusCode(.permanent, 5, 1)
  static let badParameter = EnhancedStatusCode(.permanent, 5, 4)
  static let securityOther = EnhancedStatusCode(.permanent, 7, 0)
  static let credentialsInvalid = EnhancedStatusCode(.permanent, 7, 8)
}

extension IntakeDefect {
  /// Octets that submission and relay refuse alike.
  init(_ defect: ContentDefect) {
    switch defect {
    case .bareCarriageReturn: self = .bareCarriageReturn
    case .bareLineFeed: self = .bareLineFeed
    case .nul: self = .nullOctet
    case .overlongLine: self = .overlongLine
    }
  }
}
