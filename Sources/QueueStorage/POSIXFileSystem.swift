import Glibc

/// The file system of the machine.
public struct POSIXFileSystem: FileSystem {
  public init() {}

  public func open(_ path: String, _ mode: OpenMode) throws(SystemFault) -> Int32 {
    let flags =
      switch mode {
      case .read: O_RDONLY | O_CLOEXEC
      case .write: O_RDWR | O_CREAT | O_CLOEXEC
      case .create: O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC
      }
    return try retrying("open", path) { Glibc.open(path, flags, 0o600) }
  }

  public func close(_ file: Int32) { _ = Glibc.close(file) }

  public func write(_ bytes: UnsafeRawBufferPointer, to file: Int32, at offset: Int) throws(SystemFault) {
    var written = 0
    while written < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
      let count = try retrying("pwrite", "") { pwrite(file, rest.baseAddress, rest.count, offset + written) }
      // POSIX lets a write take nothing without an error; treating it as a full disk ends the loop.
      guard count > 0 else { throw SystemFault(call: "pwrite", path: "", errno: ENOSPC) }
      written += count
    }
  }

  public func read(
    into bytes: UnsafeMutableRawBufferPointer, from file: Int32, at offset: Int
  ) throws(SystemFault) -> Int {
    try retrying("pread", "") { pread(file, bytes.baseAddress, bytes.count, offset) }
  }

  /// Never retried, not even on EINTR: after a failed sync the kernel may have marked the pages clean (Law 1).
  public func syncData(_ file: Int32) throws(SystemFault) {
    guard fdatasync(file) == 0 else { throw SystemFault(call: "fdatasync", path: "", errno: Glibc.errno) }
  }

  public func syncFolder(_ path: String) throws(SystemFault) {
    let folder = try retrying("open", path) { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    defer { close(folder) }
    guard fsync(folder) == 0 else { throw SystemFault(call: "fsync", path: path, errno: Glibc.errno) }
  }

  public func rename(_ path: String, to newPath: String) throws(SystemFault) {
    _ = try retrying("rename", path) { Glibc.rename(path, newPath) }
  }

  public func remove(_ path: String) throws(SystemFault) {
    _ = try retrying("unlink", path) { unlink(path) }
  }

  public func createFolder(_ path: String) throws(SystemFault) {
    guard mkdir(path, 0o700) != 0, Glibc.errno != EEXIST else { return }
    throw SystemFault(call: "mkdir", path: path, errno: Glibc.errno)
  }

  public func list(_ folder: String) throws(SystemFault) -> [String] {
    guard let stream = opendir(folder) else {
      throw SystemFault(call: "opendir", path: folder, errno: Glibc.errno)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  public func size(_ file: Int32) throws(SystemFault) -> Int {
    var facts = stat()
    guard fstat(file, &facts) == 0 else { throw SystemFault(call: "fstat", path: "", errno: Glibc.errno) }
    return Int(facts.st_size)
  }

  public func freeSpace(_ path: String) throws(SystemFault) -> Int {
    var facts = statvfs()
    guard statvfs(path, &facts) == 0 else { throw SystemFault(call: "statvfs", path: path, errno: Glibc.errno) }
    return Int(clamping: facts.f_bavail.multipliedReportingOverflow(by: UInt(facts.f_frsize)).partialValue)
  }

  public func allocate(_ bytes: Int, for file: Int32) throws(SystemFault) {
    // Answers with the error itself and leaves errno alone.
    let code = POSIXFileSystem.repeatingInterrupted { posix_fallocate(file, 0, bytes) }
    guard code == 0 else { throw SystemFault(call: "posix_fallocate", path: "", errno: code) }
  }

  /// For calls that answer with their error: a signal's handler ran in between, and the call is to be made again.
  static func repeatingInterrupted(_ body: () -> Int32) -> Int32 {
    while true {
      let code = body()
      if code != EINTR { return code }
    }
  }

  public func commit(_ transaction: () throws -> Void) throws { try transaction() }

  private func retrying<Number: BinaryInteger>(
    _ call: String, _ path: String, _ body: () -> Number
  ) throws(SystemFault) -> Number {
    while true {
      let result = body()
      if result >= 0 { return result }
      let code = Glibc.errno
      guard code == EINTR else { throw SystemFault(call: call, path: path, errno: code) }
    }
  }
}

extension SystemFault {
  /// `fdatasync of segments/000001.segment failed: Input/output error`.
  public var description: String {
    let reason = String(cString: strerror(errno))
    return path.isEmpty ? "\(call) failed: \(reason)" : "\(call) of \(path) failed: \(reason)"
  }

  /// Out of blocks or over quota: a full disk, which is not a broken one.
  package var isSpace: Bool { errno == ENOSPC || errno == EDQUOT }

  var isAbsence: Bool { errno == ENOENT }

  /// No descriptor or memory to open a file with: nothing was done to it, and later it may be opened.
  package var isPassing: Bool {
    (call == "open" || call == "opendir") && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
  }

  func on(_ path: String) -> SystemFault { SystemFault(call: call, path: path, errno: errno) }
}
