import MailSyntax
import SMTPSessions

extension Keys {
  /// A key under `limits` and the field it sets, whose default is the key's.
  struct Limit<Value: Sendable & CustomStringConvertible>: Sendable {
    let key: Key<Value>
    let field: any WritableKeyPath<Configuration.Limits, Value> & Sendable
  }

  static let sizeLimits: [Limit<ByteCount>] = [
    // RFC 1870 leaves it to us; RFC 5321 §4.5.3.1.7 asks for 64 KiB at least.
    limit(
      "message_size", \.session.messageSize, .kibibytes(64)...Configuration.Limits.largestMessageSize,
      "RFC 5321 §4.5.3.1.7",
      "The largest message, as SIZE announces it (RFC 1870)."),
    limit(
      "memory_in_flight", \.memoryInFlight, .mebibytes(16) ... .mebibytes(1 << 20), nil,
      "Memory for message content on its way into the store, over all sessions. Beyond half of it bodies go to disk as "
        + "they arrive; a message that would pass it is put off with 452."),
  ]

  static let countLimits: [Limit<Int>] = [
    limit(
      "recipients", \.session.recipients, 100...100_000, "RFC 5321 §4.5.3.1.8", "Recipients of one message."),
    limit(
      // RFC 5321 §4.5.3.1.4 asks for 512; RFC 3461 §5.4 for more at RCPT, since DSN is offered; RFC 8689 §2 for 11 at MAIL.
      "command_line_octets", \.session.commandLineOctets, 1_036...65_536, "RFC 3461 §5.4",
      "Octets of a command line with its end."),
    limit(
      "authentication_line_octets", \.session.authenticationLineOctets, 1_024...65_536, nil,
      "Octets of one AUTH response; RFC 4954 section 4 speaks of 12288."),
    limit(
      "text_line_octets", \.session.textLineOctets, 1_000...65_536, "RFC 5321 §4.5.3.1.6",
      "Octets of one line of a message with its end. A message with longer lines is refused."),
    limit(
      "junk_commands", \.session.junkCommands, 1...10_000, nil,
      "Commands refused as nonsense before a session is ended."),
    limit(
      "refusals", \.session.refusals, 10...100_000, nil,
      "Senders, recipients and messages refused before a session is ended. Each recipient accepted in the same "
        + "transaction makes up for one; a message accepted begins the count anew."),
    limit(
      "idle_commands", \.session.idleCommands, 10...100_000, nil,
      "Commands that bring no message nearer, as NOOP, RSET and EHLO, before a session is ended. A message accepted "
        + "begins the count anew."),
    limit(
      "authentication_failures", \.session.authenticationFailures, 3...100, "RFC 4954 §9",
      "Failed authentications before a session is ended."),
    limit(
      "held_input_octets", \.session.heldInputOctets, 4_096...16_777_216, nil,
      "Input of one session kept while an answer is awaited; reading waits beyond."),
    limit("connections", \.connections, 1...1_000_000, nil, "Connections at the same time, over all listeners."),
    limit(
      "connections_per_address", \.connectionsPerAddress, 1...1_000_000, nil,
      "Of them from one IPv4 address or one IPv6 /64."),
    limit(
      "connections_per_address_per_minute", \.connectionsPerAddressPerMinute, 0...1_000_000, nil,
      "Connections that one IPv4 address or one IPv6 /64 may begin in a minute; more hear 421. 0 sets no limit."),
    limit(
      "handshakes_per_address_per_minute", \.handshakesPerAddressPerMinute, 1...1_000_000, nil,
      "TLS handshakes that one IPv4 address or one IPv6 /64 may begin in a minute."),
  ]

  static let timeLimits: [Limit<Duration>] = [
    limit(
      "command_time", \.session.commandTime, .seconds(300) ... .seconds(86_400), "RFC 5321 §4.5.3.2.7",
      "The wait for the next command."),
    limit(
      "content_idle_time", \.session.contentIdleTime, .seconds(180) ... .seconds(86_400), "RFC 5321 §4.5.3.2.5",
      "The wait for the next octet of a message."),
    limit(
      "content_time", \.session.contentTime, .seconds(180) ... .seconds(86_400), "RFC 5321 §4.5.3.2.5",
      "The time for a whole message."),
    limit(
      "session_time", \.session.sessionTime, .seconds(600) ... .seconds(7 * 86_400), nil,
      "The time for a session without a message: from its begin, or the last message accepted, to the next. One that is "
        + "coming in has its own time."),
  ]

  static var limitRows: [ConfigurationKey] {
    sizeLimits.map(\.key.row) + countLimits.map(\.key.row) + timeLimits.map(\.key.row)
  }

  private static func limit(
    _ name: String, _ field: any WritableKeyPath<Configuration.Limits, ByteCount> & Sendable,
    _ bounds: ClosedRange<ByteCount>, _ source: String?, _ meaning: String
  ) -> Limit<ByteCount> {
    Limit(
      key: Key(
        "limits.\(name)", .size(bounds, source: source), default: "\(Configuration.Limits()[keyPath: field])", meaning),
      field: field)
  }

  private static func limit(
    _ name: String, _ field: any WritableKeyPath<Configuration.Limits, Int> & Sendable, _ bounds: ClosedRange<Int>,
    _ source: String?, _ meaning: String
  ) -> Limit<Int> {
    Limit(
      key: Key(
        "limits.\(name)", .count(bounds, source: source), default: "\(Configuration.Limits()[keyPath: field])", meaning),
      field: field)
  }

  private static func limit(
    _ name: String, _ field: any WritableKeyPath<Configuration.Limits, Duration> & Sendable,
    _ bounds: ClosedRange<Duration>, _ source: String?, _ meaning: String
  ) -> Limit<Duration> {
    Limit(
      key: Key(
        "limits.\(name)", .duration(bounds, source: source),
        default: Configuration.Limits()[keyPath: field].shortForm, meaning),
      field: field)
  }
}
