import GRDB

/// What a failing disk does to a database, done by its schema: while `body` runs every column of `path`'s database takes
/// NULL and any type. The schema that a store sees is the same before and after.
func withoutTypes(_ path: String, _ body: () throws -> Void) throws {
  let file = path + "/queue.sqlite3"
  let before = try schema(file) { db in
    let rows = try Row.fetchAll(db, sql: "SELECT name, sql FROM sqlite_schema WHERE type = 'table'")
    try db.execute(
      sql: """
        UPDATE sqlite_schema SET sql = replace(replace(replace(sql, ' STRICT,', ''), ' STRICT', ''), ' NOT NULL', '')
        WHERE type = 'table'
        """)
    return rows.map { row in (name: row[0] as String, sql: row[1] as String) }
  }
  try body()
  try schema(file) { db in
    for table in before {
      try db.execute(sql: "UPDATE sqlite_schema SET sql = ? WHERE name = ?", arguments: [table.sql, table.name])
    }
  }
}

/// Changes the rows and leaves an index as it is.
func withoutIndex(_ path: String, _ name: String, _ body: (Database) throws -> Void) throws {
  let file = path + "/queue.sqlite3"
  let entry = try schema(file) { db in
    let row = try Row.fetchOne(
      db, sql: "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE name = ?", arguments: [name])
    try db.execute(sql: "DELETE FROM sqlite_schema WHERE name = ?", arguments: [name])
    return row.map { StatementArguments($0.databaseValues) }
  }
  let database = try DatabaseQueue(path: file)
  try database.write(body)
  try database.close()
  try schema(file) { db in
    try db.execute(sql: "INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", arguments: entry ?? [])
  }
}

/// On a connection of its own: the next to be opened sees the schema anew.
private func schema<Answer>(_ file: String, _ body: (Database) throws -> Answer) throws -> Answer {
  let database = try DatabaseQueue(path: file)
  defer { try? database.close() }
  return try database.write { db in
    try db.execute(sql: "PRAGMA writable_schema = ON")
    return try body(db)
  }
}
