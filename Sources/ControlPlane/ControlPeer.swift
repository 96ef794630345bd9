internal import NIOCore
internal import NIOPosix

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The process at the other end of the control socket, as the kernel knows it and nobody can claim.
public struct ControlPeer: Hashable, Sendable {
  public let userID: UInt32
  public let processID: Int32

  public init(userID: UInt32, processID: Int32) {
    self.userID = userID
    self.processID = processID
  }

  /// The server's own user and root may command it: who can read its files, or anything.
  public func mayCommand(serverOf userID: UInt32) -> Bool { self.userID == userID || self.userID == 0 }

  /// The user's name for the audit, or `uid 1000` where it has none.
  func name() async -> String {
    // The system's user table may be on the network.
    let found = try? await NIOThreadPool.singleton.runIfActive { ControlPeer.userName(userID) }
    return found.flatMap { $0 } ?? "uid \(userID)"
  }

  public static func userName(_ userID: UInt32) -> String? {
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16_384) { buffer in
      guard let place = buffer.baseAddress, getpwuid_r(userID, &entry, place, buffer.count, &found) == 0, found != nil,
        let name = entry.pw_name
      else { return nil }
      return String(cString: name)
    }
  }

  static func of(_ channel: any Channel) async throws(ControlFault) -> ControlPeer {
    do {
      guard let options = channel as? any SocketOptionProvider else { throw ChannelError.operationUnsupported }
      let credentials: KernelCredentials = try await options.unsafeGetSocketOption(
        level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
      ).get()
      return ControlPeer(userID: credentials.userID, processID: credentials.processID)
    } catch {
      throw ControlFault(.notPermitted, "the system doesn't say who asks: \(error)")
    }
  }
}

/// `struct ucred` of unix(7), which the C library keeps from us.
private struct KernelCredentials {
  var processID: Int32 = 0
  var userID: UInt32 = .max
  // Never read: the kernel writes it.
  var groupID: UInt32 = .max
}
