import ArgumentParser
import Foundation
import MailSyntax
import SMTPGrammar
import SMTPSessions
import Testing
import TransportSecurity

@testable import martlet

@Suite("The result of `send`")
struct SendReportTests {
  private static func reply(_ code: UInt16) -> ServerReply { ServerReply(code: ReplyCode(code), lines: ["words"]) }
  private static func fault(_ stage: DialogueStage, _ code: UInt16) -> RecipientAnswer {
    .fault(DialogueFault(stage, .reply(reply(code))))
  }
  private static let taken = RecipientAnswer.taken(reply(250))
  private static let lost = RecipientAnswer.fault(DialogueFault(.finalReply, .transport("gone")))

  private func report(_ answers: [RecipientAnswer]) throws -> SendReport {
    var report = SendReport(server: "localhost:465", messageID: "<1@example.org>")
    report.answers = try answers.map { (try Mailbox("a@example.org"), $0) }
    return report
  }

  @Test(
    "the exit code is that of the worst answer",
    arguments: [
      ([taken], 0),
      ([taken, taken], 0),
      ([taken, fault(.recipient, 550)], 65),
      ([taken, fault(.recipient, 450)], 75),
      ([fault(.recipient, 450), fault(.recipient, 550)], 65),
      ([fault(.finalReply, 554)], 65),
      ([fault(.finalReply, 451)], 75),
      // RFC 5321 §3.8: lost in the middle is as if 451 had been said.
      ([lost], 75),
    ] as [([RecipientAnswer], Int32)])
  func exitCodes(answers: [RecipientAnswer], code: Int32) throws {
    #expect(try report(answers).exitCode.rawValue == code)
  }

  @Test(
    "what went wrong before the message has the exit code of its kind",
    arguments: [
      (DialogueFault(.connect, .transport("refused")), 69),
      (DialogueFault(.greeting, .transport("too long")), 69),
      (DialogueFault(.greeting, .reply(reply(421))), 75),
      (DialogueFault(.greeting, .reply(reply(554))), 65),
      (DialogueFault(.startTLS, .security(.notOffered)), 69),
      (DialogueFault(.handshake, .security(.handshake("refused"))), 69),
      (DialogueFault(.authentication, .reply(reply(535))), 77),
      (DialogueFault(.authentication, .reply(reply(454))), 75),
      (DialogueFault(.hello, .protocolViolation("noise")), 69),
      (DialogueFault(.mail, .unsupported(EnhancedStatusCode(.permanent, 6, 7), "no SMTPUTF8")), 65),
      (DialogueFault(.content, .local("a bare LF in line 3")), 65),
    ] as [(DialogueFault, Int32)])
  func faults(fault: DialogueFault, code: Int32) throws {
    var report = try report([])
    report.fault = fault
    #expect(report.exitCode.rawValue == code)
    #expect(report.complaints.count == 1)
  }

  @Test("the JSON names every recipient's outcome and the TLS it went under")
  func json() throws {
    var report = try report([SendReportTests.taken, SendReportTests.fault(.recipient, 550)])
    report.tls = TLSFacts(
      version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1302), group: NamedGroup(rawValue: 0x11ec),
      peerCertificate: CertificateFacts(
        sha256Fingerprint: [0x0a, 0xff], dnsNames: ["localhost"], verification: .verified(hostName: "localhost")))
    let text = report.json(advice: nil)
    #expect(!text.contains("\n"))
    let value = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(value["accepted"] as? Bool == false)
    #expect(value["exit_code"] as? Int == 65)
    let recipients = try #require(value["recipients"] as? [[String: Any]])
    #expect(recipients.map { $0["outcome"] as? String } == ["accepted", "refused"])
    let tls = try #require(value["tls"] as? [String: Any])
    #expect(tls["cipher_suite"] as? String == "TLS_AES_256_GCM_SHA384")
    #expect(tls["verified"] as? Bool == true)
    #expect(tls["certificate_sha256"] as? String == "0aff")
  }
}

@Suite("The advice of `send`")
struct SendAdviceTests {
  private func advice(
    _ fault: DialogueFault, _ wire: WireFault? = nil, _ security: SendSecurity = .implicit, ca: String? = nil
  ) throws -> String {
    let target = try SendTarget("mail.example.org", defaultPort: 465)
    return SendDialogue.advice(for: fault, wire: wire, target: target, security: security, authority: ca) ?? ""
  }
  private let handshake = DialogueFault(.handshake, .security(.handshake("no")))

  @Test("a certificate of an unknown authority says which option names the authority, and which file failed")
  func untrusted() throws {
    let wire = WireFault.certificateRefused(.notTrusted(reason: "unknown"))
    #expect(try advice(handshake, wire).contains("--ca FILE"))
    #expect(try advice(handshake, wire, ca: "other.pem").contains("other.pem doesn't hold"))
  }

  @Test("a certificate for another name says which name to use")
  func wrongName() throws {
    let wire = WireFault.certificateRefused(.hostMismatch(expected: "mail.example.org", presented: ["mx.example.org"]))
    #expect(try advice(handshake, wire).contains("--server mx.example.org:465"))
    let nameless = WireFault.certificateRefused(.hostMismatch(expected: "mail.example.org", presented: []))
    #expect(try advice(handshake, nameless).contains("no DNS name"))
  }

  @Test("a missing STARTTLS is a refusal with its reason, and each wrong wrapper names the right one")
  func wrappers() throws {
    let stripped = DialogueFault(.startTLS, .security(.notOffered))
    #expect(try advice(stripped, nil, .starttls).contains("Nothing was sent"))
    #expect(try advice(handshake, .handshakeFailed("wrong version number")).contains("--tls starttls"))
    #expect(try advice(DialogueFault(.greeting, .transport("late")), nil, .starttls).contains("--tls implicit"))
    let reply = ServerReply(code: ReplyCode(530), lines: ["Must issue a STARTTLS command first"])
    #expect(try advice(DialogueFault(.mail, .reply(reply)), nil, .none).contains("--tls starttls"))
  }
}
