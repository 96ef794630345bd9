/// A configuration that was read from a file, with the places its values came from.
public struct ConfigurationFile: Sendable {
  /// A hundred thousand mailboxes are about two megabytes.
  public static let maximumOctets = 16 << 20

  public let configuration: Configuration
  /// As it is named in findings.
  public let fileName: String
  /// What is probably not meant so.
  public let warnings: [ConfigurationFinding]
  /// Where the keys stand, by their places.
  let places: [String: [FilePosition]]

  /// Reads and checks a file. Throws every fault in it at once.
  public static func load(path: String) throws(ConfigurationFaults) -> ConfigurationFile {
    try load(path: path, files: SystemFiles())
  }

  /// As `load(path:)`, with the files of `files`.
  public static func load(
    path: String, files: some SurroundingFiles
  ) throws(ConfigurationFaults) -> ConfigurationFile {
    let octets: [UInt8]
    do {
      octets = try files.read(path, maximumOctets: maximumOctets)
    } catch {
      throw ConfigurationFaults([
        ConfigurationFinding(
          .error, file: path, position: nil, text: error.reason,
          remedy: "give the path of a file that can be read; Examples/martlet.yaml is a beginning")
      ])
    }
    guard let text = String(validating: octets, as: UTF8.self) else {
      let position = FilePosition(ofFirstFaultIn: octets)
      throw ConfigurationFaults([
        ConfigurationFinding(
          .error, file: path, position: position, text: "the file is not UTF-8", remedy: "save it as UTF-8")
      ])
    }
    let absolute = path.utf8.first == UInt8(ascii: "/") ? path : "\(files.workingFolder)/\(path)"
    let slash = absolute.lastIndex(of: "/") ?? absolute.startIndex
    return try parse(text: text, fileName: path, folder: String(absolute[..<slash]))
  }

  /// Where the data folder and the users file are, of a file that is faulty elsewhere. Nil where the file can't be read
  /// that far, or what it says of either is no path.
  public static func places(inFaulty path: String) -> (dataFolder: String, usersFile: String)? {
    let files = SystemFiles()
    guard let octets = try? files.read(path, maximumOctets: maximumOctets),
      let text = String(validating: octets, as: UTF8.self), let root = try? YAMLDocument.parse(text)
    else { return nil }
    let absolute = path.utf8.first == UInt8(ascii: "/") ? path : "\(files.workingFolder)/\(path)"
    var reader = ConfigurationReader(
      file: path, folder: String(absolute[..<(absolute.lastIndex(of: "/") ?? absolute.startIndex)]))
    guard let root = reader.freeSection(root, path: "", place: "", at: .start), reader.errorCount == 0,
      let data = reader.readPath(Keys.data, in: root)
    else { return nil }
    let users = reader.readPath(Keys.users, in: root)
    return reader.errorCount == 0 ? (data, users ?? "\(data)/users.json") : nil
  }

  /// Reads the text of a file, without effects.
  /// - Parameters:
  ///   - fileName: what findings call it.
  ///   - folder: the absolute path of the folder that relative paths begin at.
  public static func parse(
    text: String, fileName: String, folder: String
  ) throws(ConfigurationFaults) -> ConfigurationFile {
    var reader = ConfigurationReader(file: fileName, folder: folder)
    let root: YAMLNode?
    do {
      root = try YAMLDocument.parse(text)
    } catch {
      reader.fault(error.text, at: error.position, error.remedy)
      throw ConfigurationFaults(reader.findings)
    }
    let nothing = YAMLNode(position: .start, content: .scalar("", isPlain: true))
    let configuration = reader.configuration(root ?? nothing)
    reader.checkRouting()
    guard reader.errorCount == 0, let configuration else { throw ConfigurationFaults(reader.findings) }
    return ConfigurationFile(
      configuration: configuration, fileName: fileName, warnings: reader.findings.inOrderOfFile, places: reader.places)
  }

  /// Where a key stands, by its place: `tls.certificates[0].chain`; nil where it is left out.
  public func position(of place: String) -> FilePosition? { places[place]?.last }
}

extension FilePosition {
  /// The first octet that isn't UTF-8.
  init(ofFirstFaultIn octets: [UInt8]) {
    var decoder = UTF8()
    var iterator = octets.makeIterator()
    var (line, column) = (1, 1)
    while case .scalarValue(let scalar) = decoder.decode(&iterator) {
      (line, column) = scalar == "\n" ? (line + 1, 1) : (line, column + 1)
    }
    self.init(line: line, column: column)
  }
}
