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
    m.body_type, m.smtputf8, m.received_at, m.expires_at, m.length, m.prefix, m.segment, m.offset, m.checksum
    """

  static func message(_ row: Row, _ db: Database) throws -> ReadMessage {
    var damage = RowDamage("messages")
    let number: Int64 = row[0]
    let receivedAt = damage.read("received_at", row[10] as Int64, instant) ?? UTCInstant(nanoseconds: 0)
    let storedID: String = row[1]
    // A row whose id is lost gets one by its number, by which it can be named.
    let id =
      damage.read("id", storedID) { text in QueueID(text).flatMap { $0.description == text ? $0 : nil } }
      ?? QueueID(acceptedAt: receivedAt, random: UInt64(bitPattern: number))
    let reversePath = (row[5] as String?).map { text -> ReversePath in
      damage.read("reverse_path", text) { try? Mailbox($0) }.map { .mailbox($0) } ?? .null
    }
    let place = BodyPlace(segment: row[14], offset: row[15], length: row[12])
    let prefix = ByteBuffer(bytes: row[13] as Data)
    let (recipients, states, recipientDamage) = try recipients(of: number, db)
    let message = NewMessage(
      id: id, reversePath: reversePath ?? .null, recipients: recipients.map(\.recipient),
      body: damage.read("body_type", row[8] as String) { BodyType(rawValue: $0) } ?? .eightBitMIME,
      usesSMTPUTF8: row[9], envelopeID: row[6],
      reportContent: (row[7] as String?).flatMap { text in
        damage.read("report_content", text) { DeliveryReportContent(rawValue: $0) }
      },
      account: row[3], tenant: row[2],
      priority: damage.read("priority", row[4] as Int) { PriorityClass(rawValue: $0) } ?? .normal,
      receivedAt: receivedAt,
      expiresAt: damage.read("expires_at", row[11] as Int64, instant) ?? UTCInstant(nanoseconds: 0), prefix: prefix)
    _ = damage.read("prefix", prefix) { isHeader($0) ? $0 : nil }
    _ = damage.read("segment, offset, length", place) { $0.isPossible ? $0 : nil }
    _ = damage.read("checksum", row[16] as Int64) { UInt32(exactly: $0) }
    damage.add(recipientDamage)

    var read = ReadMessage(
      number: number,
      message: QueuedMessage(message: message, bodySize: ByteCount(row[12]), recipients: recipients),
      damage: damage.reason)
    if let reason = read.damage {
      for index in recipients.indices where !recipients[index].state.isFinal {
        read.message.recipients[index].state = .held
        read.message.recipients[index].lastResult = reason
      }
      read.mustBeHeld =
        storedID != id.description || states.contains { $0 != RowCoding.number(of: .held) && !isFinal($0) }
    }
    return read
  }

  private static func recipients(
    of message: Int64, _ db: Database
  ) throws -> (recipients: [QueuedRecipient], states: [Int], damage: RowDamage) {
    let statement = try db.cachedStatement(
      sql: """
        SELECT number, address, route, notify, original_type, original_address,
          state, attempts, due, last_result, delay_reported, account, priority
        FROM recipients WHERE message = ? ORDER BY number
        """)
    let rows = try Row.fetchCursor(statement, arguments: [message])
    var recipients: [QueuedRecipient] = []
    var states: [Int] = []
    var damage = RowDamage("recipients")
    while let row = try rows.next() {
      let number: Int = row[0]
      damage.owner = " of recipient \(number)"
      let type: String? = row[4]
      let original = type.flatMap { type in
        (row[5] as String?).map { OriginalRecipient(addressType: type, address: $0) }
      }
      let recipient = NewRecipient(
        address: damage.read("address", row[1] as String) { try? Mailbox($0) } ?? standIn(row[1]),
        route: RouteKey(rawValue: damage.read("route", row[2] as String, text) ?? row[2]),
        notify: (row[3] as Int?).flatMap { bits in
          damage.read("notify", bits) { UInt8(exactly: $0).map { Notify(rawValue: $0) } }
        }, originalRecipient: original)
      _ = damage.read("account", row[11] as String, text)
      _ = damage.read("priority", row[12] as Int) { PriorityClass(rawValue: $0) }
      _ = damage.read("state", row[6] as Int) { state(of: $0) }
      _ = damage.read("attempts", row[7] as Int) { attempts in possibleAttempts.contains(attempts) ? attempts : nil }
      _ = damage.read("due", row[8] as Int64, instant)
      var queued = QueuedRecipient(number: number, recipient: recipient, due: UTCInstant(nanoseconds: 0))
      queued.standing = standing(row, at: 6)
      recipients.append(queued)
      states.append(row[6])
    }
    return (recipients, states, damage)
  }

  /// Five columns: state, attempts, due, last_result, delay_reported. What is out of bounds comes to the nearest that
  /// is within; a state that isn't ours waits for an operator.
  static func standing(_ row: Row, at column: Int) -> RecipientStanding {
    let attempts: Int = row[column + 1]
    let due: Int64 = row[column + 2]
    return RecipientStanding(
      state: state(of: row[column]) ?? .held,
      attempts: min(max(attempts, possibleAttempts.lowerBound), possibleAttempts.upperBound),
      due: UTCInstant(nanoseconds: min(max(due, possibleInstants.lowerBound), possibleInstants.upperBound)),
      lastResult: row[column + 3], delayReported: row[column + 4])
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
  private static func state(of number: Int) -> RecipientState? {
    RecipientState.allCases.first { self.number(of: $0) == number }
  }

  private static func isFinal(_ number: Int) -> Bool { state(of: number)?.isFinal ?? false }

  /// From 1970 to the year 2223: what can be added to it stays within 64 bits of nanoseconds.
  private static let possibleInstants: ClosedRange<Int64> = 0...8_000_000_000_000_000_000
  private static let possibleAttempts = 0...Int(Int32.max)

  private static func instant(_ nanoseconds: Int64) -> UTCInstant? {
    possibleInstants.contains(nanoseconds) ? UTCInstant(nanoseconds: nanoseconds) : nil
  }

  /// What is no UTF-8 comes from the database with this in its place.
  private static func text(_ text: String) -> String? { text.unicodeScalars.contains("\u{fffd}") ? nil : text }

  /// Whole lines, each ended by CRLF and with neither CR nor LF in it (Law 5).
  private static func isHeader(_ bytes: ByteBuffer) -> Bool {
    var last: UInt8 = 0
    for octet in bytes.readableBytesView {
      guard octet != 0, (octet == 0x0a) == (last == 0x0d) else { return false }
      last = octet
    }
    return bytes.readableBytes == 0 || last == 0x0a
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

/// The columns of a message that don't read.
struct RowDamage: Sendable {
  /// Columns that a reason names, and characters of what stands in each.
  static let longestReason = 4
  static let longestValue = 80

  private let table: String
  var owner = ""
  private var found: [String] = []

  init(_ table: String) { self.table = table }

  mutating func read<Raw, Value>(_ column: String, _ raw: Raw, _ parse: (Raw) -> Value?) -> Value? {
    if let value = parse(raw) { return value }
    guard found.count < RowDamage.longestReason else { return nil }
    let text = String("\(raw)".prefix(RowDamage.longestValue))
    found.append("\(table).\(column)\(owner) holds \(text.debugDescription)")
    return nil
  }

  mutating func add(_ other: RowDamage) { found += other.found.prefix(RowDamage.longestReason - found.count) }

  var reason: String? { found.isEmpty ? nil : "the stored row can't be read: " + found.joined(separator: "; ") }
}
