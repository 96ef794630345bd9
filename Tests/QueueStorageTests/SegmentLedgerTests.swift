import Testing

@testable import QueueStorage

@Suite("the ledger of segments")
struct SegmentLedgerTests {
  private func ledger() -> SegmentLedger {
    var ledger = SegmentLedger()
    ledger.adopt(1, bodies: 1, bytes: 100)
    ledger.adopt(2)
    ledger.makeCurrent(2)
    return ledger
  }
  private let body = BodyPlace(segment: 1, offset: 0, length: 100)

  @Test("gives no segment up while a body in it lives")
  func live() {
    var ledger = ledger()
    #expect(ledger.takeDead() == nil)
    ledger.drop(body)
    #expect(ledger.takeDead() == 1)
    #expect(ledger.takeDead() == nil)
  }

  @Test("gives no segment up while a reader has it open, and lets none open it afterwards")
  func pinned() {
    var ledger = ledger()
    let isPinned = ledger.pin(1)
    #expect(isPinned)
    ledger.drop(body)
    #expect(ledger.takeDead() == nil)
    ledger.unpin(1)
    #expect(ledger.takeDead() == 1)
    let isPinnedAgain = ledger.pin(1)
    #expect(!isPinnedAgain)
  }

  @Test("gives no segment up while a backup runs, and never the current one")
  func held() {
    var ledger = ledger()
    ledger.hold()
    ledger.drop(body)
    #expect(ledger.takeDead() == nil)
    #expect(ledger.takeSurplus(keeping: 0) == [])
    ledger.release()
    #expect(ledger.takeSurplus(keeping: 0) == [1])
    #expect(ledger.segments[2] != nil)
  }

  @Test("never gives a number twice")
  func numbers() {
    var ledger = ledger()
    ledger.drop(body)
    #expect(ledger.takeDead() == 1)
    #expect(ledger.nextNumber() == 3)
    #expect(ledger.nextNumber() == 4)
  }

  @Test("names the oldest sparse segment")
  func sparsest() {
    var ledger = ledger()
    ledger.adopt(3, bodies: 2, bytes: 50)
    #expect(ledger.sparsest(below: 101, except: []) == 1)
    #expect(ledger.sparsest(below: 60, except: []) == 3)
    #expect(ledger.sparsest(below: 101, except: [1]) == 3)
    #expect(ledger.sparsest(below: 10, except: []) == nil)
  }
}
