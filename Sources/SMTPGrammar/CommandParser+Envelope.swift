import MailSyntax
import NIOCore

/// MAIL and RCPT: the path and the parameters behind it.
extension CommandParser {
  /// More than all extensions together have; a line of thousands of parameters ends here.
  static let maximumParameters = 16

  static func mail(_ rest: Octets, accepting extensions: ExtensionSet) throws(CommandFault) -> Command {
    let (text, remainder) = try splitPath(rest, of: .mail, behind: "FROM:")
    let path: ReversePath
    do { path = try ReversePath(text) } catch { throw badAddress(error, in: .mail) }
    return .mail(path, try mailParameters(remainder, accepting: extensions))
  }

  static func rcpt(_ rest: Octets, accepting extensions: ExtensionSet) throws(CommandFault) -> Command {
    let (text, remainder) = try splitPath(rest, of: .rcpt, behind: "TO:")
    let path: ForwardPath
    do { path = try ForwardPath(text) } catch { throw badAddress(error, in: .rcpt) }
    return .rcpt(path, try recipientParameters(remainder, accepting: extensions))
  }

  /// Takes `FROM:` or `TO:`, any spaces, and the path up to the `>` that stands outside quotes.
  private static func splitPath(
    _ rest: Octets, of verb: Verb, behind keyword: StaticString
  ) throws(CommandFault) -> (path: String, remainder: Octets) {
    guard rest.prefix(keyword.utf8CodeUnitCount).equalsIgnoringCase(keyword) else {
      throw CommandFault(verb, 501, .invalidArguments, "write \(verb.rawValue) \(keyword)<user@domain>")
    }
    let octets = rest.dropFirst(keyword.utf8CodeUnitCount).drop { $0 == space }
    guard octets.first == UInt8(ascii: "<"), let end = endOfPath(octets) else {
      throw badAddress(.badPath, in: verb)
    }
    let remainder = octets[(end + 1)...]
    guard remainder.isEmpty || remainder.first == space else {
      throw CommandFault(verb, 501, .invalidArguments, "a space stands between the path and its parameters")
    }
    guard let text = String(validating: octets[...end], as: UTF8.self) else {
      throw badAddress(.notUTF8, in: verb)
    }
    return (text, remainder)
  }

  private static func endOfPath(_ octets: Octets) -> Octets.Index? {
    var isQuoted = false
    var isEscaped = false
    for index in octets.indices {
      let octet = octets[index]
      if isEscaped {
        isEscaped = false
      } else if isQuoted && octet == UInt8(ascii: "\\") {
        isEscaped = true
      } else if octet == UInt8(ascii: "\"") {
        isQuoted.toggle()
      } else if octet == UInt8(ascii: ">") && !isQuoted {
        return index
      }
    }
    return nil
  }

  private static func badAddress(_ error: MailSyntaxError, in verb: Verb) -> CommandFault {
    CommandFault(verb, 501, verb == .mail ? .badSenderSyntax : .badRecipientSyntax, error.description)
  }

  // MARK: Parameters

  /// One `keyword[=value]` of RFC 5321 §4.1.2.
  private struct Parameter {
    let keyword: Octets
    let value: Octets?

    init?(_ word: Octets) {
      keyword = word.prefix { $0 != UInt8(ascii: "=") }
      guard let first = keyword.first, first.isASCIIAlphanumeric,
        keyword.allSatisfy({ $0.isASCIIAlphanumeric || $0 == UInt8(ascii: "-") })
      else { return nil }
      guard keyword.endIndex < word.endIndex else {
        value = nil
        return
      }
      let text = word[(keyword.endIndex + 1)...]
      guard !text.isEmpty, !text.contains(UInt8(ascii: "=")) else { return nil }
      value = text
    }
  }

  private static func parameters(_ remainder: Octets, of verb: Verb) throws(CommandFault) -> [Parameter] {
    guard !remainder.isEmpty else { return [] }
    var parameters: [Parameter] = []
    for word in remainder.split(separator: space) {
      guard parameters.count < maximumParameters else {
        throw CommandFault(verb, 501, .invalidArguments, "more than \(maximumParameters) parameters")
      }
      guard let parameter = Parameter(word) else {
        throw CommandFault(verb, 501, .invalidArguments, "a parameter is written KEYWORD or KEYWORD=value")
      }
      parameters.append(parameter)
    }
    return parameters
  }

