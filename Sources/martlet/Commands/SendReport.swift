import ArgumentParser
import Foundation
import MailSyntax
import SMTPGrammar
import SMTPSessions
import TransportSecurity

/// What became of a message that was sent, for a person, a program and the exit code.
struct SendReport: Sendable {
  let server: String
  let messageID: String?
  var peer: String?
  var tls: TLSFacts?
  var octets: Int?
  /// By recipient; empty where it never came to a transaction.
  var answers: [(recipient: Mailbox, answer: RecipientAnswer)] = []
  /// Why it never came to one.
  var fault: DialogueFault?
  var wireFault: WireFault?
  /// From the first step to the last answer.
  var elapsed = Duration.zero

  init(server: String, messageID: String?) {
    self.server = server
    self.messageID = messageID
  }

  var outcomes: [SendOutcome] { fault.map { [SendOutcome($0)] } ?? answers.map { SendOutcome($0.answer) } }

  /// The worst of the outcomes. Refused for good comes first: another try would not help.
  var exitCode: ExitCode {
    let outcomes = outcomes
    if outcomes.contains(.refused) { return ExitStatus.badData }
    if outcomes.contains(.notPermitted) { return ExitStatus.notPermitted }
    if outcomes.contains(.unavailable) { return ExitStatus.unavailable }
    if outcomes.contains(.deferred) { return ExitStatus.tryAgain }
    return .success
  }

  /// The one that advice is given on.
  var firstFault: DialogueFault? {
    fault
      ?? answers.lazy.compactMap { recipient, answer in
        switch answer {
        case .taken: nil
        case .fault(let fault): fault
        }
      }.first
  }

  /// The faults of all that failed, in words.
  var complaints: [String] {
    if let fault { return ["\(server): \(fault)"] }
    return answers.compactMap { recipient, answer in
      switch answer {
      case .taken: nil
      case .fault(let fault): "\(recipient): \(SendOutcome(fault).title) \(fault)"
      }
    }
  }

  var acceptances: [String] {
    answers.compactMap { recipient, answer in
      switch answer {
      case .taken(let reply): "\(recipient): accepted, \(reply)"
      case .fault: nil
      }
    }
  }
}

/// How it ended for one recipient.
enum SendOutcome: String, Encodable, Hashable, Sendable {
  case accepted
  case refused
  case deferred
  /// The server doesn't know the user, or not by this password.
  case notPermitted = "not-permitted"
  /// There was no server, or none that proved itself.
  case unavailable

  init(_ answer: RecipientAnswer) {
    switch answer {
    case .taken: self = .accepted
    case .fault(let fault): self.init(fault)
    }
  }

  init(_ fault: DialogueFault) {
    switch fault.cause {
    case .reply(let reply) where reply.code.severity != .permanentNegative: self = .deferred
    case .reply: self = fault.stage == .authentication ? .notPermitted : .refused
    case .security, .protocolViolation: self = .unavailable
    case .unsupported, .local: self = .refused
    case .transport: self = SendOutcome(lostAt: fault.stage)
    }
  }

  /// RFC 5321 §3.8: a connection that is lost in a transaction is as if the server had said 451.
  private init(lostAt stage: DialogueStage) {
    switch stage {
    case .connect, .greeting, .hello, .startTLS, .handshake, .authentication: self = .unavailable
    case .idle, .mail, .recipient, .data, .content, .finalReply, .farewell: self = .deferred
    }
  }

  fileprivate var title: String {
    switch self {
    case .accepted: "accepted"
    case .refused: "refused for good,"
    case .deferred: "refused for now,"
    case .notPermitted, .unavailable: "not sent,"
    }
  }
}

extension SendReport {
  private struct Record: Encodable {
    struct TLS: Encodable {
      var version, cipherSuite: String
      var group: String?
      var certificateNames: [String]
      var certificateSHA256: String
      var verified: Bool
    }
    struct Recipient: Encodable {
      var address: String
      var outcome: SendOutcome
      var reply: String
    }
    struct Fault: Encodable {
      var stage, reason: String
      var outcome: SendOutcome
      var advice: String?
    }
    var accepted: Bool
    var exitCode: Int32
    var server: String
    var peer, messageID: String?
    var octets: Int?
    var milliseconds: Int64
    var tls: TLS?
    var recipients: [Recipient]
    var fault: Fault?
  }

  /// One object on one line; keys in order, in snake case.
  func json(advice: String?) -> String {
    let record = Record(
      accepted: exitCode == .success, exitCode: exitCode.rawValue, server: server, peer: peer, messageID: messageID,
      octets: octets, milliseconds: elapsed.nanoseconds / 1_000_000,
      tls: tls.map { tls in
        Record.TLS(
          version: tls.version.description, cipherSuite: tls.cipherSuite.description,
          group: tls.group?.description, certificateNames: tls.peerCertificate?.dnsNames ?? [],
          certificateSHA256: SendDialogue.hexadecimal(tls.peerCertificate?.sha256Fingerprint ?? []),
          verified: tls.peerCertificate.map { SendDialogue.isVerified($0.verification) } ?? false)
      },
      recipients: answers.map { recipient, answer in
        let reply =
          switch answer {
          case .taken(let reply): reply.description
          case .fault(let fault): fault.description
          }
        return Record.Recipient(address: recipient.description, outcome: SendOutcome(answer), reply: reply)
      },
      fault: fault.map {
        Record.Fault(stage: $0.stage.rawValue, reason: "\($0)", outcome: SendOutcome($0), advice: advice)
      })
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return (try? encoder.encode(record)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}
