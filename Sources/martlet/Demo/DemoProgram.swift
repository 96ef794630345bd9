import ArgumentParser
import Certificates
import MailMessage
import MailSyntax
import NIOPosix
import SMTPSessions
import SMTPTransport
import SystemWorld

/// The program that submits: with the project's own client, in a user's name, and nothing but the server's own authority
/// to believe.
struct DemoProgram: Sendable {
  static let sender = "program@sender.example"

  /// Of the server that it submits to.
  let place: DevelopmentPlace

  static func letter(
    to recipient: String, about subject: String, _ text: String, date: UTCInstant
  ) throws -> SendMessage {
    var random = SystemRandomNumberGenerator()
    return SendMessage.composed(
      MessageBuilder(
        from: .init(try Mailbox(sender), displayName: "The program"), to: [.init(try Mailbox(recipient))],
        subject: subject, date: date, messageID: .make(at: try DomainName("sender.example"), using: &random),
        text: text))
  }

  /// - Throws: `DemoFault.notAccepted`, in the server's words.
  func submit(
    _ letter: SendMessage, to recipients: [String], by security: SendSecurity, usesChunking: Bool, through house: House
  ) async throws -> SendReport {
    let port = house.port(security == .implicit ? .submissions : .submission)
    var attempt = SendAttempt(
      target: SendTarget(host: .name(try DomainName(DemoTheatre.hostName)), port: port), security: security,
      identity: .name(try DomainName("program.sender.example")),
      reversePath: .mailbox(try Mailbox(DemoProgram.sender)), recipients: try recipients.map { try Mailbox($0) })
    attempt.login = SendAttempt.Login(user: DevelopmentPlace.userName, password: Secret(place.password))
    attempt.usesChunking = usesChunking
    attempt.timeouts = SendAttempt.patience(.seconds(10))
    let loops = TransportLoops(group: MultiThreadedEventLoopGroup.singleton)
    defer { loops.shutDown() }
    let dialer = try NIODialer(
      loops: loops, roots: try TrustRoots.file(place.tls.authority), now: { SystemClock().now })
    let report = await attempt.run(letter, by: dialer)
    guard report.exitCode == .success else {
      throw DemoFault.notAccepted(report.complaints.joined(separator: "; "))
    }
    return report
  }
}
