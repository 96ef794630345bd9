import Foundation
import Glibc
import QueueStorage
import Testing

@Suite("The lock of a data folder")
struct FolderLockTests {
  @Test("is given back though a process that is just being started has a copy of its descriptor")
  func copiedDescriptor() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-lock-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let copy: Int32
    do {
      let lock = try FolderLock(folder: folder)
      // What fork does, as far as the lock is concerned.
      let descriptor = try descriptor(of: folder + "/lock")
      copy = dup(try #require(descriptor))
      #expect(throws: StoreOpenError.locked(folder: folder, pid: getpid())) { try FolderLock(folder: folder) }
      withExtendedLifetime(lock) {}
    }
    defer { _ = Glibc.close(copy) }
    #expect(copy >= 0)
    #expect(throws: Never.self) { try FolderLock(folder: folder) }
  }

  private func descriptor(of path: String) throws -> Int32? {
    let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { Int32($0) }
    return open.first {
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == path
    }
  }
}
