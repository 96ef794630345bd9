import Foundation
import MailSyntax
import Relay
import SMTPGrammar
import SMTPSessions
import Simulation
import Testing
import TransportSecurity

@Suite("OutcomeTable")
struct OutcomeTableTests {
  static let allFaults = DeliveryStage.allCases.flatMap { stage in
    FaultCatalogue.causes.map { DeliveryFault(stage: stage, cause: $0.cause) }
  }
  static func decide(_ stage: DeliveryStage, _ cause: DeliveryFault.Cause) -> Outcome {
    OutcomeTable.decide(DeliveryFault(stage: stage, cause: cause), of: .configured)
  }
  static func reply(_ code: UInt16, _ text: String = "") -> DeliveryFault.Cause {
    let parts = text.split(separator: ".").compactMap { UInt16($0) }
    guard parts.count == 3, let kind = EnhancedStatusCode.Class(rawValue: UInt8(parts[0])) else {
      return FaultCatalogue.reply(code)
    }
    return FaultCatalogue.reply(code, EnhancedStatusCode(kind, parts[1], parts[2]))
  }

  @Test("every combination decides as the golden table says")
  func goldenTable() throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Corpus/outcomes/table.txt").standardizedFileURL
    let rendered = OutcomeTableText.render()
    if ProcessInfo.processInfo.environment["MARTLET_REWRITE_GOLDEN"] == "1" {
      try FileManager.default.createDirectory(at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
      try rendered.write(to: path, atomically: true, encoding: .utf8)
    }
    let golden = try String(contentsOf: path, encoding: .utf8)
    for (ours, theirs) in zip(rendered.split(separator: "\n"), golden.split(separator: "\n")) where ours != theirs {
      Issue.record("decides \"\(ours)\", the table says \"\(theirs)\"")
    }
    #expect(rendered == golden)
  }

  @Test("the class of the status agrees with what is done", arguments: allFaults)
  func classAgrees(fault: DeliveryFault) {
    let outcome = OutcomeTable.decide(fault, of: .configured)
    switch outcome.action {
    case .retry: #expect(outcome.status.class == .persistentTransient)
    case .bounce: #expect(outcome.status.class == .permanent)
    }
  }

  @Test("only a 5yz reply or a lacking extension bounces (SMTP-025)", arguments: allFaults)
  func onlyPermanentBounces(fault: DeliveryFault) {
    guard OutcomeTable.decide(fault, of: .configured).action == .bounce else { return }
    switch fault.cause {
    case .reply(let reply): #expect(reply.code.severity == .permanentNegative)
    case .unsupported: break
    // RFC 8689 §4.2.1: what the sender alone asks for, and the host doesn't have.
    case .policy(let fault): #expect(fault.isForGood && fault.rule == .sender)
    case .transport, .security, .protocolViolation, .local, .destination: Issue.record("\(fault) bounces")
    }
  }

  @Test("TLS that can't be had never bounces mail", arguments: DeliveryStage.allCases)
  func securityIsRetried(stage: DeliveryStage) {
    let outcome = Self.decide(stage, .security(.certificate(.expired)))
    #expect(outcome.action == .retry && outcome.scope == .host && outcome.status.subject == 7)
  }

  @Test("a lost connection counts as 451 at every stage (SMTP-023)", arguments: DeliveryStage.allCases)
  func lostConnection(stage: DeliveryStage) {
    #expect(Self.decide(stage, .transport("reset by peer")).action == .retry)
  }

  @Test("our wrong password never bounces our users' mail", arguments: [530, 534, 535, 538] as [UInt16])
  func ourCredentials(code: UInt16) {
    for stage in [DeliveryStage.auth, .mail, .rcpt, .data, .finalReply] {
      let outcome = Self.decide(stage, Self.reply(code))
      #expect(outcome.action == .retry && outcome.needsOperator && outcome.scope == .destination)
    }
  }

