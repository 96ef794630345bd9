public import MailSyntax

/// What a Received field says of one handing-over: who to whom, when, in which way. All of it is the word of the server
/// that wrote the field, and part of that only what its peer claimed. Source: RFC 5321 §4.4, RFC 3848, RFC 8314 §4.3.
public struct ReceivedHop: Hashable, Sendable {
  /// The side that handed the message over, as the receiver saw it.
  public struct Sender: Hashable, Sendable {
    /// What it called itself: anything it liked.
    public var greeting: String?
    /// The name the receiver found for its address; whether that was proven depends on the software.
    public var foundName: String?
    /// The address the receiver saw; never one out of the greeting.
    public var address: IPAddress?
    /// `[local]`: no network was between.
    public var isLocalSocket = false

    public init() {}
  }

  /// How it was handed over.
  public enum Way: Hashable, Sendable {
    case smtp(SMTPWay)
    case lmtp(isEncrypted: Bool)
    /// By a program on the same machine: `with local`, `from userid`, `invoked by uid`.
    case localSubmission
    /// One part of a server to another: `invoked from network`, amavis.
    case innerStep
    /// Within one Exchange organisation.
    case mapi
    case web(isEncrypted: Bool)
    case other(String)
    case unsaid
  }

  /// The mail transmission types of RFC 3848 and RFC 6531 §4.3, read as leniently as they are written.
  public struct SMTPWay: Hashable, Sendable {
    /// EHLO, not HELO.
    public let isExtended: Bool
    public let saysTLS: Bool
    public let isAuthenticated: Bool
    public init(isExtended: Bool, saysTLS: Bool, isAuthenticated: Bool) {
      self.isExtended = isExtended
      self.saysTLS = saysTLS
      self.isAuthenticated = isAuthenticated
    }
  }

  /// Nil where there is no `from` clause.
  public let sender: Sender?
  /// The host of the `by` clause.
  public let receiver: String?
  public let receiverAddress: IPAddress?
  public let software: ReceivedSoftware?
  /// The `with` clause as it is written.
  public let transmission: String?
  public let way: Way
  /// What the field says of TLS beyond the transmission type; nil when nothing.
  public let tls: ReceivedTLS?
  public let queueID: String?
  public let recipient: String?
  public let date: UTCInstant?
  /// Why the field could be read in part only.
  public let fault: FieldSyntaxError?

  /// - Parameter value: of a Received field, unfolded.
  public init(_ value: some Sequence<UInt8>) {
    let (trace, fault) = ReceivedTrace.read(value)
    self.init(trace, fault: fault)
  }

  public init(_ trace: ReceivedTrace, fault: FieldSyntaxError? = nil) {
    let software = ReceivedSoftware.wrote(trace)
    self.software = software
    sender = Sender(trace, software)
    let by = trace.clause("by")
    receiver = by?.value
    receiverAddress = by.flatMap { ReceivedHop.address(in: $0.comments) }
    let with = trace.clause("with")
    // qpsmtpd writes the type behind a comment, which makes it the value all the same.
    transmission = with.map { ([$0.value] + $0.rest.filter { $0 != "id" }).joined(separator: " ") }
    way = Way(trace, software)
    tls = ReceivedTLS(trace)
    queueID = trace["id"]
    recipient = trace["for"]
    date = trace.date
    self.fault = fault
  }

  /// Whether its software would have shown TLS if there had been any.
  public var wouldShowTLS: Bool {
    guard let software else { return false }
    switch way {
    case .smtp(let smtp): return smtp.isExtended ? software.showsTLS.extended : software.showsTLS.basic
    case .lmtp: return software.showsTLS.extended
    case .localSubmission, .innerStep, .mapi, .web, .other, .unsaid: return false
    }
  }

  /// The first address in the brackets of a comment, or a comment that is one.
  static func address(in comments: [String]) -> IPAddress? {
    for comment in comments {
      var rest = ReceivedHop.seen(comment)
      if let address = IPAddress(rest.prefix(45)) { return address }
      while let open = rest.firstIndex(of: "["), let close = rest[open...].firstIndex(of: "]") {
        let inside = rest[rest.index(after: open)..<close]
        rest = rest[rest.index(after: close)...]
        if let address = ReceivedHop.address(literal: inside) { return address }
      }
    }
    return nil
  }

  /// A comment up to where its writer repeats what the peer called itself, `HELO x[127.0.0.1]` or `helo=[10.0.0.1]`:
  /// the rest is the peer's word, whatever it looks like.
  static func seen(_ comment: String) -> Substring {
    let octets = comment.utf8
    var isWordStart = true
    for index in octets.indices {
      if isWordStart {
        let word = octets[index...].prefix(5).map(\.lowercasedASCII)
        if ["helo ", "helo=", "ehlo ", "ehlo="].contains(where: { word.elementsEqual($0.utf8) }) {
          return comment[..<index]
        }
      }
      isWordStart = !octets[index].isASCIIAlphanumeric && octets[index] != 0x2d && octets[index] != 0x2e
    }
    return comment[...]
  }

  /// `192.0.2.1`, `IPv6:2001:db8::1`, `2001:db8::1%eth0`.
  static func address(literal text: some StringProtocol) -> IPAddress? {
    var text = text.prefix(64)
    if text.lowercased().hasPrefix("ipv6:") { text = text.dropFirst(5) }
    if let zone = text.firstIndex(of: "%") { text = text[..<zone] }
    guard let address = IPAddress(text) else { return nil }
    guard case .v6(0, let low) = address, low >> 32 == 0xffff else { return address }
    return .v4(UInt32(truncatingIfNeeded: low))
  }
}

