/// A key of the file as a person reads about it.
public struct ConfigurationKey: Hashable, Sendable {
  /// From the root: `limits.recipients`, `domains.NAME.aliases`, `tls.certificates[].chain`.
  public let path: String
  /// What stands behind it.
  public let form: String
  public let presence: Presence
  /// One sentence or more, without its subject.
  public let meaning: String

  public enum Presence: Hashable, Sendable {
    case required
    /// What holds without the key, in words.
    case optional(String)
  }

  /// The section it stands in; empty at the root.
  var section: String {
    path.lastIndex(of: ".").map { String(path[..<$0]) } ?? ""
  }

  /// What is written before the colon.
  var name: String {
    path.lastIndex(of: ".").map { String(path[path.index(after: $0)...]) } ?? path
  }

  /// Keys that may stand in a section, by the section's path, in the order of the table. Sections are keys themselves.
  static let bySection: [String: [String]] = {
    var names: [String: [String]] = [:]
    for key in all {
      var path = ""
      for component in key.path.split(separator: ".") {
        let name = component.hasSuffix("[]") ? String(component.dropLast(2)) : String(component)
        if names[path]?.contains(name) != true { names[path, default: []].append(name) }
        path += (path.isEmpty ? "" : ".") + component
      }
    }
    // Each of the listeners may be a section of this form.
    return names.mapValues { $0.filter { $0 != "ROLE" } }
  }()

  /// Sections in which a key of this name may stand.
  static func sections(with name: String) -> [String] {
    bySection.filter { $0.value.contains(name) }.map { $0.key.isEmpty ? "the top of the file" : $0.key }.sorted()
  }
}

/// A key with the form of its value.
struct Key<Value: Sendable>: Sendable {
  let row: ConfigurationKey
  let form: ValueForm<Value>
  let isList: Bool

  var name: String { row.name }
  var isRequired: Bool { row.presence == .required }

  /// A key that must stand in its section.
  init(_ path: String, _ form: ValueForm<Value>, isList: Bool = false, _ meaning: String) {
    self.init(path, form, isList: isList, .required, meaning)
  }

  /// A key that may be left out; `default` says what holds then.
  init(_ path: String, _ form: ValueForm<Value>, isList: Bool = false, default words: String, _ meaning: String) {
    self.init(path, form, isList: isList, .optional(words), meaning)
  }

  private init(
    _ path: String, _ form: ValueForm<Value>, isList: Bool, _ presence: ConfigurationKey.Presence, _ meaning: String
  ) {
    self.form = form
    self.isList = isList
    row = ConfigurationKey(
      path: path, form: isList ? "a list, each item \(form.words)" : form.words, presence: presence, meaning: meaning)
  }
}
