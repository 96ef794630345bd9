package import GRDB

/// The numbered steps of a database's schema, each in one transaction; `user_version` counts those that it has gone.
package struct SchemaSteps: Sendable {
  /// As errors name the database.
  package let file: String
  package let steps: [String]

  package init(file: String, _ steps: [String]) {
    self.file = file
    self.steps = steps
  }

  /// Goes the steps that a database hasn't gone yet.
  package func migrate(_ db: Database) throws {
    let found = try expectKnown(db)
    for version in found..<steps.count {
      try db.inTransaction(.immediate) {
        try db.execute(sql: steps[version])
        try db.execute(sql: "PRAGMA user_version = \(version + 1)")
        return .commit
      }
    }
  }

  /// The schema of a database, which a later version than this one has not written.
  @discardableResult package func expectKnown(_ db: Database) throws -> Int {
    let found = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
    guard found <= steps.count else {
      throw StoreOpenError.newerSchema(found: found, known: steps.count, file: file)
    }
    return found
  }

  /// A setting that was made is looked at again: a database that came from elsewhere with another is refused.
  package func expect(_ db: Database, _ pragma: String, _ value: Int) throws {
    let found = try Int.fetchOne(db, sql: "PRAGMA \(pragma)")
    guard found == value else {
      throw StoreOpenError.database(
        "\(pragma) is \(found.map(String.init) ?? "unset") and must be \(value)", file: file)
    }
  }
}
