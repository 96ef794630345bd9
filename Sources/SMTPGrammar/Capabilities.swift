public import MailSyntax

/// What a server says it can do. Source: RFC 5321 §4.1.1.1 and each extension's own RFC.
///
/// A keyword that isn't known is passed over; so is one whose value can't be read. Of two lines of one keyword the first
/// counts, but AUTH's are joined: servers send the old form beside the new.
public struct Capabilities: Hashable, Sendable {
  /// RFC 1870 §4.
  public enum SizeLimit: Hashable, Sendable {
    case notOffered
    /// Offered without a number or with zero: nothing is promised about a maximum.
    case unstated
    case maximum(ByteCount)
  }

  public static let maximumMechanisms = 32

  /// The first word of the first line: the server's name as it gives it.
  public private(set) var serverName = ""
  public private(set) var size = SizeLimit.notOffered
  public private(set) var offersPipelining = false
  public private(set) var offersEightBitMIME = false
  public private(set) var offersSMTPUTF8 = false
  public private(set) var offersChunking = false
  public private(set) var offersEnhancedStatusCodes = false
  public private(set) var offersStartTLS = false
  public private(set) var offersDeliveryStatusNotifications = false
  public private(set) var offersRequireTLS = false
  public private(set) var limits: TransactionLimits?
  /// In upper case, in the server's order.
  public private(set) var mechanisms: [String] = []

  /// What HELO leaves: nothing.
  public init() {}

  /// Reads a positive answer to EHLO; any other reply leaves nothing but the name.
  public init(_ reply: ServerReply) {
    serverName = reply.lines.first.map { String($0.prefix { $0 != " " }) } ?? ""
    guard reply.code == ReplyCode(250) else { return }
    var seen: Set<String> = []
    for line in reply.lines.dropFirst() {
      let words = line.split(separator: " ")
      guard let first = words.first else { continue }
      let keyword = first.lowercasedASCII()
      if keyword == "auth" {
        addMechanisms(words.dropFirst())
      } else if keyword.hasPrefix("auth=") {
        // draft-myers-smtp-auth: `AUTH=LOGIN PLAIN`, which servers still send beside the other.
        addMechanisms([first.dropFirst("auth=".count)] + words.dropFirst())
      } else if seen.insert(keyword).inserted {
        add(keyword, words.dropFirst())
      }
    }
  }

  private mutating func add(_ keyword: String, _ words: ArraySlice<Substring>) {
    switch keyword {
    case "size":
      let maximum = words.first.flatMap { CommandParser.saturatingSize($0.utf8) } ?? 0
      size = maximum == 0 ? .unstated : .maximum(ByteCount(maximum))
    case "pipelining": offersPipelining = true
    case "8bitmime": offersEightBitMIME = true
    // RFC 6531 §3.1: a parameter is ignored.
    case "smtputf8": offersSMTPUTF8 = true
    case "chunking": offersChunking = true
    case "enhancedstatuscodes": offersEnhancedStatusCodes = true
    case "starttls": offersStartTLS = true
    case "dsn": offersDeliveryStatusNotifications = true
    case "requiretls": offersRequireTLS = true
    case "limits": limits = TransactionLimits(words)
    case _: break
    }
  }

  private mutating func addMechanisms(_ names: some Collection<Substring>) {
    for name in names {
      guard mechanisms.count < Capabilities.maximumMechanisms else { return }
      guard (1...CommandParser.maximumMechanismOctets).contains(name.utf8.count),
        name.utf8.allSatisfy(\.isMechanismCharacter)
      else { continue }
      let upper = String(decoding: name.utf8.map(\.uppercasedASCII), as: UTF8.self)
      if !mechanisms.contains(upper) { mechanisms.append(upper) }
    }
  }
}
