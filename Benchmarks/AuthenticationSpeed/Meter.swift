import Foundation

/// Takes the processor time of works that are to be compared: one after the other in short turns, so that what the
/// machine does beside hits all of them.
struct Meter {
  /// One of the works, done as often as it says.
  typealias Work = (_ times: Int) async throws -> Void

  /// The median over the turns of what one of each took.
  private(set) var nanoseconds: [String: Double] = [:]
  private let turns: Int
  /// Of one turn; the clock's own steps are shorter by far.
  private static let turnNanoseconds = 20e6

  init(turns: Int) { self.turns = turns }

  /// - Parameter parts: of how many equal parts each work consists; what is kept is the time of one.
  mutating func compare(_ works: [(name: String, work: Work)], of parts: Int = 1) async throws {
    var times: [Int] = []
    for (_, work) in works { times.append(try await Meter.timesInOneTurn(work)) }
    var taken = Array(repeating: [Double](), count: works.count)
    for _ in 0..<turns {
      for (index, (_, work)) in works.enumerated() {
        let span = try await Meter.time { try await work(times[index]) }
        taken[index].append(span / Double(times[index]))
      }
    }
    for (index, (name, _)) in works.enumerated() {
      nanoseconds[name] = taken[index].sorted()[turns / 2] / Double(parts)
    }
  }

  /// Warms up by it, too.
  private static func timesInOneTurn(_ work: Work) async throws -> Int {
    var times = 1
    while true {
      let span = try await time { try await work(times) }
      if span >= turnNanoseconds / 4 { return max(1, Int(Double(times) * turnNanoseconds / span)) }
      times *= 2
    }
  }

  private static func time(_ work: () async throws -> Void) async throws -> Double {
    let start = processorTime()
    try await work()
    return processorTime() - start
  }

  /// Of all threads of the process, of which one works.
  private static func processorTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }
}
