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
      # reasons. "alarm": an operator is told. "mx:" what is different at a host that the recipient's domain names, and
      # not our configuration. Written by a test; MARTLET_REWRITE_GOLDEN=1 rewrites it.

      """
    for stage in DeliveryStage.allCases {
      text += "\n[\(stage.rawValue)]\n"
      for (name, cause) in stage == .lookup ? FaultCatalogue.destinations : FaultCatalogue.causes {
        let fault = DeliveryFault(stage: stage, cause: cause)
        let outcome = OutcomeTable.decide(fault, of: .configured)
        let atExchanger = OutcomeTable.decide(fault, of: .exchanger)
        text += row(name, outcome)
        if atExchanger != outcome { text += row("  mx:", atExchanger) }
      }
    }
    return text
  }

  private static func row(_ name: String, _ outcome: Outcome) -> String {
    let columns = [
      pad(name, 20), pad(outcome.action.rawValue, 7), pad(outcome.scope.rawValue, 12),
      pad(outcome.status.description, 8), pad(outcome.needsOperator ? "alarm" : "-", 6), outcome.reason.rawValue,
    ]
    return columns.joined(separator: " ") + "\n"
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
