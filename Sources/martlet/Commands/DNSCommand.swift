import ArgumentParser
import DNSRecords
import MailSyntax

struct DNSCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dns", abstract: "Say what Martlet's own resolver finds, and whether it is proven.",
    usage: "martlet dns <name> [<options>]",
    discussion: """
      `secure` is an answer proven by signatures from the trust anchors on, `insecure` one of an unsigned zone, `bogus` \
      one whose signatures don't hold, which nobody may believe. With --config the resolver is the one that the \
      server has; else the options below make one, which without --server asks from the root on. Each run begins \
      with an empty cache.

      --type tlsa asks for a service, as _25._tcp.mx.example.org. --type dane takes the name of a mail host and does \
      as a delivery would: addresses first, then the TLSA records of the name behind its aliases or of its own, which \
      count only where everything is proven.

      Exit codes: 0 there are records, 64 wrong use, 65 bogus, 66 a file can't be read, 68 no such name or no such \
      record, 75 no answer for now, 78 bad configuration.
      """)

  @Argument(help: ArgumentHelp("The name to look up.", valueName: "name")) var name: String
  @Option(help: "What to look for: mx, a, aaaa, txt, cname, tlsa or dane.") var type = DNSQuestion.mx
  @OptionGroup var dns: ResolverOptions
  @Flag(help: "Print JSON.") var json = false

  func validate() throws { _ = try domain() }

  func run() async throws {
    let domain = try domain()
    let resolver = try dns.resolver(try dns.section(of: try dns.configuration()))
    let report = await DNSReport(of: domain, type, by: resolver)
    Console.print(try json ? QueueText.json(report) : report.lines.joined(separator: "\n"))
    guard report.exitCode == .success else { throw report.exitCode }
  }

  private func domain() throws -> DomainName {
    do throws(MailSyntaxError) {
      return try DomainName(name.count > 1 && name.hasSuffix(".") ? name.dropLast() : name[...])
    } catch {
      throw ValidationError("\(name): \(error); write a name such as example.org.")
    }
  }
}

/// What can be looked for.
enum DNSQuestion: String, ExpressibleByArgument, CaseIterable {
  case mx, a, aaaa, txt
  /// The name's own alias, one step.
  case cname
  /// The records of a service: `_25._tcp.mx.example.org`.
  case tlsa
  /// Not a type of record: all that is asked about a mail host to find the TLSA records that speak for it.
  case dane
}