  @Test("unknown codes go by their first digit (SMTP-025)")
  func unknownCodes() {
    #expect(Self.decide(.mail, Self.reply(299)).action == .retry)
    #expect(Self.decide(.rcpt, Self.reply(459)).action == .retry)
    #expect(Self.decide(.rcpt, Self.reply(599)).action == .bounce)
  }

  @Test("552 to RCPT means too many recipients, unless it says too big (SMTP-035, SIZE-005)")
  func recipientLimit() {
    for text in ["", "5.5.3", "5.7.1"] {
      let fault = DeliveryFault(stage: .rcpt, cause: Self.reply(552, text))
      #expect(OutcomeTable.decide(fault, of: .configured).action == .retry)
      #expect(OutcomeTable.limitsRecipients(fault, of: .configured))
    }
    #expect(Self.decide(.rcpt, Self.reply(552, "5.3.4")).action == .bounce)
    #expect(
      OutcomeTable.limitsRecipients(DeliveryFault(stage: .rcpt, cause: Self.reply(452, "4.5.3")), of: .configured))
    #expect(OutcomeTable.limitsRecipients(DeliveryFault(stage: .rcpt, cause: Self.reply(452)), of: .configured))
    #expect(!OutcomeTable.limitsRecipients(DeliveryFault(stage: .mail, cause: Self.reply(452)), of: .configured))
    #expect(
      !OutcomeTable.limitsRecipients(DeliveryFault(stage: .rcpt, cause: Self.reply(552, "5.2.2")), of: .configured))
  }

  @Test("452 waits and 552 bounces as too big at MAIL, DATA and the final reply (SIZE-004, SIZE-005)")
  func sizes() {
    for stage in [DeliveryStage.mail, .data, .content, .finalReply] {
      #expect(Self.decide(stage, Self.reply(452)).action == .retry)
      let outcome = Self.decide(stage, Self.reply(552))
      #expect(outcome.action == .bounce && outcome.status == EnhancedStatusCode(.permanent, 3, 4))
    }
  }

  @Test("a full mailbox is waited for, even when the peer calls it permanent")
  func mailboxFull() {
    for stage in [DeliveryStage.rcpt, .finalReply] {
      for code in [452, 550, 552, 554] as [UInt16] {
        let outcome = Self.decide(stage, Self.reply(code, code < 500 ? "4.2.2" : "5.2.2"))
        #expect(outcome.action == .retry && outcome.scope == .recipient)
        #expect(outcome.status == EnhancedStatusCode(.persistentTransient, 2, 2))
      }
    }
  }

  @Test("a refused MAIL speaks for its message alone (SMTP-039)", arguments: [550, 553, 554, 599] as [UInt16])
  func refusedMail(code: UInt16) {
    let outcome = Self.decide(.mail, Self.reply(code))
    #expect(outcome.action == .bounce && outcome.scope == .message && !outcome.scope.holdsBackRoute)
  }

  @Test("a configured host that greets with 554 or 521 is waited for; 521 has a reason of its own (RFC 7504)")
  func greetings() {
    for (code, reason) in [(554, .hostRefuses), (521, .hostNeverAccepts)] as [(UInt16, Outcome.Reason)] {
      for stage in [DeliveryStage.connect, .greeting] {
        let expected = Outcome(
          .host, .retry, EnhancedStatusCode(.persistentTransient, 3, 2), reason, needsOperator: true)
        #expect(Self.decide(stage, Self.reply(code)) == expected)
      }
    }
  }

  @Test("the peer's own enhanced code is passed on, in the class of what we do (ESC-003)")
  func enhancedCodes() {
    #expect(Self.decide(.rcpt, Self.reply(550, "5.7.999")).status == EnhancedStatusCode(.permanent, 7, 999))
    #expect(Self.decide(.auth, Self.reply(535, "5.7.8")).status == EnhancedStatusCode(.persistentTransient, 7, 8))
  }
}