extension ReceivedHop.Sender {
  init?(_ trace: ReceivedTrace, _ software: ReceivedSoftware?) {
    guard let from = trace.clause("from") else { return nil }
    address = ReceivedHop.address(in: from.comments)
    isLocalSocket = from.comments.contains { ReceivedHop.seen($0).hasSuffix("[local]") }
    for comment in from.comments {
      if let said = ReceivedHop.Sender.greeting(in: comment) { greeting = greeting ?? said }
      if foundName == nil, let found = ReceivedHop.Sender.foundName(in: ReceivedHop.seen(comment)) { foundName = found }
    }
    let isLiteral = from.value.hasPrefix("[")
    if let literal = isLiteral ? ReceivedHop.address(literal: from.value.dropFirst().prefix { $0 != "]" }) : nil,
      software == .exim, address == nil
    {
      // Exim has the address itself here when it found no name; others have the greeting.
      address = literal
    } else if greeting == nil {
      greeting = from.value
    } else if foundName == nil, !isLiteral, from.value.lowercasedASCII() != "unknown" {
      foundName = from.value
    }
    if greeting?.lowercasedASCII() == "unknown" { greeting = nil }
    // GMX: from name (EHLO name) [192.0.2.1]
    if address == nil, let word = from.rest.first, word.hasPrefix("["), word.hasSuffix("]") {
      address = ReceivedHop.address(literal: word.dropFirst().dropLast())
    }
  }

  private static func greeting(in comment: String) -> String? {
    for mark in ["HELO ", "EHLO ", "\"EHLO ", "\"HELO "] where comment.hasPrefix(mark) {
      return String(comment.dropFirst(mark.count).prefix { $0 != "\"" })
    }
    guard let range = comment.firstRange(of: "helo=") else { return nil }
    return String(comment[range.upperBound...].prefix { $0 != " " && $0 != ")" })
  }

  /// `name [192.0.2.1]`: the name that the receiver found.
  private static func foundName(in comment: Substring) -> String? {
    guard let open = comment.firstIndex(of: "["), open > comment.startIndex else { return nil }
    var name = comment[..<open].trimmed
    if name.last == "." { name.removeLast() }
    guard name.contains("."), name.utf8.allSatisfy({ $0.isASCIIAlphanumeric || $0 == 0x2d || $0 == 0x2e || $0 == 0x5f })
    else { return nil }
    return String(name)
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}

extension ReceivedHop.Way {
  init(_ trace: ReceivedTrace, _ software: ReceivedSoftware?) {
    if let opening = trace.openingComments.first, trace["from"] == nil {
      // (qmail 123 invoked from network), (qmail 123 invoked by uid 89), (from anna@localhost)
      if opening.hasSuffix("invoked from network") {
        self = .innerStep
        return
      }
      if opening.hasPrefix("qmail ") || opening.hasPrefix("from ") {
        self = .localSubmission
        return
      }
    }
    let isBare = trace["from"] == nil
    if software == .amavis {
      self = .innerStep
      return
    }
    if trace.clause("by")?.comments.contains(where: { $0.contains("from userid") }) == true {
      self = .localSubmission
      return
    }
    guard let with = trace.clause("with") else {
      self = isBare ? .localSubmission : .unsaid
      return
    }
    let words = [with.value] + with.rest
    if let way = words.lazy.compactMap({ ReceivedHop.Way(word: $0) }).first {
      self = way
    } else if with.value == "Microsoft" {
      // It writes no transmission type; TLS is told in words.
      self = .smtp(.init(isExtended: true, saysTLS: false, isAuthenticated: false))
    } else {
      self = .other(words.joined(separator: " "))
    }
  }

  /// `ESMTPSA`, `UTF8LMTPS`, `local`, `HTTPS` …
  private init?(word: String) {
    var name = word.uppercased()[...]
    switch name {
    case "LOCAL", "LOCAL-SMTP", "LOCAL-ESMTP", "LOCAL-BSMTP", "BSMTP": self = .localSubmission
    case "MAPI": self = .mapi
    case "HTTPS": self = .web(isEncrypted: true)
    case "HTTP", "HTTPREST": self = .web(isEncrypted: false)
    case _:
      if name.hasPrefix("UTF8") { name = name.dropFirst(4) }
      // Before RFC 3848: asmtp.
      let isOldAuthenticated = name.hasPrefix("ASMTP")
      if isOldAuthenticated { name = name.dropFirst() }
      let isExtended = name.hasPrefix("E") || word.uppercased().hasPrefix("UTF8") || isOldAuthenticated
      if name.hasPrefix("E") { name = name.dropFirst() }
      let isLMTP = name.hasPrefix("LMTP")
      guard isLMTP || name.hasPrefix("SMTP") else { return nil }
      let marks = name.dropFirst(4)
      guard ["", "S", "A", "SA"].contains(marks) else { return nil }
      if isLMTP {
        self = .lmtp(isEncrypted: marks.hasPrefix("S"))
      } else {
        self = .smtp(
          .init(
            isExtended: isExtended, saysTLS: marks.hasPrefix("S"),
            isAuthenticated: marks.hasSuffix("A") || isOldAuthenticated))
      }
    }
  }
}
