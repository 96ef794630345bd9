/// Something a person must hear of a configuration: what, where, and how to mend it.
public struct ConfigurationFinding: Hashable, Sendable, CustomStringConvertible {
  public let severity: Severity
  public let file: String
  /// Nil when the finding is about the file as a whole.
  public let position: FilePosition?
  public let text: String
  public let remedy: String?
  /// A server with this finding serves all the same. Always so of a warning; of an error where only a part of the mail,
  /// or only clients that look closely, meet the fault: an expired certificate, a disk that isn't mounted.
  public let allowsServing: Bool

  /// - Parameter allowsServing: of an error; a warning allows it always.
  public init(
    _ severity: Severity, file: String, position: FilePosition?, text: String, remedy: String? = nil,
    allowsServing: Bool = false
  ) {
    self.allowsServing = allowsServing || severity == .warning
    self.severity = severity
    self.file = file
    self.position = position
    self.text = text
    self.remedy = remedy
  }

  public enum Severity: String, Hashable, Sendable {
    /// The server can't run so, or can't do all that the file says.
    case error
    /// It runs, and probably not as it was meant.
    case warning
  }

  /// `martlet.yaml:3:5: error: …`, and on a line of its own, indented by two, how to mend it.
  public var description: String {
    let place = position.map { "\(file):\($0)" } ?? file
    return "\(place): \(severity.rawValue): \(text)" + (remedy.map { "\n  \($0)" } ?? "")
  }
}

/// A place in a file: line and column from 1; columns count Unicode scalars, as YAML does.
public struct FilePosition: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let line: Int
  public let column: Int
  public init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }
  public static let start = FilePosition(line: 1, column: 1)
  public static func < (left: FilePosition, right: FilePosition) -> Bool {
    (left.line, left.column) < (right.line, right.column)
  }
  public var description: String { "\(line):\(column)" }
}

/// Why a configuration can't be used: every fault and warning of the file at once, in the order of the file.
public struct ConfigurationFaults: Error, Hashable, Sendable, CustomStringConvertible {
  /// At least one of them is an error.
  public let findings: [ConfigurationFinding]
  public init(_ findings: [ConfigurationFinding]) { self.findings = findings.inOrderOfFile }
  public var description: String { findings.map(\.description).joined(separator: "\n") }
}

extension [ConfigurationFinding] {
  /// By position, those without one first; findings of one place stay in their order.
  var inOrderOfFile: [ConfigurationFinding] {
    enumerated().sorted { left, right in
      (left.element.position ?? .start, left.offset) < (right.element.position ?? .start, right.offset)
    }
    .map(\.element)
  }
}
