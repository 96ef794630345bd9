extension IntakeDefect {
  /// The text of `Documentation/IntakeRules.md`, Markdown; a test compares the file with it.
  public static var document: String {
    var lines = [
      "# Intake rules",
      "",
      "What Martlet does about messages that are not quite right. This page is written from the table in",
      "`Sources/MailMessage/IntakeDefect+Table.swift`; a test compares the two.",
      "",
      "- **Submission** is ports 465, 587 and 2525: mail of our own users. What RFC 6409 section 8 lets a submission",
      "  server mend is mended, the rest is refused by name. Added fields go in front of the message; the body is never",
      "  touched.",
      "- **Relay** is port 25: mail of other servers. Nothing is rewritten (RFC 5321 section 6.4); refused is only what",
      "  can't be carried on safely.",
      "",
      "A refusal says what is wrong, where, and how to mend it. A line over 998 octets is refused on port 25 too: it",
      "can't be sent on as it is, may not be rewritten, and a refusal reaches the sender where a later bounce may not.",
      "Characters that are not ASCII in a header without SMTPUTF8 are refused on submission rather than re-encoded: the",
      "next server may not take them, and only the writer knows the character set.",
      "",
      "`TLS-Required: No` (RFC 8689 section 3) counts on every port: it travels with the message, and it waives no more",
      "than what the domains of the recipients publish, never a floor of this server's operator. Two of them could say",
      "two things, and a word that isn't No can't be guessed at: a user is told, and what another server brought goes on",
      "as if it said nothing. Beside REQUIRETLS it is ignored, whatever it says. It always stays in the message.",
      "",
      "| defect | what is wrong | submission | relay | source |",
      "|---|---|---|---|---|",
    ]
    for defect in allCases {
      let row = defect.row
      lines.append(
        "| `\(defect.rawValue)` | \(escaped(row.what)) | \(row.submission.cell) | \(row.relay.cell) | \(row.section) |")
    }
    lines += ["", "## How to mend what is refused", ""]
    for defect in allCases {
      guard let remedy = defect.row.remedy else { continue }
      lines.append("- `\(defect.rawValue)`: \(escaped(remedy)).")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func escaped(_ text: String) -> String {
    text.split(separator: "<", omittingEmptySubsequences: false).joined(separator: "\\<")
  }
}

extension IntakeDefect.Treatment {
  fileprivate var cell: String {
    switch self {
    case .refuse(let code, let enhanced): "refused: `\(code) \(enhanced)`"
    case .mend(let how): "mended: \(how)"
    case .pass(let how): "passed: \(how)"
    }
  }
}
