import Glibc

/// The one right to a data folder: `flock` on its file `lock`, in which the holder's process id stands.
///
/// The kernel gives the lock back when the process ends, however it ends; the file stays.
public final class FolderLock: Sendable {
  private let file: Int32

  public init(folder: String) throws(StoreOpenError) {
    let path = folder + "/lock"
    let file = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw .system(SystemFault(call: "open", path: path, errno: errno)) }
    guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      let holder = FolderLock.holder(file)
      _ = Glibc.close(file)
      guard code == EWOULDBLOCK else { throw .system(SystemFault(call: "flock", path: path, errno: code)) }
      throw .locked(folder: folder, pid: holder)
    }
    // The number only helps a person; on a full disk the lock must still be had without it.
    let text = Array("\(getpid())\n".utf8)
    _ = ftruncate(file, 0) == 0 && text.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) } > 0
    self.file = file
  }

  /// A process that we are just starting has a copy of the descriptor until it runs its own program, so closing ours
  /// would not give the lock back yet.
  deinit {
    _ = flock(file, LOCK_UN)
    _ = Glibc.close(file)
  }

  private static func holder(_ file: Int32) -> Int32? {
    withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { buffer in
      let count = pread(file, buffer.baseAddress, buffer.count, 0)
      guard count > 0 else { return nil }
      return Int32(String(decoding: buffer[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
  }
}
