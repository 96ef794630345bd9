package import MailSyntax

/// A count over the last `bucket` × `buckets`, kept in one bucket more: never too low in any window of that length,
/// and too high by at most what fell into one bucket.
package struct SlidingWindow: Hashable, Sendable {
  private let bucketNanoseconds: Int64
  /// Oldest first.
  private var counts: [Int]
  /// The number of the newest bucket since the clock's zero.
  private var newest: Int64 = .min
  private var total = 0

  package init(bucket: Duration, buckets: Int) {
    invariant(bucket > .zero && buckets > 0, "a window has a length")
    bucketNanoseconds = bucket.nanoseconds
    counts = Array(repeating: 0, count: buckets + 1)
  }

  package mutating func advance(to now: Uptime) {
    let current = max(now.nanoseconds, 0) / bucketNanoseconds
    guard current > newest else { return }
    let steps = newest < 0 ? counts.count : Int(min(current - newest, Int64(counts.count)))
    counts.removeFirst(steps)
    counts += Array(repeating: 0, count: steps)
    newest = current
    total = counts.reduce(0, saturatingSum)
  }

  /// `advance` first.
  package mutating func add(_ count: Int) {
    invariant(count >= 0, "a quota isn't charged a negative count")
    counts[counts.count - 1] = saturatingSum(counts[counts.count - 1], count)
    total = saturatingSum(total, count)
  }

  /// `nil` where `count` more stays within `limit`, else how long until it would. `advance` first.
  package func wait(toAdd count: Int, within limit: Int, at now: Uptime) -> Duration? {
    var left = saturatingSum(total, count)
    guard left > limit else { return nil }
    let full = Duration.nanoseconds(bucketNanoseconds) * counts.count
    for (place, gone) in counts.enumerated() {
      left -= gone
      guard left > limit else {
        // Bucket `place` leaves when the newest one stands `place + 1` further on.
        let leaves = (newest + Int64(place) + 1) * bucketNanoseconds
        return min(full, Uptime(nanoseconds: leaves) - now)
      }
    }
    return full
  }
}

private func saturatingSum(_ left: Int, _ right: Int) -> Int {
  let (sum, overflow) = left.addingReportingOverflow(right)
  return overflow ? .max : sum
}
