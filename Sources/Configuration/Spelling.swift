import MailSyntax

/// Finds what a person meant to write.
public enum Spelling {
  /// Words longer than this are compared by their beginnings: the work stays small whatever the file says.
  static let maximumLength = 64

  /// The one of `candidates` that `word` was probably meant to be: equal but for case, hyphens and underscores, or at
  /// most a third of its letters away. The first of equals.
  public static func nearest(to word: String, among candidates: [String]) -> String? {
    let plain = plainForm(word)
    if let same = candidates.first(where: { plainForm($0) == plain }) { return same }
    var best: (candidate: String, distance: Int)?
    for candidate in candidates {
      let away = distance(plain, plainForm(candidate))
      guard away <= max(1, min(plain.count, candidate.utf8.count) / 3), away < best?.distance ?? .max else { continue }
      best = (candidate, away)
    }
    return best?.candidate
  }

  /// Letters to change, add, drop or swap with their neighbour: optimal string alignment.
  static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var rows = [Array(0...right.count)]
    for (line, letter) in left.enumerated() {
      var row = [line + 1]
      for (column, other) in right.enumerated() {
        var cost = min(row[column], rows[line][column + 1]) + 1
        cost = min(cost, rows[line][column] + (letter == other ? 0 : 1))
        if line > 0, column > 0, letter == right[column - 1], left[line - 1] == other {
          cost = min(cost, rows[line - 1][column - 1] + 1)
        }
        row.append(cost)
      }
      rows.append(row)
    }
    return rows[left.count][right.count]
  }

  private static func plainForm(_ word: String) -> [UInt8] {
    word.lowercasedASCII().utf8.filter { $0 != UInt8(ascii: "_") && $0 != UInt8(ascii: "-") }.prefix(maximumLength)
      .map { $0 }
  }
}
