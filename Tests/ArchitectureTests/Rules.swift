/// One breach of the house rules, as a person reads it.
struct Finding: Hashable, CustomStringConvertible {
  var file: String
  var line: Int?
  var complaint: String
  var description: String { "\(file)\(line.map { ":\($0)" } ?? ""): \(complaint)" }
}

/// A source file of the project by its path from the root.
struct SourceFile {
  var path: String
  var text: String

  /// The folder below Sources, which is the module's name.
  var room: String {
    let parts = path.split(separator: "/")
    return parts.count > 1 ? String(parts[1]) : ""
  }
}

enum Rules {
  /// What `file` may not import, given the names it imports.
  static func imports(_ names: Set<String>, of file: SourceFile) -> [Finding] {
    guard let room = House.rooms[file.room] else {
      let complaint = "the room \(file.room) stands on no floor: give it one in House.swift"
      return [Finding(file: file.path, complaint: complaint)]
    }
    return names.sorted().compactMap { name in
      guard name != file.room, !House.swiftsOwn.contains(name), !room.beside.contains(name) else { return nil }
      if let other = House.rooms[name] {
        let highest = min(room.floor - 1, room.highestFloorUsed ?? .max)
        guard other.floor > highest else { return nil }
        return Finding(
          file: file.path, complaint: "\(file.room) may use floors up to \(highest); \(name) is on \(other.floor)")
      }
      guard House.isPure(file.room), House.exceptions[file.path]?.contains(name) != true else { return nil }
      if room.floor > 0, House.outsideOnPureFloors.contains(name) { return nil }
      return Finding(file: file.path, complaint: "\(file.room) is on floor \(room.floor), which does not use \(name)")
    }
  }

  /// The imports a file states in its text: attributes, access levels and `import struct A.B` understood. Conditional
  /// ones count on every platform.
  static func statedImports(in text: String) -> Set<String> {
    let pattern =
      #/
      (?m) ^ [\ \t]* (?: @\w+ (?:\([^)\n]*\))? [\ \t]+ )*
      (?: (?:public|package|internal|fileprivate|private) [\ \t]+ )? import [\ \t]+
      (?: (?:struct|class|enum|protocol|typealias|func|let|var) [\ \t]+ )? (\w+)
      /#
    return Set(SourceText.code(of: text).matches(of: pattern).map { String($0.output.1) })
  }

  /// Reads of the world that the pure floors take as parameters instead, with what stands in their place. `\b` is read
  /// simply: Unicode's own word boundaries see none in `FileManager.default`.
  private static var impure: [(pattern: Regex<AnyRegexOutput>, instead: String)] {
    [
      (Regex(#/\bTask\s*(?:<[^>\n]*>\s*)?[({]/#), "an unstructured task: use structured ones"),
      (Regex(#/\bTask\s*\.\s*(?:detached|immediate\w*|sleep)\b/#), "a task or sleep outside the executor"),
      (Regex(#/\bMainActor\s*\.\s*run\b/#), "another executor"),
      (Regex(#/\b(?:ContinuousClock|SuspendingClock)\b/#), "a system clock: take a MailClock"),
      (Regex(#/\bDate\s*\(\s*\)|\bDate\s*\.\s*now\b/#), "the wall clock: take a MailClock"),
      (Regex(#/\bUUID\s*\(\s*\)/#), "system randomness: take a generator"),
      (Regex(#/\bSystemRandomNumberGenerator\b/#), "system randomness: take a generator"),
      (Regex(#/\.\s*(?:shuffled|shuffle|randomElement)\s*\(\s*\)/#), "system randomness: pass `using:`"),
      (Regex(#/\.\s*random\s*\((?![^()]*(?:\([^()]*\)[^()]*)*\busing\s*:)/#), "system randomness: pass `using:`"),
      (Regex(#/\bFileManager\b/#), "the file system"),
      (Regex(#/\bProcessInfo\b/#), "the process's surroundings"),
      (Regex(#/\bgetenv\s*\(/#), "the process's surroundings"),
    ]
  }

  /// What the code of a pure room may not do by itself.
  static func purity(of file: SourceFile) -> [Finding] {
    guard House.isPure(file.room) else { return [] }
    let code = SourceText.code(of: file.text)
    return impure.flatMap { rule in
      code.matches(of: rule.pattern.wordBoundaryKind(.simple)).map { match in
        let line = code[..<match.range.lowerBound].count { $0.isNewline } + 1
        let seen = code[match.range].split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return Finding(file: file.path, line: line, complaint: "`\(seen)` is \(rule.instead)")
      }
    }
  }

  /// The names of `@_spi` a file imports.
  static func mints(in text: String) -> Set<String> {
    let importLine = #/(?m)^[^\n]*@_spi[^\n]*\bimport\b/#
    let name = #/@_spi\s*\(\s*(\w+)\s*\)/#
    let lines = SourceText.code(of: text).matches(of: importLine).map(\.output)
    return Set(lines.flatMap { $0.matches(of: name).map { String($0.output.1) } })
  }

  /// Files that mint without leave, and leave that nobody uses any more.
  static func minting(in files: [SourceFile]) -> [Finding] {
    var found: [String: Set<String>] = [:]
    for file in files {
      for name in mints(in: file.text) { found[name, default: []].insert(file.path) }
    }
    return Set(found.keys).union(House.mints.keys).sorted().flatMap { name in
      let allowed = House.mints[name] ?? [], using = found[name] ?? []
      return using.subtracting(allowed).sorted().map {
        Finding(file: $0, complaint: "imports @_spi(\(name)), which House.swift does not let it")
      }
        + allowed.subtracting(using).sorted().map {
          Finding(file: $0, complaint: "House.swift lets it import @_spi(\(name)), and it does not")
        }
    }
  }

  /// Paths of one machine and words about how the work was organised: the project speaks of itself alone. The patterns
  /// are in brackets so that this file does not match them.
  private static var foreign: [Regex<AnyRegexOutput>] {
    [
      Regex(#//wor[k]//#), Regex(#//far[m]//#), Regex(#//tmp/bas[h]/#), Regex(#/\/[.]librar[y]/#),
      Regex(#/(?i)developer'?s?'? sessio[n]/#), Regex(#/(?i)sub-?agen[t]/#), Regex(#/(?i)language mode[l]/#),
      Regex(#/(?i)\bchatbo[t]/#), Regex(#/TOD[O]\b|FIXM[E]\b/#),
    ]
  }

  static func foreignWords(in file: SourceFile) -> [Finding] {
    let patterns = foreign
    return file.text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().flatMap { index, line in
      patterns.compactMap { pattern in
        guard let match = line.firstMatch(of: pattern.wordBoundaryKind(.simple)) else { return nil }
        return Finding(file: file.path, line: index + 1, complaint: "`\(line[match.range])` does not belong here")
      }
    }
  }
}
