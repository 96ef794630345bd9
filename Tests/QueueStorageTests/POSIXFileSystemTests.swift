import Foundation
import Testing

@testable import QueueStorage

@Suite("the file system of the machine")
struct POSIXFileSystemTests {
  @Test(
    "makes a call that answers with its error again when a signal came in between, and no other",
    arguments: [0, ENOSPC])
  func interrupted(_ last: Int32) {
    var answers = [EINTR, EINTR, last, EIO]
    #expect(POSIXFileSystem.repeatingInterrupted { answers.removeFirst() } == last)
    #expect(answers == [EIO])
  }

  @Test("sets aside a file's blocks at its full length")
  func allocation() throws {
    let folder = try TestFolder()
    let files = POSIXFileSystem()
    let file = try files.open(folder.path + "/a", .create)
    defer { files.close(file) }
    try files.allocate(65_536, for: file)
    #expect(try files.size(file) == 65_536)
    var facts = stat()
    #expect(fstat(file, &facts) == 0 && facts.st_blocks * 512 >= 65_536)
  }
}