  private static func mailParameters(
    _ remainder: Octets, accepting extensions: ExtensionSet
  ) throws(CommandFault) -> MailParameters {
    var result = MailParameters()
    for parameter in try parameters(remainder, of: .mail) {
      let keyword = parameter.keyword
      if extensions.contains(.size), keyword.equalsIgnoringCase("SIZE") {
        try once(result.size == nil, "SIZE", of: .mail)
        let size = parameter.value.flatMap { saturatingSize($0) }
        result.size = ByteCount(try wellFormed(size, "SIZE is a number of octets", of: .mail))
      } else if extensions.contains(.eightBitMIME), keyword.equalsIgnoringCase("BODY") {
        try once(result.body == nil, "BODY", of: .mail)
        let body = parameter.value.flatMap { BodyType(rawValue: uppercased($0)) }
        result.body = try wellFormed(body, "BODY is 7BIT or 8BITMIME", of: .mail)
      } else if extensions.contains(.smtpUTF8), keyword.equalsIgnoringCase("SMTPUTF8") {
        try flag(parameter, isFirst: !result.usesSMTPUTF8, "SMTPUTF8")
        result.usesSMTPUTF8 = true
      } else if extensions.contains(.requireTLS), keyword.equalsIgnoringCase("REQUIRETLS") {
        try flag(parameter, isFirst: !result.requiresTLS, "REQUIRETLS")
        result.requiresTLS = true
      } else if extensions.contains(.authentication), keyword.equalsIgnoringCase("AUTH") {
        try once(result.authenticatedSender == nil, "AUTH", of: .mail)
        let text = try wellFormed(parameter.value.flatMap { XText.decode($0) }, "AUTH is xtext", of: .mail)
        // RFC 4954 §5: a client may say anything here; what names no mailbox is worth as much as <>.
        result.authenticatedSender = (try? Mailbox(text)).map(ReversePath.mailbox) ?? .null
      } else if extensions.contains(.deliveryStatusNotifications), keyword.equalsIgnoringCase("RET") {
        try once(result.deliveryReportContent == nil, "RET", of: .mail)
        let content = parameter.value.flatMap { DeliveryReportContent(rawValue: uppercased($0)) }
        result.deliveryReportContent = try wellFormed(content, "RET is FULL or HDRS", of: .mail)
      } else if extensions.contains(.deliveryStatusNotifications), keyword.equalsIgnoringCase("ENVID") {
        try once(result.envelopeID == nil, "ENVID", of: .mail)
        let identifier = parameter.value.flatMap(envelopeID)
        result.envelopeID = try wellFormed(
          identifier, "ENVID is printable xtext of at most \(MailParameters.maximumEnvelopeIDOctets) characters",
          of: .mail)
      } else {
        throw unknownParameter(of: .mail)
      }
    }
    return result
  }

  private static func recipientParameters(
    _ remainder: Octets, accepting extensions: ExtensionSet
  ) throws(CommandFault) -> RecipientParameters {
    var result = RecipientParameters()
    for parameter in try parameters(remainder, of: .rcpt) {
      let keyword = parameter.keyword
      guard extensions.contains(.deliveryStatusNotifications) else { throw unknownParameter(of: .rcpt) }
      if keyword.equalsIgnoringCase("NOTIFY") {
        try once(result.notify == nil, "NOTIFY", of: .rcpt)
        result.notify = try wellFormed(
          parameter.value.flatMap(notify), "NOTIFY is NEVER, or a list of SUCCESS, FAILURE, DELAY", of: .rcpt)
      } else if keyword.equalsIgnoringCase("ORCPT") {
        try once(result.originalRecipient == nil, "ORCPT", of: .rcpt)
        result.originalRecipient = try wellFormed(
          parameter.value.flatMap { OriginalRecipient(encoded: $0) },
          "ORCPT is type;xtext of at most \(OriginalRecipient.maximumOctets) characters", of: .rcpt)
      } else {
        throw unknownParameter(of: .rcpt)
      }
    }
    return result
  }

  /// RFC 3461 §4.4: at most 100 characters as sent, printable ASCII when decoded.
  private static func envelopeID(_ value: Octets) -> String? {
    guard value.count <= MailParameters.maximumEnvelopeIDOctets, let text = XText.decode(value),
      text.utf8.allSatisfy({ $0 < 0x80 })
    else { return nil }
    return text
  }

  /// RFC 3461 §4.1: NEVER stands alone; the others each once.
  private static func notify(_ value: Octets) -> Notify? {
    if value.equalsIgnoringCase("NEVER") { return .never }
    var result: Notify = []
    for word in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      let occasion: Notify
      if word.equalsIgnoringCase("SUCCESS") {
        occasion = .success
      } else if word.equalsIgnoringCase("FAILURE") {
        occasion = .failure
      } else if word.equalsIgnoringCase("DELAY") {
        occasion = .delay
      } else {
        return nil
      }
      guard result.insert(occasion).inserted else { return nil }
    }
    return result
  }

  private static func uppercased(_ octets: Octets) -> String {
    String(decoding: octets.map(\.uppercasedASCII), as: UTF8.self)
  }

  private static func wellFormed<Value>(_ value: Value?, _ rule: String, of verb: Verb) throws(CommandFault) -> Value {
    guard let value else { throw CommandFault(verb, 501, .invalidArguments, rule) }
    return value
  }

  /// RFC 5321 §4.1.1.11 leaves doubled parameters open; RFC 1870 §6 and RFC 3461 §4 allow each once.
  private static func once(_ isFirst: Bool, _ name: StaticString, of verb: Verb) throws(CommandFault) {
    guard isFirst else { throw CommandFault(verb, 501, .invalidArguments, "\(name) is given twice") }
  }

  private static func flag(_ parameter: Parameter, isFirst: Bool, _ name: StaticString) throws(CommandFault) {
    try once(isFirst, name, of: .mail)
    guard parameter.value == nil else { throw CommandFault(.mail, 501, .invalidArguments, "\(name) takes no value") }
  }

  /// RFC 5321 §4.1.1.11.
  private static func unknownParameter(of verb: Verb) -> CommandFault {
    CommandFault(verb, 555, .invalidArguments, "a parameter of \(verb.rawValue) is not recognised")
  }
}
