import MailQueue
import MailSyntax
import SMTPGrammar

/// What MAIL and RCPT have said.
struct ReceivedEnvelope {
  /// Nil for `<>`.
  let sender: Mailbox?
  /// Of MAIL, in capitals.
  let parameters: [String: String]
  /// The message, as the recipients' marks have it.
  var id: QueueID?
  /// Without marks.
  var recipients: [Mailbox] = []

  var isReport: Bool { sender == nil }
  var size: Int? { parameters["SIZE"].flatMap { Int($0) } }

  /// In seven bits and ASCII addresses.
  var isPlain: Bool { parameters["BODY"] != "8BITMIME" && parameters["SMTPUTF8"] == nil }

  /// What stands behind the path: `SIZE=12`, or a keyword alone with an empty value.
  static func parameters(in command: String) -> [String: String] {
    guard let end = command.lastIndex(of: ">") else { return [:] }
    var parameters: [String: String] = [:]
    for word in command[command.index(after: end)...].split(separator: " ") {
      let parts = word.split(separator: "=", maxSplits: 1)
      parameters[parts[0].uppercased()] = parts.count > 1 ? String(parts[1]) : ""
    }
    return parameters
  }
}

/// The parameters that RFC 3461 has for MAIL and RCPT, as they must be said of a message where DSN is offered.
enum ReportParameters {
  static func ofMail(_ message: NewMessage) -> [String: String] {
    var expected: [String: String] = [:]
    expected["RET"] = message.reportContent?.rawValue
    expected["ENVID"] = message.envelopeID.map(xtext)
    return expected
  }

  static func ofRecipient(_ recipient: NewRecipient) -> [String: String] {
    var expected: [String: String] = [:]
    if let notify = recipient.notify {
      let occasions: [(Notify, String)] = [(.success, "SUCCESS"), (.failure, "FAILURE"), (.delay, "DELAY")]
      let named = occasions.filter { notify.contains($0.0) }.map(\.1)
      expected["NOTIFY"] = named.isEmpty ? "NEVER" : named.joined(separator: ",")
    }
    expected["ORCPT"] = recipient.originalRecipient.map { "\($0.addressType);\(xtext($0.address))" }
    return expected
  }

  /// RFC 3461 §4.
  private static func xtext(_ text: String) -> String {
    text.utf8.map { octet in
      let isPlain = (0x21...0x7e).contains(octet) && octet != UInt8(ascii: "+") && octet != UInt8(ascii: "=")
      let digits = String(octet, radix: 16, uppercase: true)
      return isPlain ? String(UnicodeScalar(octet)) : "+" + (digits.count < 2 ? "0" : "") + digits
    }.joined()
  }
}
