public import MailSyntax
import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The machine's clocks.
public struct SystemClock: MailClock {
  public init() {}

  public var now: UTCInstant {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UTCInstant(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
  }

  public var uptime: Uptime { Uptime(nanoseconds: Int64(clamping: NIODeadline.now().uptimeNanoseconds)) }

  public func sleep(until deadline: Uptime) async {
    let wait = deadline - uptime
    guard wait > .zero else { return }
    try? await Task.sleep(for: wait)
  }
}
