import Foundation
import GRDB
import MailQueue
import MailSyntax
import NIOCore
import SMTPGrammar

/// A message as its rows give it.
struct ReadMessage: Sendable {
  let number: Int64
  /// Where something of it doesn't read, stand-ins take its place, and every unfinished recipient is held with the
  /// reason: so it is shown and can be removed, and is never delivered.
  var message: QueuedMessage
  /// Why it must be held; nil for a sound message.
  var damage: String?
  /// Whether the rows say other than `message` does: they are changed as soon as that is seen.
  var mustBeHeld = false
}

/// Rows to values.
enum RowCoding {
  static let messageColumns = """
    m.number, m.id, m.tenant, m.account, m.priority, m.reverse_path, m.envelope_id, m.report_content,
    m.body_type, m.smtputf8, m.received_at, m.expires_at, m.length, m.prefix, m.segment, m.offset, m.checksum,
    m.tls_wish
    """

  /// Recipients that are not done with, and those that wait for an operator: what is no state of ours, NULL too.
  static let isUnfinished = "coalesce(state, 1) NOT IN (2, 3, 4)"
  static let isHeld = "coalesce(state, 1) NOT IN (0, 2, 3, 4)"

  /// Puts, in each column that has a value of another type than its own, one of the right type that doesn't read
  /// either. SQLite refuses every change of a row that has a wrong one left, and so would the hold of such a row fail.
  static let typedColumns = """
    address = iif(typeof(address) = 'text', address, char(65533)),
    route = iif(typeof(route) = 'text', route, char(65533)),
    account = iif(typeof(account) = 'text', account, char(65533)),
    priority = iif(typeof(priority) = 'integer', priority, -1),
    notify = iif(typeof(notify) IN ('integer', 'null'), notify, -1),
    original_type = iif(typeof(original_type) IN ('text', 'null'), original_type, NULL),
    original_address = iif(typeof(original_address) IN ('text', 'null'), original_address, NULL),
    forwarded_from = iif(typeof(forwarded_from) IN ('text', 'null'), forwarded_from, NULL),
    attempts = iif(typeof(attempts) = 'integer', attempts, -1),
    due = iif(typeof(due) = 'integer', due, -1),
    delay_reported = iif(typeof(delay_reported) = 'integer', delay_reported, -1)
    """

  static func message(_ row: Row, _ db: Database) throws -> ReadMessage {
    var damage = RowDamage("messages")
    // An alias of the row's own number, which is always one.
    let number = row.integer(0) ?? 0
    let receivedAt = damage.integer("received_at", row, 10, instant) ?? UTCInstant(nanoseconds: 0)
    let storedID = row.text(1)
    // A row whose id is lost gets one by its number, by which it can be named.
    let id =
      damage.text("id", row, 1) { text in QueueID(text).flatMap { $0.description == text ? $0 : nil } }
      ?? QueueID(acceptedAt: receivedAt, random: UInt64(bitPattern: number))
    let reversePath = damage.textIfAny("reverse_path", row, 5) { try? Mailbox($0) }
    let place = row.place(14, 15, 12)
    let (recipients, states, recipientDamage) = try recipients(of: number, db)
    let prefix = damage.bytes("prefix", row, 13) { isHeader($0) } ?? row.bytes(13) ?? Data()
    let message = NewMessage(
      id: id, reversePath: reversePath.map { .mailbox($0) } ?? .null, recipients: recipients.map(\.recipient),
      body: damage.text("body_type", row, 8) { BodyType(rawValue: $0) } ?? .eightBitMIME,
      usesSMTPUTF8: damage.integer("smtputf8", row, 9, flag) ?? false,
      envelopeID: damage.textIfAny("envelope_id", row, 6) { $0 },
      reportContent: damage.textIfAny("report_content", row, 7) { DeliveryReportContent(rawValue: $0) },
      // A wish that can't be read may have been for more: until somebody has looked, it asks for all that there is.
      tlsWish: damage.text("tls_wish", row, 17) { TLSWish(rawValue: $0) } ?? .required,
      account: damage.textIfAny("account", row, 3) { $0 }, tenant: damage.textIfAny("tenant", row, 2) { $0 },
      priority: damage.integer("priority", row, 4, priority) ?? .normal, receivedAt: receivedAt,
      expiresAt: damage.integer("expires_at", row, 11, instant) ?? UTCInstant(nanoseconds: 0),
      prefix: ByteBuffer(bytes: prefix))
    if !place.isPossible {
      damage.note(
        "segment, offset, length", "\(row.stored(14)), \(row.stored(15)), \(row.stored(12))")
    }
    _ = damage.integer("checksum", row, 16) { UInt32(exactly: $0) }
    damage.add(recipientDamage)

    var read = ReadMessage(
      number: number,
      message: QueuedMessage(
        message: message, bodySize: ByteCount(place.isPossible ? place.length : 0), recipients: recipients),
      damage: damage.reason)
    if let reason = read.damage {
      read.mustBeHeld =
        storedID != id.description || states.contains { $0 != RowCoding.number(of: .held) && !isFinal($0) }
      for index in recipients.indices where !recipients[index].state.isFinal {
        read.message.recipients[index].state = .held
        // Once held, the reason of then stays: it names what stood there before a value took the place that SQLite bears.
        let isNamed = recipients[index].lastResult?.hasPrefix(RowDamage.opening) ?? false
        if read.mustBeHeld || !isNamed { read.message.recipients[index].lastResult = reason }
      }
    }
    return read
  }

