import GRDB
import MailQueue
import MailSyntax

/// `QueueFilter.matches` in SQL.
struct FilterQuery {
  private var conditions: [String] = []
  private var arguments = StatementArguments()

  init(_ filter: QueueFilter, after: QueueID?) {
    if let after { add("m.id > ?", [after.description]) }
    if let id = filter.id { add("m.id = ?", [id.description]) }
    if let account = filter.account { add("m.account = ?", [account]) }
    if let sender = filter.sender { add(FilterQuery.address(sender, in: "m.reverse_path")) }
    var wanted: [(String, StatementArguments)] = []
    switch filter.state {
    // A state that isn't ours counts as held.
    case .held?: wanted.append(("coalesce(r.state, 1) NOT IN (0, 2, 3, 4)", []))
    case .queued?, .delivered?, .failed?, .removed?:
      wanted.append(("r.state = ?", [filter.state.map(RowCoding.number(of:))]))
    case nil: break
    }
    if let route = filter.route { wanted.append(("r.route = ?", [route.rawValue])) }
    if let recipient = filter.recipient { wanted.append(FilterQuery.address(recipient, in: "r.address")) }
    guard !wanted.isEmpty else { return }
    let all = wanted.map(\.0).joined(separator: " AND ")
    add(
      "EXISTS (SELECT 1 FROM recipients r WHERE r.message = m.number AND \(all))",
      wanted.reduce(into: StatementArguments()) { $0 += $1.1 })
  }

  var parts: (condition: String, arguments: StatementArguments) {
    (conditions.isEmpty ? "1" : conditions.joined(separator: " AND "), arguments)
  }

  private mutating func add(_ condition: String, _ values: StatementArguments) {
    conditions.append(condition)
    arguments += values
  }

  private mutating func add(_ part: (String, StatementArguments)) { add(part.0, part.1) }

  /// `local@domain`, `@domain`, or `<>`, which a null column stands for.
  private static func address(_ wanted: String, in column: String) -> (String, StatementArguments) {
    guard wanted != "<>" else { return ("\(column) IS NULL", []) }
    guard let at = wanted.lastIndex(of: "@") else { return ("0", []) }
    // Lengths in bytes: SQLite counts code points where Swift counts characters.
    let domain = Array(wanted[at...].lowercasedASCII().utf8)
    let tail = "lower(substr(\(column), -length(?))) = ?"
    let domainText = String(decoding: domain, as: UTF8.self)
    guard at != wanted.startIndex else { return (tail, [domainText, domainText]) }
    let local = String(wanted[..<at])
    return (
      "\(tail) AND substr(\(column), 1, length(\(column)) - length(?)) = ?",
      [domainText, domainText, domainText, local]
    )
  }
}
