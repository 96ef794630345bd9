import MailSyntax
import Relay
import SMTPGrammar
import SMTPSessions
import Simulation

/// The golden table's rows as they are written.
enum OutcomeTableText {
  static func render() -> String {
    var text = """
      # What becomes of a recipient, by stage of the dialogue and what the peer said. Documentation/Outcomes.md has the
      # reasons. "alarm": an operator is told. Written by a test; MARTLET_REWRITE_GOLDEN=1 rewrites it.

      """
    for stage in DeliveryStage.allCases {
      text += "\n[\(stage.rawValue)]\n"
      for (name, cause) in FaultCatalogue.causes {
        let outcome = OutcomeTable.decide(DeliveryFault(stage: stage, cause: cause))
        let columns = [
          pad(name, 20), pad(outcome.action.rawValue, 7), pad(outcome.scope.rawValue, 12),
          pad(outcome.status.description, 8), pad(outcome.needsOperator ? "alarm" : "-", 6), outcome.reason.rawValue,
        ]
        text += columns.joined(separator: " ") + "\n"
      }
    }
    return text
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
