import MailSyntax
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Names for files in Maildirs that no other delivery on any machine makes: seconds, then microseconds, process and a
/// counter of the process, then the host. Source: the Maildir specification (cr.yp.to/proto/maildir.html).
enum MaildirName {
  private static let deliveries = Atomic<UInt64>(0)

  static func next(at moment: UTCInstant, host: String) -> String {
    let count = deliveries.add(1, ordering: .relaxed).newValue
    let microseconds = (moment.nanoseconds / 1000) % 1_000_000
    return "\(moment.seconds).M\(abs(microseconds))P\(getpid())Q\(count).\(encode(host))"
  }

  /// A slash would end the name, a colon begins the flags.
  private static func encode(_ host: String) -> String {
    host.replacing("/", with: "\\057").replacing(":", with: "\\072")
  }
}
