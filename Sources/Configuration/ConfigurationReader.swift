import MailSyntax

/// Reads the values of a file and gathers all that is wrong with it. Every function reports before it returns nil, or
/// returns nil for a key that is absent and may be.
struct ConfigurationReader {
  let file: String
  /// Where relative paths begin.
  let folder: String
  private(set) var findings: [ConfigurationFinding] = []
  /// Where things stand, by their places: `domains.example.com.aliases.info`.
  private(set) var places: [String: [FilePosition]] = [:]
  /// What of the routing could be read, whatever else is wrong with the file.
  var routes = ReadRoutes()

  init(file: String, folder: String) {
    self.file = file
    self.folder = folder
  }

  /// A mapping of the file.
  struct Section {
    /// As the table of keys writes it: `domains.NAME`.
    let path: String
    /// As the file writes it: `domains.example.com`.
    let place: String
    let position: FilePosition
    let entries: [YAMLEntry]

    func entry(_ name: String) -> YAMLEntry? { entries.first { $0.name == name } }
    func has(_ name: String) -> Bool { entry(name) != nil }
    func place(of name: String) -> String { place.isEmpty ? name : "\(place).\(name)" }
    func path(of name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
  }

  /// Domains and the outbound route, as far as they were read without a fault.
  struct ReadRoutes {
    var domains: [Configuration.Domain] = []
    /// Named in the file, some perhaps with faults.
    var named: Set<DomainName> = []
    /// Nil where the section is faulty.
    var outbound: Configuration.Outbound?
  }

  /// A value and where it stands.
  struct Placed<Value> {
    let value: Value
    let position: FilePosition
  }

  // MARK: Findings

  mutating func fault(_ text: String, at position: FilePosition?, _ remedy: String?) {
    findings.append(ConfigurationFinding(.error, file: file, position: position, text: text, remedy: remedy))
  }

  mutating func warn(_ text: String, at position: FilePosition?, _ remedy: String?) {
    findings.append(ConfigurationFinding(.warning, file: file, position: position, text: text, remedy: remedy))
  }

  var errorCount: Int { findings.count { $0.severity == .error } }

  mutating func note(_ place: String, at position: FilePosition) { places[place, default: []].append(position) }
  func position(of place: String) -> FilePosition? { places[place]?.last }

  // MARK: Sections

  /// The section of this name with the keys that the table gives it; nil when it is absent.
  mutating func open(_ name: String, in parent: Section) -> Section? {
    guard let entry = parent.entry(name) else { return nil }
    return section(entry.value, path: parent.path(of: name), place: parent.place(of: name), at: entry.position)
  }

  /// A section of known keys.
  mutating func section(_ node: YAMLNode, path: String, place: String, at position: FilePosition) -> Section? {
    guard let section = freeSection(node, path: path, place: place, at: position) else { return nil }
    let known = ConfigurationKey.bySection[path] ?? []
    for entry in section.entries where !known.contains(entry.name) {
      fault("\(section.place(of: entry.name)): there is no such key", at: entry.position, hint(for: entry, in: section))
    }
    return section
  }

  /// A section whose keys are names that the user chose.
  mutating func freeSection(_ node: YAMLNode, path: String, place: String, at position: FilePosition) -> Section? {
    let entries: [YAMLEntry]
    switch node.content {
    case .mapping(let mapping): entries = mapping
    case .scalar, .list:
      guard node.isNothing else {
        let name = place.isEmpty ? "the file" : place
        fault("\(name): here stands \(node.kind), not a section", at: node.position, "give keys, each with its value")
        return nil
      }
      entries = []
    }
    let section = Section(path: path, place: place, position: position, entries: entries)
    for entry in entries {
      note(section.place(of: entry.name), at: entry.position)
      guard let earlier = entry.earlier else { continue }
      fault(
        "\(section.place(of: entry.name)): this key stands twice; the first is at \(earlier)", at: entry.position,
        "leave one of them")
    }
    return section
  }

  private func hint(for entry: YAMLEntry, in section: Section) -> String {
    if let advice = ConfigurationReader.advice[section.path(of: entry.name)] { return advice }
    let known = ConfigurationKey.bySection[section.path] ?? []
    if let near = Spelling.nearest(to: entry.name, among: known) { return "did you mean '\(near)'?" }
    if let other = ConfigurationKey.sections(with: entry.name).first { return "'\(entry.name)' belongs under \(other)" }
    return "the keys here are \(known.joined(separator: ", "))"
  }

  /// What people write in other servers' files, and where it belongs here.
  private static let advice = [
    "outbound.smarthost.password": "put the password in a file of its own and name that in password_file",
    "outbound.smarthost.token": "give token_command: a program that prints the token",
  ]

  // MARK: Values

  /// The value behind a key.
  mutating func read<Value>(_ key: Key<Value>, in section: Section) -> Value? {
    readPlaced(key, in: section)?.value
  }

  mutating func readPlaced<Value>(_ key: Key<Value>, in section: Section) -> Placed<Value>? {
    guard let entry = section.entry(key.name) else {
      reportMissing(key, in: section)
      return nil
    }
    return value(of: entry.value, as: key.form, called: section.place(of: key.name))
  }

  /// The items behind a key; a single value is a list of one. Nil when the key is absent, else what could be read.
  mutating func readList<Value>(_ key: Key<Value>, in section: Section) -> [Placed<Value>]? {
    guard let entry = section.entry(key.name) else {
      reportMissing(key, in: section)
      return nil
    }
    return items(of: entry.value, as: key.form, called: section.place(of: key.name))
  }

  mutating func items<Value>(of node: YAMLNode, as form: ValueForm<Value>, called name: String) -> [Placed<Value>] {
    guard case .list(let items) = node.content else {
      return value(of: node, as: form, called: name).map { [$0] } ?? []
    }
    return items.compactMap { value(of: $0, as: form, called: name) }
  }

  mutating func value<Value>(of node: YAMLNode, as form: ValueForm<Value>, called name: String) -> Placed<Value>? {
    let remedy = "give \(form.words)"
    guard case .scalar(let text, _) = node.content else {
      fault("\(name): here stands \(node.kind), not one value", at: node.position, remedy)
      return nil
    }
    guard !node.isNothing else {
      fault("\(name): nothing stands behind the key", at: node.position, "\(remedy), or take the key out")
      return nil
    }
    do {
      return Placed(value: try form.read(text), position: node.position)
    } catch {
      fault("\(name): \(error.text)", at: node.position, error.remedy ?? remedy)
      return nil
    }
  }

  private mutating func reportMissing<Value>(_ key: Key<Value>, in section: Section) {
    guard key.isRequired else { return }
    fault("\(section.place(of: key.name)) is missing", at: section.position, "add \(key.name): \(key.form.words)")
  }

  // MARK: Paths

  mutating func readPath(_ key: Key<String>, in section: Section) -> String? {
    read(key, in: section).map(absolute)
  }

  func absolute(_ path: String) -> String {
    guard path.utf8.first != UInt8(ascii: "/") else { return path }
    let relative = path.hasPrefix("./") ? path.dropFirst(2) : path[...]
    return folder.hasSuffix("/") ? "\(folder)\(relative)" : "\(folder)/\(relative)"
  }
}

extension YAMLNode {
  /// As a person calls it.
  var kind: String {
    switch content {
    case .scalar(let text, _): text.isEmpty ? "nothing" : "one value"
    case .list: "a list"
    case .mapping: "a section"
    }
  }
}
