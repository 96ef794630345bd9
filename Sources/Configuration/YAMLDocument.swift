import Yams

/// YAML as positions and plain text. YAML 1.1 reads `off`, `010` and `1:30` as other things than they look; here every
/// scalar is the text that stands in the file, and the key it stands behind says what it means.
struct YAMLNode: Sendable {
  let position: FilePosition
  let content: Content

  enum Content: Sendable {
    case scalar(String, isPlain: Bool)
    case list([YAMLNode])
    case mapping([YAMLEntry])
  }

  /// `key:` with nothing behind it.
  var isNothing: Bool { if case .scalar("", isPlain: true) = content { true } else { false } }
}

/// A key and its value.
struct YAMLEntry: Sendable {
  let name: String
  let position: FilePosition
  let value: YAMLNode
  /// Where the same key stands before, in the same mapping.
  let earlier: FilePosition?
}

/// Why a text is no YAML, or more of it than we read.
struct YAMLFault: Error, Hashable {
  let position: FilePosition
  let text: String
  var remedy: String?
}

enum YAMLDocument {
  /// Nodes of one document, each use of an anchor counted: anchors of anchors don't grow without bound.
  static let maximumNodes = 1_000_000
  /// No key of ours lies deeper than a few levels.
  static let maximumDepth = 32
  /// Keys that stand twice, all of which are reported.
  static let maximumRepeatedKeys = 64

  /// The root, or nil when the document has no content.
  static func parse(_ text: String) throws(YAMLFault) -> YAMLNode? {
    var source = YAMLSource(text)
    while true {
      do {
        guard let root = try compose(yaml: source.text, .basic) else { return nil }
        var conversion = YAMLConversion(renamed: source.renamed)
        return try conversion.node(root, depth: 0)
      } catch let fault as YAMLFault {
        throw fault
      } catch YamlError.duplicatedKeysInMapping(let names, let context) {
        // Yams stops at the first key that stands twice. Under another name it is out of the way, and what else is
        // wrong with the file can be told with it.
        let position = FilePosition(context.mark)
        guard source.renamed.count < maximumRepeatedKeys, source.rename(at: position) else {
          throw YAMLFault(
            position: position, text: "the key \(names.first ?? "") stands twice in the same section",
            remedy: "leave one of them")
        }
      } catch let error as YamlError {
        throw YAMLFault(error, in: source)
      } catch {
        throw YAMLFault(position: .start, text: "\(error)")
      }
    }
  }
}

/// The text as scalars, in which keys can be renamed without moving anything.
struct YAMLSource {
  private var scalars: [Unicode.Scalar]
  /// The first character of a key by its position, and what stands in its place.
  private(set) var renamed: [FilePosition: (mark: Unicode.Scalar, original: Unicode.Scalar)] = [:]

  init(_ text: String) { scalars = Array(text.unicodeScalars) }

  var text: String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    return String(view)
  }

  /// Puts a private-use character in the place of a key's first: nothing moves, and no key is called so. False when
  /// that was done already or there is nothing to replace.
  mutating func rename(at position: FilePosition) -> Bool {
    guard renamed[position] == nil, var index = index(of: position),
      let mark = Unicode.Scalar(0xe000 + UInt32(renamed.count))
    else { return false }
    if scalars[index] == "\"" || scalars[index] == "'" { index += 1 }
    guard scalars.indices.contains(index) else { return false }
    let original = scalars[index]
    // Behind an anchor or a tag the key begins further on, and an escape or an empty key has no character to spare.
    guard !"\"'\\&!*".unicodeScalars.contains(original), !YAMLSource.isLineBreak(original) else { return false }
    scalars[index] = mark
    renamed[position] = (mark, original)
    return true
  }

  /// The position of the scalar that many characters in.
  func position(ofCharacter offset: Int) -> FilePosition {
    let ahead = String(String.UnicodeScalarView(scalars)).prefix(max(0, offset)).unicodeScalars.count
    var position = FilePosition.start
    for index in 0..<min(ahead, scalars.count) { position = self.position(after: index, from: position) }
    return position
  }

  func scalar(at position: FilePosition) -> Unicode.Scalar? { index(of: position).map { scalars[$0] } }

  private func index(of wanted: FilePosition) -> Int? {
    var position = FilePosition.start
    for index in scalars.indices {
      if position == wanted { return index }
      position = self.position(after: index, from: position)
    }
    return nil
  }

  private func position(after index: Int, from position: FilePosition) -> FilePosition {
    let isReturnOfPair = scalars[index] == "\r" && index + 1 < scalars.count && scalars[index + 1] == "\n"
    guard YAMLSource.isLineBreak(scalars[index]), !isReturnOfPair else {
      return FilePosition(line: position.line, column: position.column + 1)
    }
    return FilePosition(line: position.line + 1, column: 1)
  }

  /// YAML 1.1 §4.2 counts lines by these.
  private static func isLineBreak(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "\n" || scalar == "\r" || scalar == "\u{85}" || scalar == "\u{2028}" || scalar == "\u{2029}"
  }
}

