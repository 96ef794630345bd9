import MailQueue
import MailSyntax
import SMTPSessions
import Testing

@testable import Relay

@Suite("the sender's wish at intake")
struct TLSWishTests {
  private static func message(_ fields: String) -> [UInt8] {
    Array("From: alice@example.com\r\n\(fields)Subject: x\r\n\r\nbody".utf8)
  }

  private func enter(_ role: ListenerRole) async throws -> IntakeStage {
    let stage = try IntakeStage(role)
    await stage.enter()
    return stage
  }

  @Test(
    "RTLS-003, RTLS-013: REQUIRETLS with MAIL reaches the queue from each port that has TLS, and is told",
    arguments: [ListenerRole.submissions, .submission])
  func required(_ role: ListenerRole) async throws {
    let stage = try await enter(role)
    #expect(await stage.submit(Self.message(""), mail: " REQUIRETLS").hasPrefix("250"))
    #expect(try await stage.queued().map(\.message.message.tlsWish) == [.required])
    #expect(stage.noted("tls-wish") == ["required"])
    // The next message of the session asks for nothing.
    #expect(await stage.submit(Self.message("")).hasPrefix("250"))
    #expect(Set(try await stage.queued().map(\.message.message.tlsWish)) == [.required, .unstated])
    #expect(stage.noted("tls-wish").isEmpty)
  }

  @Test("RTLS-001: on 25 in clear REQUIRETLS is a parameter that nobody knows, and nothing is queued")
  func inClear() async throws {
    let stage = try await enter(.relay)
    #expect(await stage.submit(Self.message(""), mail: " REQUIRETLS").hasPrefix("555 5.5.4"))
    #expect(try await stage.queued().isEmpty)
  }

  @Test("RTLS-003, RTLS-014: whom an alias leads to, at home and elsewhere, gets it under the same wish")
  func aliases() async throws {
    let stage = try await enter(.submissions)
    let said = await stage.submit(
      Self.message(""), to: ["<team@example.com>", "<away@example.com>", "<x@other.example>"], mail: " REQUIRETLS")
    #expect(said.hasPrefix("250"))
    let queued = try await stage.queued()
    #expect(
      queued.flatMap { $0.message.recipients.map(\.recipient.address.description) }
        == ["bob@example.com", "carol@elsewhere.example", "dave@elsewhere.example", "x@other.example"])
    for (message, _) in queued {
      #expect(message.message.tlsWish == .required)
      // The copy that goes out under a mark of the alias.
      for alias in message.recipients.compactMap(\.recipient.forwardedFrom) {
        #expect(message.forwarded(from: alias).message.tlsWish == .required)
      }
    }
  }

  @Test("RTLS-008: the report of an alias's expansion asks for REQUIRETLS too and shows no text, whatever RET said")
  func expansion() async throws {
    let stage = try await enter(.submissions)
    for line in [
      "MAIL FROM:<x@alice.example> REQUIRETLS RET=FULL", "RCPT TO:<team@example.com> NOTIFY=SUCCESS,FAILURE",
    ] { #expect(await stage.say(line + "\r\n").hasPrefix("250")) }
    #expect(await stage.say("DATA\r\n").hasPrefix("354"))
    #expect(await stage.say(Self.message("") + Array("\r\n.\r\n".utf8)).hasPrefix("250"))
    let report = try #require(try await stage.queued().first { $0.message.message.reversePath == .null })
    #expect(report.message.message.tlsWish == .required)
    #expect(report.text.contains("Action: expanded") && !report.text.contains("\r\nbody"))
  }

  @Test(
    "RTLS-010, RTLS-013: TLS-Required: No waives, in any case and with any white space, and stays in the message",
    arguments: [
      "TLS-Required: No", "tls-required:no", "TLS-REQUIRED: \t NO \t", "TLS-Required:\r\n No", "Tls-Required: nO",
    ], [ListenerRole.submissions, .relay])
  func waived(_ field: String, _ role: ListenerRole) async throws {
    let stage = try await enter(role)
    #expect(await stage.submit(Self.message(field + "\r\n")).hasPrefix("250"))
    let (message, text) = try #require(try await stage.queued().first)
    #expect(message.message.tlsWish == .notRequired)
    #expect(stage.noted("tls-wish") == ["not-required"])
    #expect(text.contains(field + "\r\n"))
  }

  @Test(
    "RTLS-011: two fields, or another word than No, are refused from a user, and said and ignored from a server",
    arguments: [
      ("TLS-Required: No\r\nTLS-Required: No\r\n", "repeated-tls-required"),
      ("TLS-Required: No\r\nSubject: y\r\nTLS-Required: Yes\r\n", "repeated-tls-required"),
      ("TLS-Required: Yes\r\n", "unknown-tls-required"), ("TLS-Required:\r\n", "unknown-tls-required"),
      ("TLS-Required: No (really)\r\n", "unknown-tls-required"), ("TLS-Required: No, No\r\n", "unknown-tls-required"),
      ("TLS-Required: N\u{f8}\r\n", "unknown-tls-required"),
    ])
  func odd(_ fields: String, _ defect: String) async throws {
    let submission = try await enter(.submissions)
    let said = await submission.submit(Self.message(fields), mail: " SMTPUTF8")
    #expect(said.hasPrefix("5") && said.contains("RFC"))
    #expect(try await submission.queued().isEmpty)
    let relay = try await enter(.relay)
    #expect(await relay.submit(Self.message(fields), mail: " SMTPUTF8").hasPrefix("250"))
    #expect(try await relay.queued().map(\.message.message.tlsWish) == [.unstated])
    #expect(relay.noted("passed").contains(defect))
  }

  @Test(
    "RTLS-004: beside REQUIRETLS the field is ignored, whatever it says, and left in place",
    arguments: ["TLS-Required: No\r\n", "TLS-Required: No\r\nTLS-Required: No\r\n", "TLS-Required: Yes\r\n"])
  func both(_ fields: String) async throws {
    let stage = try await enter(.submissions)
    #expect(await stage.submit(Self.message(fields), mail: " REQUIRETLS").hasPrefix("250"))
    let (message, text) = try #require(try await stage.queued().first)
    #expect(message.message.tlsWish == .required && text.contains(fields))
    #expect(stage.noted("passed").contains("overruled-tls-required"))
  }

  @Test("RTLS-010: the field counts in the header alone")
  func place() async throws {
    let body = try await enter(.relay)
    #expect(await body.submit(Self.message("") + Array("\r\nTLS-Required: No\r\n".utf8)).hasPrefix("250"))
    #expect(try await body.queued().map(\.message.message.tlsWish) == [.unstated])
  }
}
