import ArgumentParser
import Foundation
import MailAuthentication
import MailSyntax
import NIOCore
import SystemWorld

struct DKIMCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dkim", abstract: "The keys that mail is signed with; sign or verify a message by hand.",
    subcommands: [
      DKIMGenerate.self, DKIMRotate.self, DKIMRecords.self, DKIMList.self, DKIMRemove.self, DKIMSign.self,
      DKIMVerify.self,
    ])
}

struct DKIMSign: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign", abstract: "Put a DKIM-Signature above a message.",
    usage: "martlet dkim sign --domain <d> --selector <s> --key <file> <message>",
    discussion: """
      Writes the signed message to standard output. The key, in PEM, decides the algorithm: rsa-sha256, or \
      ed25519-sha256 (RFC 8463). From and the other fields that a reader sees are signed once more than they stand, so \
      that none can be added; the body is signed whole. What changes the message comes before this.

      A message whose lines end in LF is signed as the one with CRLF that a server sends, and written as it came.

      Exit codes: 0 signed, 64 wrong use, 65 no message, one whose lines end now so and now so, or no key, 66 there is \
      no such file, 74 input or output failed.
      """)

  @Option(help: ArgumentHelp("In whose name.", valueName: "name"), transform: SigningKeyPlace.name)
  var domain: DomainName
  @Option(
    help: ArgumentHelp("The key stands at SELECTOR._domainkey.DOMAIN.", valueName: "name"),
    transform: SigningKeyPlace.name)
  var selector: DomainName
  @Option(help: ArgumentHelp("The private key, in PEM.", valueName: "file")) var key: String
  @Option(help: ArgumentHelp("How long the signature holds; for ever without it.", valueName: "days"))
  var days: Int?
  @Argument(help: ArgumentHelp("The message; - for standard input.", valueName: "message")) var message: String

  func validate() throws {
    if let days, !(1...3_650).contains(days) { throw ValidationError("--days is between 1 and 3650.") }
  }

  func run() async throws {
    let octets = try ArgumentFile.read(key, atMost: DKIMKey.maximumOctets + 1)
    do {
      let own = try DKIMKey(pem: Secret(octets))
      if let advice = own.advice { Console.complain("\(QueueText.printable(key)): \(advice)") }
      var signing = DKIMSigning(domain: domain, selector: selector, key: own)
      signing.lifetime = days.map { .seconds($0 * 86_400) }
      let file = try MessageFile(message)
      if let line = try file.oddLine() {
        Console.complain(
          "\(QueueText.printable(message)): line \(line) ends otherwise than the first one, and what changes it on its way "
            + "breaks the signature: let all lines end in CRLF, or all in LF")
        throw ExitStatus.badData
      }
      var signer = DKIMSigner([signing])
      try file.parts {
        try signer.begin($0)
      } body: {
        signer.append($0)
      }
      for field in try signer.finish(now: SystemClock().now) {
        let text = String(buffer: field)
        Console.put((file.isOfLineFeeds ? text.replacing("\r\n", with: "\n") : text).utf8)
      }
      try file.octets { Console.put($0) }
    } catch let fault as DKIMKeyFileFault {
      Console.complain("\(QueueText.printable(key)): \(fault)")
      throw ExitStatus.badData
    } catch let fault as DKIMSigningFault {
      Console.complain("\(QueueText.printable(message)): \(fault)")
      throw ExitStatus.badData
    }
  }
}

struct DKIMVerify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Verify a message's DKIM signatures, and tell each step.",
    usage: "martlet dkim verify <message> [<options>]",
    discussion: """
      A message whose lines end in LF is read as the one with CRLF that was sent. With --zone the keys come from a \
      zone file and not from the DNS.

      Exit codes: 0 a signature verifies, 1 none does, 64 wrong use, 65 no message or no zone file, 66 there is no such \
      file, 69 there is no resolver, 75 the DNS has no answer for now, 78 bad configuration.
      """)

  @Argument(help: ArgumentHelp("The message; - for standard input.", valueName: "message")) var message: String
  @OptionGroup var answers: AnswerOptions
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let report = AuthReport(dkim: try await AuthReport.dkim(of: message, by: try answers.resolver()).outcomes)
    Console.print(try json ? QueueText.json(report) : report.lines(Paint.onStandardOutput).joined(separator: "\n"))
    guard report.exitCode == .success else { throw report.exitCode }
  }
}
