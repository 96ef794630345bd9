import MailSyntax
import Testing

@testable import SMTPTransport

@Suite("The race of a host's addresses")
struct DialRaceTests {
  enum Event: Hashable, Sendable {
    case start, failed
    case late(Int)
    case connected
    case end
  }

  private func run(_ count: Int, _ events: [Event]) -> [String] {
    var race = DialRace(count: count)
    return events.map { event in
      switch event {
      case .start: "\(race.start())"
      case .failed: "\(race.failed())"
      case .late(let index): "\(race.grewLate(index))"
      case .connected: race.connected() ? "won" : "lost to another"
      case .end:
        {
          race.end()
          return "over"
        }()
      }
    }
  }

  @Test(
    "the next address is begun when one fails or the newest is late, and the first that connects wins",
    arguments: [
      (0, [.start], ["lost"]),
      (1, [.start, .connected], ["begin(0)", "won"]),
      (1, [.start, .failed], ["begin(0)", "lost"]),
      (1, [.start, .late(0), .failed], ["begin(0)", "wait", "lost"]),
      (2, [.start, .failed, .failed], ["begin(0)", "begin(1)", "lost"]),
      (2, [.start, .late(0), .failed, .failed], ["begin(0)", "begin(1)", "wait", "lost"]),
      // The first is late twice over: the second has its own time.
      (3, [.start, .late(0), .late(0), .late(1)], ["begin(0)", "begin(1)", "wait", "begin(2)"]),
      // A failure begins the next at once, and the time of the one before counts no more.
      (3, [.start, .failed, .late(0), .late(1)], ["begin(0)", "begin(1)", "wait", "begin(2)"]),
      (2, [.start, .late(0), .connected, .connected], ["begin(0)", "begin(1)", "won", "lost to another"]),
      // Behind the end nothing is begun, nothing wins, and nothing is lost.
      (3, [.start, .connected, .late(0), .failed], ["begin(0)", "won", "wait", "wait"]),
      (2, [.start, .end, .failed, .connected], ["begin(0)", "over", "wait", "lost to another"]),
    ] as [(Int, [Event], [String])])
  func moves(count: Int, events: [Event], moves: [String]) {
    #expect(run(count, events) == moves)
  }

  @Test("the families take turns, each in its own order")
  func families() {
    let (a, b, c) = (IPAddress.v4(1), IPAddress.v4(2), IPAddress.v4(3))
    let (x, y) = (IPAddress.v6(high: 1, low: 1), IPAddress.v6(high: 1, low: 2))
    func turns(_ addresses: [IPAddress]) -> [IPAddress] {
      DialRace.inTurn(addresses.map { SocketEndpoint(address: $0, port: 25) }).map(\.address)
    }
    #expect(turns([x, y, a, b, c]) == [x, a, y, b, c])
    #expect(turns([a, b, x]) == [a, x, b])
    #expect(turns([]) == [])
  }
}
