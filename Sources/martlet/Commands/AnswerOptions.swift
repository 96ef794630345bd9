import ArgumentParser
import DNSRecords
import MailSyntax

/// Where a command's answers come from: from a zone file in place of the DNS, else as `ResolverOptions` say.
struct AnswerOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Answers from this zone file alone.", valueName: "file")) var zone: String?
  @Option(
    help: ArgumentHelp(
      "With --zone: a name of which look-ups fail for what the file doesn't have; may be repeated.", valueName: "name"),
    transform: AnswerOptions.readName)
  var fails: [DomainName] = []
  @OptionGroup var dns: ResolverOptions

  func validate() throws {
    if !fails.isEmpty, zone == nil { throw ValidationError("--fails goes with --zone.") }
    if zone != nil, dns.config != nil || !dns.server.isEmpty || dns.trustAnchors != nil {
      throw ValidationError("--zone answers in place of the DNS: leave out --config, --server and --trust-anchors.")
    }
  }

  func resolver() throws -> any DNSRecords.Resolver {
    guard let zone else { return try dns.resolver(try dns.section(of: try dns.configuration())) }
    let octets = try ArgumentFile.read(zone, atMost: ZoneFile.maximumOctets + 1)
    do throws(ZoneFileFault) {
      return try ZoneFile(Array(octets)).resolver(failing: fails)
    } catch {
      Console.complain("\(QueueText.printable(zone)): \(error)")
      throw ExitStatus.badData
    }
  }

  private static func readName(_ text: String) throws -> DomainName {
    guard let name = try? DomainName(lookedUp: text.hasSuffix(".") ? text.dropLast() : text[...]) else {
      throw ValidationError("\(QueueText.printable(text)): this is no name.")
    }
    return name
  }
}
