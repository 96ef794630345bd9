package import Foundation
package import GRDB

/// What stands in a column, read by its type. STRICT and NOT NULL bind who writes; reading checks neither, and one
/// flipped bit makes NULL of a stored 0. GRDB's own typed subscripts trap at such a value.
extension Row {
  package func stored(_ index: Int) -> DatabaseValue { self[index] as DatabaseValue }

  package func integer(_ index: Int) -> Int64? {
    if case .int64(let number) = stored(index).storage { number } else { nil }
  }

  package func text(_ index: Int) -> String? {
    if case .string(let text) = stored(index).storage { text } else { nil }
  }

  package func bytes(_ index: Int) -> Data? {
    if case .blob(let bytes) = stored(index).storage { bytes } else { nil }
  }

  /// A column that is no number makes the place impossible.
  func place(_ segment: Int, _ offset: Int, _ length: Int) -> BodyPlace {
    BodyPlace(
      segment: Int(integer(segment) ?? -1), offset: Int(integer(offset) ?? -1), length: Int(integer(length) ?? -1))
  }
}

/// The columns of a message that don't read.
package struct RowDamage: Sendable {
  /// Columns that a reason names, and characters of what stands in each.
  static let longestReason = 4
  static let longestValue = 80

  /// How every reason begins.
  package static let opening = "the stored row can't be read: "

  private let table: String
  package var owner = ""
  private var found: [String] = []

  package init(_ table: String) { self.table = table }

  package mutating func integer<Value>(
    _ column: String, _ row: Row, _ index: Int, _ parse: (Int64) -> Value?
  ) -> Value? {
    if let value = row.integer(index).flatMap(parse) { return value }
    note(column, row.stored(index))
    return nil
  }

  package mutating func text<Value>(_ column: String, _ row: Row, _ index: Int, _ parse: (String) -> Value?) -> Value? {
    if let value = row.text(index).flatMap(parse) { return value }
    note(column, row.stored(index))
    return nil
  }

  mutating func bytes(_ column: String, _ row: Row, _ index: Int, _ isSound: (Data) -> Bool) -> Data? {
    if let bytes = row.bytes(index), isSound(bytes) { return bytes }
    note(column, row.stored(index))
    return nil
  }

  /// Where NULL is a value of its own.
  package mutating func textIfAny<Value>(
    _ column: String, _ row: Row, _ index: Int, _ parse: (String) -> Value?
  ) -> Value? {
    row.stored(index).isNull ? nil : text(column, row, index, parse)
  }

  package mutating func integerIfAny<Value>(
    _ column: String, _ row: Row, _ index: Int, _ parse: (Int64) -> Value?
  ) -> Value? {
    row.stored(index).isNull ? nil : integer(column, row, index, parse)
  }

  mutating func note(_ column: String, _ value: DatabaseValue) {
    let text =
      switch value.storage {
      case .null: "NULL"
      case .int64(let number): "\(number)"
      case .double(let number): "\(number)"
      case .string(let text): text
      case .blob(let bytes): "\(bytes.count) bytes"
      }
    note(column, text)
  }

  mutating func note(_ column: String, _ text: String) {
    guard found.count < RowDamage.longestReason else { return }
    let shown = String(text.prefix(RowDamage.longestValue))
    found.append("\(table).\(column)\(owner) holds \(shown.debugDescription)")
  }

  mutating func add(_ other: RowDamage) { found += other.found.prefix(RowDamage.longestReason - found.count) }

  package var reason: String? { found.isEmpty ? nil : RowDamage.opening + found.joined(separator: "; ") }
}