/// Turns the nodes of Yams into ours.
private struct YAMLConversion {
  let renamed: [FilePosition: (mark: Unicode.Scalar, original: Unicode.Scalar)]
  private var count = 0

  init(renamed: [FilePosition: (mark: Unicode.Scalar, original: Unicode.Scalar)]) { self.renamed = renamed }

  mutating func node(_ node: Node, depth: Int) throws(YAMLFault) -> YAMLNode {
    let position = node.mark.map(FilePosition.init) ?? .start
    count += 1
    guard count <= YAMLDocument.maximumNodes else {
      throw YAMLFault(position: position, text: "the file says more than \(YAMLDocument.maximumNodes) things")
    }
    guard depth <= YAMLDocument.maximumDepth else {
      throw YAMLFault(position: position, text: "this lies deeper than \(YAMLDocument.maximumDepth) levels")
    }
    switch node {
    case .scalar(let scalar):
      return YAMLNode(position: position, content: .scalar(scalar.string, isPlain: scalar.style == .plain))
    case .sequence(let sequence):
      var items: [YAMLNode] = []
      for item in sequence { items.append(try self.node(item, depth: depth + 1)) }
      return YAMLNode(position: position, content: .list(items))
    case .mapping(let mapping):
      return YAMLNode(position: position, content: .mapping(try entries(of: mapping, depth: depth)))
    case .alias:
      throw YAMLFault(position: position, text: "this refers to an anchor that is not there")
    }
  }

  private mutating func entries(of mapping: Node.Mapping, depth: Int) throws(YAMLFault) -> [YAMLEntry] {
    var entries: [YAMLEntry] = []
    var seen: [String: FilePosition] = [:]
    for (key, value) in mapping {
      let position = key.mark.map(FilePosition.init) ?? .start
      guard case .scalar(let scalar) = key else {
        throw YAMLFault(position: position, text: "a key is a word, not a list or a section")
      }
      let name = self.name(scalar.string, at: position)
      entries.append(
        YAMLEntry(name: name, position: position, value: try node(value, depth: depth + 1), earlier: seen[name]))
      if seen[name] == nil { seen[name] = position }
    }
    return entries
  }

  /// The key as it stands in the file.
  private func name(_ name: String, at position: FilePosition) -> String {
    guard let (mark, original) = renamed[position] else { return name }
    return String(String.UnicodeScalarView(name.unicodeScalars.map { $0 == mark ? original : $0 }))
  }
}

extension FilePosition {
  fileprivate init(_ mark: Mark) { self.init(line: mark.line, column: mark.column) }
}

extension YAMLFault {
  fileprivate init(_ error: YamlError, in source: YAMLSource) {
    switch error {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      // A key without its colon is missed only behind it, perhaps at the end of the file.
      let isLate = problem.contains("could not find expected ':'")
      let position = FilePosition(isLate ? context?.mark ?? mark : mark)
      let remedy = source.scalar(at: position) == "\t" ? "indent with spaces" : YAMLFault.remedy(for: problem)
      self.init(position: position, text: "this is no YAML: \(problem)", remedy: remedy)
    case .reader(let problem, let offset, _, _):
      self.init(
        position: offset.map(source.position(ofCharacter:)) ?? .start, text: "this is no YAML: \(problem)",
        remedy: "take the character out")
    case .duplicatedKeysInMapping(_, let context):
      self.init(position: FilePosition(context.mark), text: "a key stands twice", remedy: "leave one of them")
    case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
      self.init(position: .start, text: "this is no YAML: \(error)")
    }
  }

  private static func remedy(for problem: String) -> String {
    let known: [(words: String, remedy: String)] = [
      (
        "mapping values are not allowed",
        "put a colon behind every key, indent the keys of one section alike, and quote a value with `: ` in it"
      ),
      ("could not find expected ':'", "write a key as `key: value`, with a space behind the colon"),
      ("did not find expected key", "indent the keys of one section alike"),
      ("did not find expected '-' indicator", "begin every item of the list with `- `, indented alike"),
      ("did not find expected node content", "quote a value that begins with a mark, as \":465\""),
      ("violate indentation", "indent with spaces"),
      ("cannot start any token", "quote a value that begins with this character"),
      ("did not find expected ',' or ']'", "close the list with `]`"),
      ("did not find expected ',' or '}'", "close the section with `}`"),
      ("unexpected end of stream", "close the quotes"),
      ("another document", "take out the line `---`: one file holds one configuration"),
      ("undefined alias", "quote a value that begins with `*`"),
    ]
    return known.first { problem.contains($0.words) }?.remedy ?? "look at this line and the one above"
  }
}
