import MailSyntax
import Testing

@testable import Relay

@Suite("RouteBackOff")
struct RouteBackOffTests {
  static let zero = Uptime(nanoseconds: 0)

  @Test("the rest doubles up to its bound")
  func doubling() {
    var backOff = RouteBackOff()
    var rests: [Duration] = []
    for _ in 0..<6 {
      let generation = backOff.begin()
      backOff.failed(of: generation, at: Self.zero, initial: .seconds(5), maximum: .seconds(60))
      rests.append((backOff.until ?? Self.zero) - Self.zero)
    }
    #expect(rests == [5, 10, 20, 40, 60, 60].map { .seconds($0) })
  }

  @Test("only a delivery that began after the last change counts")
  func generations() {
    var backOff = RouteBackOff()
    let early = backOff.begin()
    backOff.failed(of: early, at: Self.zero, initial: .seconds(5), maximum: .seconds(60))
    backOff.failed(of: early, at: Self.zero, initial: .seconds(5), maximum: .seconds(60))
    #expect(backOff.failures == 1)
    backOff.answered(of: early)
    #expect(!backOff.isOpen)
    let probe = backOff.begin()
    #expect(backOff.isProbing)
    backOff.endedWithoutAnswer(of: early)
    #expect(backOff.isProbing)
    backOff.answered(of: probe)
    #expect(backOff.isOpen && !backOff.isProbing)
  }

  @Test("an operator opens a route at once")
  func operatorOpens() {
    var backOff = RouteBackOff()
    backOff.failed(of: backOff.begin(), at: Self.zero, initial: .seconds(5), maximum: .seconds(60))
    backOff.open()
    #expect(backOff.isOpen && !backOff.isResting(at: Self.zero))
  }
}