  private static func recipients(
    of message: Int64, _ db: Database
  ) throws -> (recipients: [QueuedRecipient], states: [Int?], damage: RowDamage) {
    let statement = try db.cachedStatement(
      sql: """
        SELECT number, address, route, notify, original_type, original_address,
          state, attempts, due, last_result, delay_reported, account, priority, forwarded_from
        FROM recipients WHERE message = ? ORDER BY number
        """)
    let rows = try Row.fetchCursor(statement, arguments: [message])
    var recipients: [QueuedRecipient] = []
    var states: [Int?] = []
    var damage = RowDamage("recipients")
    while let row = try rows.next() {
      // A recipient's number is its place in the envelope.
      let number = recipients.count
      damage.owner = " of recipient \(number)"
      let isNumbered = damage.integer("number", row, 0) { $0 == number ? $0 : nil } != nil
      let type = damage.textIfAny("original_type", row, 4) { $0 }
      let address = damage.textIfAny("original_address", row, 5) { $0 }
      let original = type.flatMap { type in
        address.map { OriginalRecipient(addressType: type, address: $0) }
      }
      let recipient = NewRecipient(
        address: damage.text("address", row, 1) { try? Mailbox($0) } ?? standIn(row.text(1) ?? ""),
        route: RouteKey(rawValue: damage.text("route", row, 2, text) ?? row.text(2) ?? ""),
        notify: damage.integerIfAny("notify", row, 3) { UInt8(exactly: $0).map { Notify(rawValue: $0) } },
        originalRecipient: original,
        forwardedFrom: damage.textIfAny("forwarded_from", row, 13) { try? Mailbox($0) })
      _ = damage.text("account", row, 11, text)
      _ = damage.integer("priority", row, 12, priority)
      let known = damage.integer("state", row, 6) { state(of: $0) }
      _ = damage.integer("attempts", row, 7) { possibleAttempts.contains($0) ? $0 : nil }
      _ = damage.integer("due", row, 8, instant)
      _ = damage.textIfAny("last_result", row, 9) { $0 }
      _ = damage.integer("delay_reported", row, 10, flag)
      var queued = QueuedRecipient(number: number, recipient: recipient, due: UTCInstant(nanoseconds: 0))
      queued.standing = standing(row, at: 6)
      recipients.append(queued)
      states.append(isNumbered ? known.map { self.number(of: $0) } : nil)
    }
    return (recipients, states, damage)
  }

  /// Five columns: state, attempts, due, last_result, delay_reported. What is out of bounds comes to the nearest that
  /// is within; a state that isn't ours waits for an operator.
  static func standing(_ row: Row, at column: Int) -> RecipientStanding {
    let attempts = row.integer(column + 1) ?? possibleAttempts.lowerBound
    let due = row.integer(column + 2) ?? possibleInstants.lowerBound
    return RecipientStanding(
      state: row.integer(column).flatMap { state(of: $0) } ?? .held,
      attempts: Int(min(max(attempts, possibleAttempts.lowerBound), possibleAttempts.upperBound)),
      due: UTCInstant(nanoseconds: min(max(due, possibleInstants.lowerBound), possibleInstants.upperBound)),
      lastResult: row.text(column + 3), delayReported: row.integer(column + 4).flatMap(flag) ?? false)
  }

  static func number(of state: RecipientState) -> Int {
    switch state {
    case .queued: 0
    case .held: 1
    case .delivered: 2
    case .failed: 3
    case .removed: 4
    }
  }

  /// Nil for a number that isn't ours, which only a foreign hand could have written.
  private static func state(of number: Int64) -> RecipientState? {
    RecipientState.allCases.first { self.number(of: $0) == Int(number) }
  }

  private static func isFinal(_ number: Int?) -> Bool { number.flatMap { state(of: Int64($0)) }?.isFinal ?? false }

  static func priority(_ number: Int64) -> PriorityClass? {
    Int(exactly: number).flatMap { PriorityClass(rawValue: $0) }
  }

  private static func flag(_ number: Int64) -> Bool? {
    switch number {
    case 0: false
    case 1: true
    default: nil
    }
  }

  /// From 1970 to the year 2223: what can be added to it stays within 64 bits of nanoseconds.
  private static let possibleInstants: ClosedRange<Int64> = 0...8_000_000_000_000_000_000
  private static let possibleAttempts: ClosedRange<Int64> = 0...Int64(Int32.max)

  static func instant(_ nanoseconds: Int64) -> UTCInstant? {
    possibleInstants.contains(nanoseconds) ? UTCInstant(nanoseconds: nanoseconds) : nil
  }

  /// What is no UTF-8 comes from the database with this in its place.
  static func text(_ text: String) -> String? { text.unicodeScalars.contains("\u{fffd}") ? nil : text }

  /// Whole lines, each ended by CRLF and with neither CR nor LF in it (Law 5).
  private static func isHeader(_ bytes: Data) -> Bool {
    var last: UInt8 = 0
    for octet in bytes {
      guard octet != 0, (octet == 0x0a) == (last == 0x0d) else { return false }
      last = octet
    }
    return bytes.isEmpty || last == 0x0a
  }

  /// An address that nobody has, with what can be shown of the lost one.
  private static func standIn(_ text: String) -> Mailbox {
    let shown = String(
      decoding: text.utf8.filter { $0 >= 0x20 && $0 < 0x7f }.prefix(Mailbox.maximumLocalPartOctets), as: UTF8.self)
    return Mailbox(
      localPart: shown.isEmpty ? "unreadable" : shown,
      domain: (try? DomainName("unreadable.invalid")).map { .name($0) } ?? .literal(AddressLiteral(.v4(0))))
  }
}
