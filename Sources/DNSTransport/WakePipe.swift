#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Ends a poll(2) from another thread.
final class WakePipe: Sendable {
  let readingEnd: Int32
  private let writingEnd: Int32

  init() throws(ResolverFault) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw ResolverFault("no pipe for the resolver: \(String(cString: strerror(errno)))") }
    readingEnd = ends[0]
    writingEnd = ends[1]
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
  }

  deinit {
    close(readingEnd)
    close(writingEnd)
  }

  /// A full pipe wakes as well.
  func signal() {
    var octet: UInt8 = 0
    _ = write(writingEnd, &octet, 1)
  }

  func drain() {
    var octets = [UInt8](repeating: 0, count: 64)
    while read(readingEnd, &octets, octets.count) > 0 {}
  }
}
