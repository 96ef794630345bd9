/// The steps towards durability, one call of the operating system each, so that a test can watch their order and make
/// every one of them fail. All calls block.
public protocol FileSystem: Sendable {
  func open(_ path: String, _ mode: OpenMode) throws(SystemFault) -> Int32
  func close(_ file: Int32)
  /// Writes all of `bytes` at `offset`.
  func write(_ bytes: UnsafeRawBufferPointer, to file: Int32, at offset: Int) throws(SystemFault)
  /// Reads at most `bytes.count`; 0 at the end of the file.
  func read(into bytes: UnsafeMutableRawBufferPointer, from file: Int32, at offset: Int) throws(SystemFault) -> Int
  /// Makes a file's content durable: fdatasync.
  func syncData(_ file: Int32) throws(SystemFault)
  /// Makes the names in a folder durable: fsync of the folder.
  func syncFolder(_ path: String) throws(SystemFault)
  func rename(_ path: String, to newPath: String) throws(SystemFault)
  func remove(_ path: String) throws(SystemFault)
  func createFolder(_ path: String) throws(SystemFault)
  func list(_ folder: String) throws(SystemFault) -> [String]
  func size(_ file: Int32) throws(SystemFault) -> Int
  /// Bytes that may still be written to the file system `path` is on.
  func freeSpace(_ path: String) throws(SystemFault) -> Int
  /// Reserves the blocks of a file's first `bytes` bytes, which then reads as zeros of that length.
  func allocate(_ bytes: Int, for file: Int32) throws(SystemFault)
  /// Runs the commit of a transaction: the last step before an answer.
  func commit(_ transaction: () throws -> Void) throws
}

public enum OpenMode: Hashable, Sendable {
  case read
  /// Read and write, made when absent.
  case write
  /// Made anew: an existing file is an error.
  case create
}

/// A call of the operating system that failed: which, on what, and how.
public struct SystemFault: Error, Hashable, Sendable, CustomStringConvertible {
  public let call: String
  public let path: String
  public let errno: Int32

  public init(call: String, path: String, errno: Int32) {
    self.call = call
    self.path = path
    self.errno = errno
  }

  /// A sync of a file or a folder: what was written may be lost, and the store stops for good (Law 1).
  var isSync: Bool { call == "fdatasync" || call == "fsync" }
}
