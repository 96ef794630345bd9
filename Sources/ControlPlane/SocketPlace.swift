internal import NIOCore
internal import NIOPosix

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A socket's path, and the form of it that fits into a socket address.
final class SocketPlace: Sendable {
  /// unix(7): `sun_path` has 108 octets with the zero at its end.
  static let maximumOctets = 107

  let path: String
  /// The path, or a short way to its folder where it is too long.
  let address: String
  private let folder: CInt

  init(_ path: String) throws(ControlFault) {
    self.path = path
    guard path.utf8.count > SocketPlace.maximumOctets, let slash = path.lastIndex(of: "/") else {
      (address, folder) = (path, -1)
      return
    }
    folder = open(String(path[..<slash]), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw SocketPlace.fault(errno, path) }
    address = "/proc/self/fd/\(folder)\(path[slash...])"
  }

  deinit { if folder >= 0 { close(folder) } }

  /// Makes way for a server: a socket that nobody serves any more is removed, a served one is a fault.
  func clear(on group: any EventLoopGroup) async throws(ControlFault) {
    var facts = stat()
    guard lstat(address, &facts) == 0 else {
      guard errno == ENOENT else { throw SocketPlace.fault(errno, path) }
      return
    }
    guard facts.st_mode & S_IFMT == S_IFSOCK else {
      throw ControlFault(.failed, "\(path): something that is no socket stands here; move it away")
    }
    do {
      let channel = try await ClientBootstrap(group: group).connect(unixDomainSocketPath: address).get()
      try? await channel.close()
    } catch let error as IOError where error.errnoCode == ECONNREFUSED {
      guard unlink(address) == 0 || errno == ENOENT else { throw SocketPlace.fault(errno, path) }
      return
    } catch {
      throw SocketPlace.fault(error, path)
    }
    throw ControlFault(
      .alreadyServed, "\(path): another server answers here; stop it first, or use another data folder")
  }

  static func fault(_ error: any Error, _ path: String) -> ControlFault {
    guard let error = error as? IOError else { return ControlFault(.failed, "\(path): \(error)") }
    return fault(error.errnoCode, path)
  }

  static func fault(_ code: CInt, _ path: String) -> ControlFault {
    switch code {
    case ENOENT, ECONNREFUSED, ENOTDIR:
      ControlFault(.nobodyListens, "\(path): no server listens here; start one, or name its data folder")
    case EACCES, EPERM:
      ControlFault(.notPermitted, "\(path): this socket is for the server's own user and root; use sudo")
    case _: ControlFault(.failed, "\(path): \(String(cString: strerror(code)))")
    }
  }
}
