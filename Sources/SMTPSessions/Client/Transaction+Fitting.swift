import MailSyntax
import SMTPGrammar

/// Who is on the other side, as far as it decides what may be sent there.
struct TransactionFit {
  let capabilities: Capabilities
  let isEncrypted: Bool
  let isAuthenticated: Bool
}

extension Transaction {
  /// The transaction with the parameters this server may be sent. `parameters` says what the message needs; what the
  /// server lacks and can be done without is left out, what can't be done without is a fault.
  ///
  /// - Throws: before a byte of the message or its envelope has left.
  func fitted(to fit: TransactionFit) throws(DialogueFault) -> Transaction {
    let offered = fit.capabilities
    var needed = parameters
    // RFC 1870 §6.1: a message over the limit would be refused, so it isn't tried.
    if case .maximum(let maximum) = offered.size, let size = parameters.size, size > maximum {
      throw DialogueFault(
        .mail,
        .unsupported(
          EnhancedStatusCode(.permanent, 3, 4),
          "the message has \(size.bytes) bytes and the server takes \(maximum.bytes)"))
    }
    if case .notOffered = offered.size { needed.size = nil }
    // RFC 6531 §3.2. Before the rule for eight bits: who lacks SMTPUTF8 mostly lacks 8BITMIME as well, and would still
    // not be sent this message if it had that.
    let namesNonASCII = carriesNonASCII
    needed.usesSMTPUTF8 = needed.usesSMTPUTF8 || namesNonASCII
    if needed.usesSMTPUTF8, !offered.offersSMTPUTF8 {
      // RFC 6531 §3.5, §4: 7 speaks of an address of the envelope, 9 of the header.
      throw DialogueFault(
        .mail,
        .unsupported(
          EnhancedStatusCode(.permanent, 6, namesNonASCII ? 7 : 9),
          "the message has \(namesNonASCII ? "an international address" : "international header fields") and the server "
            + "lacks SMTPUTF8"))
    }
    // RFC 6152 §3: eight bits go only where they are offered a way; seven need none.
    if needed.body == .eightBitMIME, !offered.offersEightBitMIME {
      throw DialogueFault(
        .mail,
        .unsupported(
          EnhancedStatusCode(.permanent, 6, 3), "the message has 8-bit content and the server lacks 8BITMIME"))
    }
    if needed.body == .sevenBit { needed.body = nil }
    if needed.requiresTLS { needed.requiresTLS = try asksForTLS(of: fit) }
    // RFC 4954 §5: only for a server that knows who we are.
    if !(fit.isAuthenticated && !offered.mechanisms.isEmpty) { needed.authenticatedSender = nil }
    if !offered.offersDeliveryStatusNotifications {
      needed.deliveryReportContent = nil
      needed.envelopeID = nil
    }
    var fitted = Transaction(reversePath: reversePath, parameters: needed)
    fitted.isProbe = isProbe
    fitted.recipients =
      offered.offersDeliveryStatusNotifications
      ? recipients : recipients.map { Recipient(path: $0.path, parameters: RecipientParameters()) }
    return fitted
  }

  /// Whether MAIL says REQUIRETLS to this server. RFC 8689 §2, §4.2.1.
  private func asksForTLS(of fit: TransactionFit) throws(DialogueFault) -> Bool {
    guard fit.isEncrypted else {
      throw DialogueFault(.mail, .unsupported(.encryptionNeeded, "the message requires TLS and the channel has none"))
    }
    guard !fit.capabilities.offersRequireTLS else { return true }
    switch withoutRequireTLS {
    case .message: return false
    case .nothing:
      throw DialogueFault(
        .mail, .unsupported(.requireTLSNeeded, "the message requires TLS and the server lacks REQUIRETLS"))
    }
  }

  private var carriesNonASCII: Bool {
    Command.mail(reversePath, parameters).carriesNonASCII
      || recipients.contains { Command.rcpt($0.path, $0.parameters).carriesNonASCII }
  }
}
