import MailSyntax
public import NIOCore

/// Reads one command line, its CRLF already taken off. Source: RFC 5321 §4.1.1 and the extensions `Command` names.
///
/// Verbs, parameter names and keyword values are taken without regard to case; a space after the colon of MAIL and
/// RCPT and white space at the end of the line are forgiven (§4.1.1, and what clients do send); nothing else is.
public enum CommandParser {
  /// RFC 5321 §4.5.3.1.2.
  public static let maximumHostIdentityOctets = DomainName.maximumOctets
  /// RFC 4422 §3.1.
  public static let maximumMechanismOctets = 20
  /// RFC 1870 §3 and RFC 3030 §2 both write sizes in at most twenty digits.
  public static let maximumSizeDigits = 20

  /// Octets of one line, or of a part of it.
  typealias Octets = ByteBufferView

  /// The line's first word, without reading the rest.
  public static func verb(of line: ByteBuffer) -> Verb { firstWord(of: trimmed(line.readableBytesView)).verb }

  /// Reads the line as a command.
  ///
  /// Non-ASCII text in a path passes here: only the session knows whether SMTPUTF8 was asked for
  /// (`Command.carriesNonASCII`).
  /// - Throws: `CommandFault` with the reply to send.
  public static func parse(_ line: ByteBuffer, accepting extensions: ExtensionSet = .all) throws(CommandFault)
    -> Command
  {
    let octets = trimmed(line.readableBytesView)
    let (verb, end) = firstWord(of: octets)
    try check(octets, of: verb)
    let rest = octets[end...].drop { $0 == space }
    switch verb {
    case .mail: return try mail(rest, accepting: extensions)
    case .rcpt: return try rcpt(rest, accepting: extensions)
    case .data: return try bare(.data, verb, rest)
    case .rset: return try bare(.rset, verb, rest)
    case .quit: return try bare(.quit, verb, rest)
    // RFC 3207 §4: no parameter.
    case .startTLS: return try bare(.startTLS, verb, rest)
    // RFC 5321 §4.1.1.9, §4.1.1.8: the argument is ignored.
    case .noop: return .noop
    case .help: return .help
    case .ehlo: return .ehlo(try hostIdentity(rest, verb))
    case .helo: return .helo(try hostIdentity(rest, verb))
    case .auth: return try auth(rest)
    case .bdat: return try bdat(rest)
    case .vrfy: return .vrfy(try text(rest, verb))
    case .expn: return .expn(try text(rest, verb))
    case .httpRequest: throw CommandFault(verb, 500, .invalidCommand, "this is a mail server")
    case .unrecognised: throw CommandFault(verb, 500, .invalidCommand, "command not recognised")
    }
  }

  static let space = UInt8(ascii: " ")

  /// RFC 5321 §4.1.1: trailing white space before the CRLF is tolerated.
  private static func trimmed(_ octets: Octets) -> Octets {
    var octets = octets
    while let last = octets.last, last == space || last == UInt8(ascii: "\t") { octets = octets.dropLast() }
    return octets
  }

  /// The verb and the index behind it. A word longer than any verb isn't read to its end.
  private static func firstWord(of octets: Octets) -> (verb: Verb, end: Octets.Index) {
    var packed: UInt64 = 0
    var index = octets.startIndex
    while index < octets.endIndex, octets[index] != space {
      guard packed >> 56 == 0 else { return (.unrecognised, octets.endIndex) }
      packed = packed << 8 | UInt64(octets[index].uppercasedASCII)
      index += 1
    }
    return (Verb(packed: packed), index)
  }

  /// RFC 5321 §2.4, §4.1.2: a command line is printable ASCII; RFC 6531 §3.3 adds UTF-8 where an address can stand.
  private static func check(_ octets: Octets, of verb: Verb) throws(CommandFault) {
    let takesUTF8: Bool =
      switch verb {
      case .mail, .rcpt, .vrfy, .expn: true
      case .ehlo, .helo, .startTLS, .auth, .data, .bdat, .rset, .noop, .help, .quit, .httpRequest, .unrecognised: false
      }
    for octet in octets where octet < 0x20 || octet == 0x7f || (octet >= 0x80 && !takesUTF8) {
      throw CommandFault(verb, 500, .syntaxError, "a command line is printable ASCII")
    }
  }

  private static func bare(_ command: Command, _ verb: Verb, _ rest: Octets) throws(CommandFault) -> Command {
    guard rest.isEmpty else { throw CommandFault(verb, 501, .invalidArguments, "\(verb.rawValue) takes no argument") }
    return command
  }

