#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Small files: certificates and keys.
enum OctetFile {
  /// A bundle of all public roots is about 220 KiB.
  static let maximumOctets = 4_194_304

  /// What tells a changed file from the one that was read.
  struct Stamp: Hashable, Sendable {
    let inode: UInt64
    let size: Int64
    let seconds: Int64
    let nanoseconds: Int64
  }

  static func read(_ path: String) throws(FileFault) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileFault(path: path, errorNumber: errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while bytes.count <= maximumOctets {
      let count = chunk.withUnsafeMutableBytes { read_(descriptor, $0.baseAddress, $0.count) }
      if count == 0 { return bytes }
      if count < 0 {
        guard errno == EINTR else { throw FileFault(path: path, errorNumber: errno) }
        continue
      }
      bytes.append(contentsOf: chunk.prefix(count))
    }
    throw FileFault(path: path, errorNumber: EFBIG)
  }

  /// Nil where the file can't be seen: that too is a change.
  static func stamp(_ path: String) -> Stamp? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    #if canImport(Darwin)
      let modified = status.st_mtimespec
    #else
      let modified = status.st_mtim
    #endif
    return Stamp(
      inode: UInt64(status.st_ino), size: Int64(status.st_size), seconds: Int64(modified.tv_sec),
      nanoseconds: Int64(modified.tv_nsec))
  }
}

/// The C function, out of the way of `OctetFile.read`.
private func read_(_ descriptor: Int32, _ target: UnsafeMutableRawPointer?, _ count: Int) -> Int {
  read(descriptor, target, count)
}

/// A file that can't be read, with the system's reason.
public struct FileFault: Error, Hashable, Sendable, CustomStringConvertible {
  public let path: String
  public let errorNumber: Int32

  public var description: String {
    switch errorNumber {
    case ENOENT: "\(path): there is no such file"
    case EACCES, EPERM: "\(path): permission denied; let the user that runs martlet read it"
    case EFBIG: "\(path): larger than \(OctetFile.maximumOctets) bytes, which no certificate or key file is"
    case EISDIR: "\(path): this is a folder"
    case _: "\(path): \(systemWords(for: errorNumber))"
    }
  }
}

/// The system's words for an error number.
func systemWords(for errorNumber: Int32) -> String {
  strerror(errorNumber).map { String(cString: $0) } ?? "error \(errorNumber)"
}
