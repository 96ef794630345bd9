import Testing

@testable import Relay

@Suite("Agenda")
struct AgendaTests {
  @Test("gives the earliest first, equal ones by key, each once and by its last moment")
  func order() {
    var agenda = Agenda<Int, String>()
    for (key, moment) in [("c", 5), ("b", 5), ("a", 9), ("d", 1), ("d", 7), ("a", 2)] { agenda.set(key, to: moment) }
    #expect(agenda.earliest == 2 && agenda.count == 4)
    #expect(agenda.popFirst(at: 1) == nil)
    var popped: [String] = []
    while let key = agenda.popFirst(at: 6) { popped.append(key) }
    #expect(popped == ["a", "b", "c"])
    #expect(agenda["d"] == 7 && agenda.earliest == 7)
    agenda.remove("d")
    #expect(agenda.earliest == nil && agenda.count == 0)
  }

  @Test("gives up the latest")
  func latest() {
    var agenda = Agenda<Int, String>()
    for (key, moment) in [("a", 9), ("b", 5), ("a", 3), ("c", 4)] { agenda.set(key, to: moment) }
    agenda.popLast()
    #expect(agenda["b"] == nil && agenda.count == 2)
  }

  @Test("holds in memory no more than twice its keys, however often they are moved")
  func memory() {
    var agenda = Agenda<Int, Int>()
    for moment in 0..<10_000 { agenda.set(moment % 10, to: moment * 7 % 1_000) }
    #expect(agenda.count == 10)
    #expect(agenda.entries <= 2 * 10 + 64)
  }
}
