import MailSyntax

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Files of keys and certificates: read whole, replaced whole.
enum PrivateFile {
  static let maximumOctets = 65_536

  /// The text, or nil where there is none to be read.
  static func read(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { _ = close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: maximumOctets)
    var count = 0
    while count < bytes.count {
      let more = bytes.withUnsafeMutableBytes {
        readOnce(descriptor, UnsafeMutableRawBufferPointer(rebasing: $0[count...]))
      }
      guard more >= 0 || errno == EINTR else { return nil }
      guard more != 0 else { break }
      count += max(0, more)
    }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  static func write(_ secret: Secret, to path: String) throws(AuthorityFault) {
    try secret.withExposedBytes { (bytes) throws(AuthorityFault) in try write(bytes, to: path, mode: 0o600) }
  }

  static func write(_ text: String, to path: String, readableByAll: Bool) throws(AuthorityFault) {
    try write(Array(text.utf8), to: path, mode: readableByAll ? 0o644 : 0o600)
  }

  /// A folder for its owner alone, unless one is there.
  static func makeFolder(_ path: String) throws(AuthorityFault) {
    guard mkdir(path, 0o700) != 0, errno != EEXIST else { return }
    throw fault(path)
  }

  /// Beside the old file, to the disk, over the old file, and the folder to the disk: at each moment one of the two is
  /// there whole.
  private static func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws(AuthorityFault) {
    let draft = path + ".new"
    _ = unlink(draft)
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw fault(draft) }
    let isWritten = writeAll(bytes, to: descriptor) && fsync(descriptor) == 0
    let reason = isWritten ? nil : fault(draft)
    _ = close(descriptor)
    if let reason { throw reason }
    guard rename(draft, path) == 0 else { throw fault(path) }
    let folder = open(folderName(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw fault(path) }
    defer { _ = close(folder) }
    guard fsync(folder) == 0 else { throw fault(path) }
  }

  private static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { writeOnce(descriptor, $0) }
      guard count >= 0 || errno == EINTR else { return false }
      rest = rest.dropFirst(max(0, count))
    }
    return true
  }

  private static func folderName(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func fault(_ path: String) -> AuthorityFault {
    let number = errno
    let words = strerror(number).map { String(cString: $0) } ?? "error \(number)"
    return .fileFailed(path: path, reason: words)
  }
}

private func readOnce(_ descriptor: Int32, _ target: UnsafeMutableRawBufferPointer) -> Int {
  read(descriptor, target.baseAddress, target.count)
}

private func writeOnce(_ descriptor: Int32, _ source: UnsafeRawBufferPointer) -> Int {
  write(descriptor, source.baseAddress, source.count)
}
