#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A system call on a file that failed, with the file's name: what an operator needs to mend it.
struct FileFault: Error, Hashable, CustomStringConvertible {
  let action: String
  let path: String
  let number: Int32

  /// Reads `errno`; made right behind the call.
  init(_ action: String, _ path: String) {
    number = errno
    self.action = action
    self.path = path
  }

  var description: String {
    let reason =
      switch number {
      case ENOSPC, EDQUOT: "the disk is full"
      case ENOENT: "it does not exist"
      case EACCES, EPERM: "permission is denied"
      case EROFS: "the file system is read-only"
      case ENAMETOOLONG: "the name is too long"
      case _: String(cString: strerror(number))
      }
    return "can't \(action) \(path): \(reason)"
  }
}

/// The calls a delivery needs, each either done or a fault.
enum Files {
  /// A new file that nobody else had: 0600.
  static func create(_ path: String) throws(FileFault) -> Int32 {
    let descriptor = retrying { open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600) }
    guard descriptor >= 0 else { throw FileFault("create", path) }
    return descriptor
  }

  static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws(FileFault) {
    var rest = bytes
    while !rest.isEmpty {
      let written = retrying { systemWrite(descriptor, rest.baseAddress, rest.count) }
      guard written > 0 else { throw FileFault("write", path) }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
  }

  static func synchronise(_ descriptor: Int32, _ path: String) throws(FileFault) {
    guard retrying({ fsync(descriptor) }) == 0 else { throw FileFault("sync", path) }
  }

  static func synchronise(folder path: String) throws(FileFault) {
    let descriptor = retrying { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw FileFault("open the folder", path) }
    defer { close(descriptor) }
    try synchronise(descriptor, path)
  }

  static func move(_ from: String, to: String) throws(FileFault) {
    guard rename(from, to) == 0 else { throw FileFault("move \(from) to", to) }
  }

  static func shut(_ descriptor: Int32) { close(descriptor) }
  static func remove(_ path: String) { unlink(path) }

  static func isFolder(_ path: String) -> Bool {
    var facts = stat()
    return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
  }

  /// True where it is new. 0700.
  static func makeFolder(_ path: String) throws(FileFault) -> Bool {
    if mkdir(path, 0o700) == 0 { return true }
    guard errno == EEXIST else { throw FileFault("make the folder", path) }
    return false
  }

  private static func retrying<Value: SignedInteger>(_ call: () -> Value) -> Value {
    var result = call()
    while result < 0, errno == EINTR { result = call() }
    return result
  }
}

/// `write` inside `Files` would be the function itself.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  write(descriptor, bytes, count)
}
