import Accounts
import Foundation
import MailSyntax

/// The users file on disk. A missing file is an empty one: a server may have no submission.
enum UserFiles {
  static func load(_ path: String) throws -> UserDirectory {
    var facts = stat()
    // Only where none is: one that can't be reached is no empty one.
    guard lstat(path, &facts) == 0 || errno != ENOENT else { return .empty }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw FileTrouble("\(path): can't be read; check its owner and permissions")
    }
    do throws(UserFileError) {
      return try UserFile.decode(Array(data))
    } catch {
      throw FileTrouble("\(path): \(error)")
    }
  }

  static func save(_ directory: UserDirectory, to path: String) throws {
    try SecretFiles.replace(path, with: UserFile.encode(directory))
  }
}

/// Files that only their owner may read, written so that a crash leaves the old or the new content.
enum SecretFiles {
  /// The file's content, made of random octets when it isn't there.
  static func ensure(_ path: String, octets: Int) throws -> Secret {
    if let data = FileManager.default.contents(atPath: path), data.count >= octets { return Secret(data) }
    let secret = Secret.random(octets: octets)
    try secret.withExposedBytes { try replace(path, with: $0) }
    return secret
  }

  static func replace(_ path: String, with octets: [UInt8]) throws {
    let folder = (path as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let temporary = "\(path).\(getpid()).new"
    // Left by a process of the same number that was killed here.
    unlink(temporary)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileTrouble("\(temporary): \(String(cString: strerror(errno)))") }
    let isWritten = octets.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == octets.count
    let isSynced = isWritten && fsync(descriptor) == 0
    let reason = String(cString: strerror(errno))
    close(descriptor)
    guard isSynced, rename(temporary, path) == 0 else {
      unlink(temporary)
      throw FileTrouble("\(path): \(reason)")
    }
    let parent = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if parent >= 0 {
      fsync(parent)
      close(parent)
    }
  }
}

/// What went wrong with a file, in words that name it.
struct FileTrouble: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