  private static func text(_ rest: Octets, _ verb: Verb) throws(CommandFault) -> ByteBuffer {
    guard !rest.isEmpty else { throw CommandFault(verb, 501, .invalidArguments, "\(verb.rawValue) takes an argument") }
    return ByteBuffer(rest)
  }

  /// RFC 5321 §4.1.4 forbids to refuse a name for not being the client's; what is no name at all is kept as text.
  private static func hostIdentity(_ rest: Octets, _ verb: Verb) throws(CommandFault) -> HostIdentity {
    guard !rest.isEmpty else {
      throw CommandFault(verb, 501, .invalidArguments, "\(verb.rawValue) takes the client's host name")
    }
    guard let identity = HostIdentity(String(decoding: rest, as: UTF8.self)) else {
      throw CommandFault(
        verb, 501, .invalidArguments,
        "\(verb.rawValue) takes one name of at most \(maximumHostIdentityOctets) octets without spaces")
    }
    return identity
  }

  /// RFC 4954 §4: `AUTH mechanism [initial-response]`, the response base64 or `=`.
  private static func auth(_ rest: Octets) throws(CommandFault) -> Command {
    let words = rest.split(separator: space)
    guard let mechanism = words.first, words.count <= 2 else {
      throw CommandFault(.auth, 501, .invalidArguments, "write AUTH mechanism [initial-response]")
    }
    guard mechanism.count <= maximumMechanismOctets, mechanism.allSatisfy(\.isMechanismCharacter) else {
      throw CommandFault(.auth, 501, .invalidArguments, "a mechanism's name is 1 to 20 letters, digits, - or _")
    }
    let name = String(decoding: mechanism.map(\.uppercasedASCII), as: UTF8.self)
    guard words.count == 2 else { return .auth(mechanism: name, initialResponse: nil) }
    guard isInitialResponse(words[1]) else {
      throw CommandFault(.auth, 501, .syntaxError, "the initial response is not base64")
    }
    return .auth(mechanism: name, initialResponse: ByteBuffer(words[1]))
  }

  /// `=`, or base64 of RFC 4648 §4 with its padding whole and at the end alone.
  static func isInitialResponse(_ octets: Octets) -> Bool {
    guard octets.count != 1 else { return octets.first == UInt8(ascii: "=") }
    guard !octets.isEmpty, octets.count.isMultiple(of: 4) else { return false }
    var digits = octets
    for _ in 0..<2 where digits.last == UInt8(ascii: "=") { digits = digits.dropLast() }
    return digits.allSatisfy { $0.isASCIIAlphanumeric || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "/") }
  }

  /// RFC 3030 §2: `BDAT chunk-size [LAST]`.
  private static func bdat(_ rest: Octets) throws(CommandFault) -> Command {
    let words = rest.split(separator: space)
    guard let first = words.first, words.count <= 2, let size = saturatingSize(first),
      words.count == 1 || words[1].equalsIgnoringCase("LAST")
    else { throw CommandFault(.bdat, 501, .invalidArguments, "write BDAT size [LAST]") }
    return .bdat(size: size, isLast: words.count == 2)
  }

  /// One to twenty digits; what doesn't fit is as large as can be.
  static func saturatingSize(_ octets: some Collection<UInt8>) -> Int? {
    guard (1...maximumSizeDigits).contains(octets.count) else { return nil }
    var size = 0
    for octet in octets {
      guard octet.isASCIIDigit else { return nil }
      let (product, overflowed) = size.multipliedReportingOverflow(by: 10)
      let (sum, overran) = product.addingReportingOverflow(Int(octet & 0x0f))
      size = overflowed || overran ? .max : sum
    }
    return size
  }
}

extension UInt8 {
  var uppercasedASCII: UInt8 { self >= 0x61 && self <= 0x7a ? self & 0xdf : self }
  /// mech-char of RFC 4422 §3.1, in either case.
  var isMechanismCharacter: Bool { isASCIIAlphanumeric || self == UInt8(ascii: "-") || self == UInt8(ascii: "_") }
}

extension Collection<UInt8> {
  /// Compares with upper-case ASCII text of our own, without regard to case.
  func equalsIgnoringCase(_ upperCase: StaticString) -> Bool {
    upperCase.withUTF8Buffer { text in
      text.count == count && zip(self, text).allSatisfy { $0.0.uppercasedASCII == $0.1 }
    }
  }
}
