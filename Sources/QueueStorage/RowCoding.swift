import Foundation
import GRDB
import MailQueue
import MailSyntax
import NIOCore
import SMTPGrammar

/// Rows to values. A row that doesn't read back is damage: the database fault stops the store.
enum RowCoding {
  static let messageColumns = """
    m.number, m.id, m.tenant, m.account, m.priority, m.reverse_path, m.envelope_id, m.report_content,
    m.body_type, m.smtputf8, m.received_at, m.expires_at, m.length, m.prefix
    """

  static func message(_ row: Row, _ db: Database) throws -> QueuedMessage {
    let number: Int64 = row[0]
    let recipients = try recipients(of: number, db)
    let reversePath: ReversePath =
      if let text: String = row[5] { .mailbox(try read("sender", text) { try? Mailbox($0) }) } else { .null }
    let prefix: Data = row[13]
    let message = NewMessage(
      id: try read("id", row[1]) { QueueID($0) }, reversePath: reversePath, recipients: recipients.map(\.recipient),
      body: try read("body type", row[8]) { BodyType(rawValue: $0) }, usesSMTPUTF8: row[9], envelopeID: row[6],
      reportContent: (row[7] as String?).flatMap(DeliveryReportContent.init(rawValue:)), account: row[3],
      tenant: row[2], priority: PriorityClass(rawValue: row[4]) ?? .normal,
      receivedAt: UTCInstant(nanoseconds: row[10]), expiresAt: UTCInstant(nanoseconds: row[11]),
      prefix: ByteBuffer(bytes: prefix))
    return QueuedMessage(message: message, bodySize: ByteCount(row[12]), recipients: recipients)
  }

  private static func recipients(of message: Int64, _ db: Database) throws -> [QueuedRecipient] {
    let statement = try db.cachedStatement(
      sql: """
        SELECT number, address, route, notify, original_type, original_address,
          state, attempts, due, last_result, delay_reported
        FROM recipients WHERE message = ? ORDER BY number
        """)
    let rows = try Row.fetchCursor(statement, arguments: [message])
    var recipients: [QueuedRecipient] = []
    while let row = try rows.next() {
      let type: String? = row[4]
      let address: String? = row[5]
      let original = type.flatMap { type in address.map { OriginalRecipient(addressType: type, address: $0) } }
      let recipient = NewRecipient(
        address: try read("recipient", row[1]) { try? Mailbox($0) }, route: RouteKey(rawValue: row[2]),
        notify: (row[3] as Int?).map { Notify(rawValue: UInt8(truncatingIfNeeded: $0)) }, originalRecipient: original)
      var queued = QueuedRecipient(number: row[0], recipient: recipient, due: UTCInstant(nanoseconds: row[8]))
      queued.standing = standing(row, at: 6)
      recipients.append(queued)
    }
    return recipients
  }

  /// Five columns: state, attempts, due, last_result, delay_reported.
  static func standing(_ row: Row, at column: Int) -> RecipientStanding {
    RecipientStanding(
      state: state(of: row[column]), attempts: row[column + 1], due: UTCInstant(nanoseconds: row[column + 2]),
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

  /// A number that isn't ours, which only a foreign hand could have written, waits for an operator.
  static func state(of number: Int) -> RecipientState {
    RecipientState.allCases.first { self.number(of: $0) == number } ?? .held
  }

  private static func read<Value>(_ what: String, _ text: String, _ parse: (String) -> Value?) throws -> Value {
    guard let value = parse(text) else {
      throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the \(what) \(text.debugDescription) doesn't read")
    }
    return value
  }
}
