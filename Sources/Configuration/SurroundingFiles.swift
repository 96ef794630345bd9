public import MailSyntax

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The files around a configuration, as far as its reader and its check look at them. Nothing is changed.
public protocol SurroundingFiles: Sendable {
  /// The whole content.
  func read(_ path: String, maximumOctets: Int) throws(FileTrouble) -> [UInt8]
  func state(of path: String) throws(FileTrouble) -> FileState
  /// The absolute path that relative ones begin at.
  var workingFolder: String { get }
}

/// What the file system says of a path.
public struct FileState: Hashable, Sendable {
  public enum Kind: Hashable, Sendable { case file, folder, socket, other }
  public let kind: Kind
  /// The nine permission bits, as `0o640`.
  public let permissions: UInt32
  /// For this process.
  public let isWritable: Bool
  /// For this process; of a folder: whether it may be entered.
  public let isExecutable: Bool

  public init(_ kind: Kind, permissions: UInt32, isWritable: Bool = true, isExecutable: Bool = false) {
    self.kind = kind
    self.permissions = permissions
    self.isWritable = isWritable
    self.isExecutable = isExecutable
  }
}

/// Why a file can't be looked at.
public struct FileTrouble: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Cause: Hashable, Sendable {
    case missing, denied, tooLarge
    /// The system's words.
    case other(String)
  }
  public let path: String
  public let cause: Cause

  public init(_ path: String, _ cause: Cause) {
    self.path = path
    self.cause = cause
  }

  public var description: String { "\(path): \(reason)" }

  /// Without the path.
  public var reason: String {
    switch cause {
    case .missing: "there is no such file"
    case .denied: "permission denied"
    case .tooLarge: "the file is too large"
    case .other(let words): words
    }
  }
}

/// The machine's own files.
public struct SystemFiles: SurroundingFiles {
  public init() {}

  public func read(_ path: String, maximumOctets: Int) throws(FileTrouble) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileTrouble(path, errorNumber: errno) }
    defer { close(descriptor) }
    var octets: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while octets.count <= maximumOctets {
      let count = chunk.withUnsafeMutableBytes { readChunk(descriptor, $0.baseAddress, $0.count) }
      if count == 0 { return octets }
      if count < 0 {
        guard errno == EINTR else { throw FileTrouble(path, errorNumber: errno) }
        continue
      }
      octets.append(contentsOf: chunk.prefix(count))
    }
    throw FileTrouble(path, .tooLarge)
  }

  public func state(of path: String) throws(FileTrouble) -> FileState {
    var status = stat()
    guard stat(path, &status) == 0 else { throw FileTrouble(path, errorNumber: errno) }
    let kind: FileState.Kind =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .file
      case S_IFDIR: .folder
      case S_IFSOCK: .socket
      case _: .other
      }
    return FileState(
      kind, permissions: UInt32(status.st_mode) & 0o777, isWritable: access(path, W_OK) == 0,
      isExecutable: access(path, X_OK) == 0)
  }

  public var workingFolder: String {
    var buffer = [CChar](repeating: 0, count: 4_096)
    guard getcwd(&buffer, buffer.count) != nil else { return "/" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// The C function, out of the way of the method.
private func readChunk(_ descriptor: Int32, _ target: UnsafeMutableRawPointer?, _ count: Int) -> Int {
  read(descriptor, target, count)
}

extension FileTrouble {
  fileprivate init(_ path: String, errorNumber: Int32) {
    let cause: Cause =
      switch errorNumber {
      case ENOENT, ENOTDIR: .missing
      case EACCES, EPERM: .denied
      case EISDIR: .other("this is a folder")
      case _: .other(strerror(errorNumber).map { String(cString: $0) } ?? "error \(errorNumber)")
      }
    self.init(path, cause)
  }
}

/// A file that holds one secret: its first line. What comes behind it is not looked at.
public enum SecretFile {
  /// Tokens are long; passwords aren't.
  public static let maximumOctets = 64 << 10

  public static func read(
    _ path: String, files: some SurroundingFiles = SystemFiles()
  ) throws(FileTrouble) -> Secret {
    let octets = try files.read(path, maximumOctets: maximumOctets)
    let line = octets.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
    guard !line.isEmpty else { throw FileTrouble(path, .other("the first line, which is the secret, is empty")) }
    return Secret(line)
  }
}
