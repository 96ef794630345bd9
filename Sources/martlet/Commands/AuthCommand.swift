import ArgumentParser
import InternationalDomainNames
import MailAuthentication
import MailSyntax
import SystemWorld

struct AuthCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "auth",
    abstract: "Who may send in whose name: asked by SPF, DKIM and DMARC, and counted.",
    subcommands: [AuthCheck.self, AuthResultsCommand.self])
}

struct AuthCheck: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Judge a client by SPF, a message by DKIM, its author by DMARC; tell each step.",
    usage: "martlet auth check [<message>] [--ip <address> --mail-from <address>]",
    discussion: """
      With --ip, asks whether that client may send in the name of --mail-from, and greet with --helo (RFC 7208): each \
      record that counts is shown, with what each of its terms found. With a message, verifies its DKIM signatures \
      (RFC 6376), and asks by DMARC whether its author's domain stands behind it, and what it wants done if not (RFC \
      9989). A message whose lines end in LF is read as the one with CRLF that was sent. Behind each step stands the \
      section that it follows.

      With --zone the answers come from a zone file and not from the DNS, so that records can be tried before they \
      are published. Names in it are whole ones unless $ORIGIN says otherwise; what it doesn't have isn't there. \
      --fails names those of which nobody can say what the file doesn't have, to see what a failure of the DNS does.

      Exit codes: 0 nothing speaks against it, 1 DMARC fails or can't be asked, or where no policy stands SPF fails, or \
      its record can't be used, or the message has signatures and none verifies, 64 wrong use, 65 no message or no zone file, 66 there is no such file, 69 there is no \
      resolver, 75 the DNS has no answer for now, 78 bad configuration.
      """)

  @Argument(help: ArgumentHelp("The message; - for standard input.", valueName: "message")) var message: String?
  @Option(help: ArgumentHelp("The client's address.", valueName: "address"), transform: AuthCheck.readAddress)
  var ip: IPAddress?
  @Option(help: ArgumentHelp("What the client greets with.", valueName: "name")) var helo: String?
  @Option(help: ArgumentHelp("The reverse path; <> is the empty one.", valueName: "address")) var mailFrom: String?
  @OptionGroup var answers: AnswerOptions
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard ip != nil || message != nil else {
      throw ValidationError("Name a message, or a client by --ip and --mail-from or --helo, or both.")
    }
    if ip == nil, helo != nil || mailFrom != nil {
      throw ValidationError("--mail-from and --helo are asked about for a client: --ip is missing.")
    }
    if ip != nil, helo == nil, mailFrom == "<>" {
      throw ValidationError(
        "With the empty reverse path the greeting is asked about (RFC 7208 §2.4): --helo is missing.")
    }
    if ip != nil, helo == nil, mailFrom == nil {
      throw ValidationError("Say in whose name the client comes: --mail-from, --helo, or both.")
    }
  }

  func run() async throws {
    let resolver = try answers.resolver()
    var report = AuthReport()
    if let ip {
      let check = SPFCheck(
        resolver: resolver, converter: LibraryIDNAConverter(), clock: SystemClock(), receiver: ownName)
      report.address = ip
      for question in questions(ip) { report.spf.append(await check.outcome(of: question)) }
    }
    if let message {
      let (outcomes, header) = try await AuthReport.dkim(of: message, by: resolver)
      report.dkim = outcomes
      if let header { report.dmarc = await report.dmarc(header, by: resolver) }
    }
    Console.print(try json ? QueueText.json(report) : report.lines(Paint.onStandardOutput).joined(separator: "\n"))
    guard report.exitCode == .success else { throw report.exitCode }
  }

  private var ownName: DomainName? { if case .name(let name) = OwnIdentity.current { name } else { nil } }

  /// The greeting first, as a receiver meets it (RFC 7208 §2.3).
  private func questions(_ ip: IPAddress) -> [SPFQuestion] {
    var questions: [SPFQuestion] = []
    if let helo { questions.append(.helo(helo, from: ip)) }
    guard let mailFrom else { return questions }
    let path = mailFrom.hasPrefix("<") && mailFrom.hasSuffix(">") ? mailFrom.dropFirst().dropLast() : mailFrom[...]
    // Not read as a Mailbox: a name that can't be one has a verdict too.
    let at = path.lastIndex(of: "@")
    let domain = at.map { path[path.index(after: $0)...] } ?? path
    let localPart = at.map { path[..<$0] } ?? ""
    questions.append(
      SPFQuestion(
        address: ip, identity: .mailFrom, localPart: String(localPart),
        domain: path.isEmpty ? helo ?? "" : String(domain), helo: helo ?? ""))
    return questions
  }

  private static func readAddress(_ text: String) throws -> IPAddress {
    guard let address = IPAddress(text) else {
      throw ValidationError("--ip \(QueueText.printable(text)): an address, such as 192.0.2.1 or 2001:db8::1.")
    }
    return address
  }
}
