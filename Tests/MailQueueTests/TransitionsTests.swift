import MailQueue
import MailSyntax
import Testing

@Suite("a recipient's transitions")
struct TransitionsTests {
  private func standing(_ state: RecipientState) -> RecipientStanding {
    RecipientStanding(
      state: state, attempts: 2, due: UTCInstant(seconds: 1), lastResult: "earlier", delayReported: false)
  }
  private func change(_ state: RecipientState, attempts: Int) -> RecipientChange {
    RecipientChange(
      number: 0, state: state, due: UTCInstant(seconds: 9), attemptsAdded: attempts, result: nil, delayReported: true,
      attempt: nil)
  }

  @Test("every pair of states: final stays, a hold outlives an attempt, else the change holds")
  func table() {
    for before in RecipientState.allCases {
      for after in RecipientState.allCases {
        for attempts in [0, 1] {
          let found = standing(before).applying(change(after, attempts: attempts))
          if before.isFinal {
            #expect(found == standing(before))
          } else if before == .held, after == .queued, attempts == 1 {
            #expect(found.state == .held && found.attempts == 3)
          } else {
            #expect(found.state == after && found.attempts == 2 + attempts)
            #expect(found.due == UTCInstant(seconds: 9) && found.lastResult == "earlier" && found.delayReported)
          }
        }
      }
    }
  }
}
