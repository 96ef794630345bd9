import ArgumentParser
import Configuration
import Foundation
import MailMessage
import MailSyntax
import NIOCore
import NIOPosix
import SMTPSessions
import SMTPTransport
import SystemWorld

struct Send: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Send a message, showing the dialogue.",
    usage: """
      martlet send --server <host:port> --from <address> --to <address> ...
                    [<options>]
      """,
    discussion: """
      Lines that begin with -> and <- went in clear, those with ~> and <~ inside TLS; -- tells what was seen. Secrets \
      are never shown. A password, and with TLS the message too, goes only to a server whose certificate proves its \
      name.

      Exit codes: 0 accepted for every recipient, 64 wrong use, 65 refused for good, 66 a file can't be read, 69 no \
      connection, or no TLS that proves the server, 75 refused for now, 77 the login was refused.
      """)

  @Option(help: ArgumentHelp("The server; the port is 465, 587 or 25 by --tls.", valueName: "host:port"))
  var server: String
  @Option(help: "How TLS begins: implicit, starttls, or none for an insecure channel.")
  var tls = SendSecurity.implicit
  @Option(help: ArgumentHelp("PEM file of the authorities to trust, in place of the system's.", valueName: "file"))
  var ca: String?
  @Option(help: ArgumentHelp("The user to log in as.", valueName: "name")) var user: String?
  @Option(help: ArgumentHelp("A file whose first line is the password.", valueName: "file")) var passwordFile: String?
  @Option(help: ArgumentHelp("The sender's address; <> is nobody's.", valueName: "address")) var from: String
  @Option(help: ArgumentHelp("A recipient's address; may be repeated.", valueName: "address")) var to: [String]
  @Option(help: ArgumentHelp("The subject of the text in --body.", valueName: "text")) var subject: String?
  @Option(help: ArgumentHelp("The text of the message.", valueName: "text")) var body: String?
  @Option(
    help: ArgumentHelp(
      "A whole message, header and all, in place of --subject and --body; - is standard input. A file without any CR "
        + "is taken for text of this system, and its line ends become CRLF.", valueName: "file"))
  var data: String?
  @Option(help: ArgumentHelp("The name to give in EHLO, in place of this machine's.", valueName: "name")) var helo:
    String?
  @Option(help: ArgumentHelp("The longest wait for each step of the server's.", valueName: "seconds")) var timeout: Int?
  @Flag(help: "Ask for TLS all the way: REQUIRETLS with MAIL (RFC 8689). A server without it gets nothing.")
  var requireTls = false
  @Flag(help: "Add TLS-Required: No, so that delivery counts for more than what the recipient's domain asks for.")
  var tlsNotRequired = false
  @Flag(help: "Print one JSON object with the result; the dialogue goes to standard error.") var json = false
  @Flag(help: "Don't show the dialogue.") var quiet = false

  func validate() throws {
    // Law 3: asked before anything is connected to, so that no mistake is one word away from a leak.
    if tls == .none, user != nil {
      throw ValidationError("--user with --tls none: a password never goes over a channel without TLS.")
    }
    guard (user == nil) == (passwordFile == nil) else {
      throw ValidationError("--user and --password-file go together.")
    }
    if tls == .none, ca != nil { throw ValidationError("--ca has no effect with --tls none; leave it out.") }
    if tls == .none, requireTls {
      throw ValidationError("--require-tls with --tls none: there is no TLS to begin with.")
    }
    if requireTls, tlsNotRequired { throw ValidationError("--require-tls and --tls-not-required: one of them.") }
    if data != nil, tlsNotRequired {
      throw ValidationError("--data is a whole message: write TLS-Required: No in its header.")
    }
    if let timeout, !(1...86_400).contains(timeout) { throw ValidationError("--timeout is between 1 and 86400.") }
    _ = try attempt()
    if data == nil {
      _ = try composed()
    } else if subject != nil || body != nil {
      throw ValidationError("--data is a whole message with its own Subject; leave out --subject and --body.")
    }
  }

  func run() async throws {
    var attempt = try attempt()
    let message: SendMessage
    let loops = TransportLoops(group: MultiThreadedEventLoopGroup.singleton)
    defer { loops.shutDown() }
    let dialer: NIODialer
    do {
      if let user, let passwordFile {
        attempt.login = SendAttempt.Login(user: user, password: try SecretFile.read(passwordFile))
      }
      message = try data.map { try SendMessage.read($0) } ?? .composed(composed())
      dialer = try NIODialer(loops: loops, roots: try roots(), now: { SystemClock().now })
    } catch {
      Console.complain("\(error)")
      throw ExitStatus.noInput
    }
    let isQuiet = quiet, isForPrograms = json
    let report = await attempt.run(message, by: dialer) { line in
      if isQuiet { return }
      if isForPrograms { Console.note(line) } else { Console.print(line) }
    }
    try tell(report, of: attempt)
  }

  private func tell(_ report: SendReport, of attempt: SendAttempt) throws {
    let advice = report.firstFault.flatMap {
      SendDialogue.advice(for: $0, wire: report.wireFault, target: attempt.target, security: tls, authority: ca)
    }
    if json {
      Console.print(report.json(advice: advice))
    } else if !quiet {
      for line in report.acceptances { Console.print(line) }
    }
    for complaint in report.complaints { Console.complain(complaint) }
    if let advice { Console.note(advice) }
    guard report.exitCode == .success else { throw report.exitCode }
  }

  // MARK: Reading what was asked for

  private func attempt() throws -> SendAttempt {
    var attempt = SendAttempt(
      target: try SendTarget(server, defaultPort: tls.customaryPort), security: tls, identity: try identity(),
      reversePath: try reversePath(), recipients: try to.map { try Send.mailbox($0, of: "--to") })
    attempt.requiresTLS = requireTls
    attempt.timeouts = SendAttempt.patience(timeout.map { .seconds($0) })
    return attempt
  }

  /// Nil where no certificate will be judged.
  private func roots() throws(TrustRootsFault) -> TrustRoots? {
    switch tls {
    case .none: nil
    case .implicit, .starttls: try .files(ca.map { [$0] } ?? [])
    }
  }

  private func identity() throws -> HostIdentity {
    guard let helo else { return OwnIdentity.current }
    guard let identity = HostIdentity(helo) else {
      throw ValidationError("--helo \(helo): a host name, or an address such as [192.0.2.1].")
    }
    return identity
  }

  private func reversePath() throws -> ReversePath {
    from == "<>" ? .null : .mailbox(try Send.mailbox(from, of: "--from"))
  }

  private static func mailbox(_ text: String, of option: String) throws -> Mailbox {
    do throws(MailSyntaxError) {
      return try Mailbox(text)
    } catch {
      throw ValidationError("\(option) \(text): \(error); write user@example.org.")
    }
  }

  private func composed() throws -> MessageBuilder {
    guard let body else { throw ValidationError("Give --body TEXT, or --data FILE with a whole message.") }
    guard let sender = try reversePath().mailbox else {
      throw ValidationError("--from <> needs --data: the From of a message is somebody's.")
    }
    var random = SystemRandomNumberGenerator()
    let place = try sender.domain.name ?? DomainName("localhost")
    var builder = MessageBuilder(
      from: .init(sender), to: try to.map { .init(try Send.mailbox($0, of: "--to")) }, subject: subject ?? "",
      date: SystemClock().now, messageID: .make(at: place, using: &random), text: body)
    builder.waivesTLS = tlsNotRequired
    do throws(MessageTextError) {
      _ = try builder.build()
    } catch {
      throw ValidationError("--subject: \(error).")
    }
    return builder
  }
}
