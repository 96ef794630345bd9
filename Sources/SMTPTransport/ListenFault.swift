import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Why a listener can't listen, and what to do about it.
public enum ListenFault: Error, Hashable, Sendable, CustomStringConvertible {
  case addressInUse(String)
  case permissionDenied(String)
  case noSuchAddress(String)
  case notListening(String)
  case noIdentity
  case failed(String, reason: String)

  public var description: String {
    switch self {
    case .addressInUse(let place): "\(place): another process listens there; stop it or choose another port"
    case .permissionDenied(let place):
      "\(place): permission denied; ports under 1024 need an inherited socket (LISTEN_FDS) or CAP_NET_BIND_SERVICE"
    case .noSuchAddress(let place): "\(place): this machine has no such address"
    case .notListening(let place): "\(place): this is no listening stream socket; the starter must bind it"
    case .noIdentity: "a port with TLS from the first byte needs a certificate and its key"
    case .failed(let place, let reason): "\(place): \(reason)"
    }
  }

  init(_ error: any Error, at place: String) {
    guard let error = error as? IOError else {
      self = .failed(place, reason: "\(error)")
      return
    }
    switch error.errnoCode {
    case EADDRINUSE: self = .addressInUse(place)
    case EACCES, EPERM: self = .permissionDenied(place)
    case EADDRNOTAVAIL, EAFNOSUPPORT: self = .noSuchAddress(place)
    case let number: self = .failed(place, reason: systemWords(for: number))
    }
  }
}

extension InheritedSockets {
  /// Whether `descriptor` is a stream socket that listens. It is also kept from processes that this one starts.
  static func isListening(_ descriptor: Int32) -> Bool {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0, value != 0 else { return false }
    return fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
  }
}
