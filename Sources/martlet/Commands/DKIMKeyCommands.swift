import ArgumentParser
import ControlPlane
import Foundation
import InternationalDomainNames
import MailAuthentication
import MailQueue
import MailSyntax
import Relay
import SystemWorld

struct DKIMGenerate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Make a domain's first keys, and print the records to publish.",
    usage: "martlet dkim generate --config <file> <domain> [<options>]",
    discussion: """
      One key of RSA, which everybody verifies, and one of Ed25519 (RFC 8463): mail gets a signature by each. They \
      stand in dkim-keys.json of the data folder. Each begins to sign by itself once the DNS shows its record, so that \
      no signature goes out that nobody could verify. Mail is signed that users submit and whose From is in the \
      domain, or below it where no nearer domain has keys.

      A key that signs elsewhere already is brought by --selector and --key, and needs no other record.
      """)

  @OptionGroup var place: PlaceOptions
  @Argument(help: ArgumentHelp("The domain of the mail's From.", valueName: "domain")) var domain: String
  @Option(help: ArgumentHelp("rsa or ed25519; without it one of each.", valueName: "kind")) var algorithm: [String] = []
  @Option(help: ArgumentHelp("The name of a key of your own.", valueName: "name")) var selector: String?
  @Option(help: ArgumentHelp("A private key of your own, in PEM.", valueName: "file")) var key: String?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    _ = try SigningKeyPlace.domain(domain)
    _ = try SigningKeyPlace.kinds(algorithm)
    guard (selector == nil) == (key == nil) else { throw ValidationError("--selector and --key go together.") }
    if key != nil, !algorithm.isEmpty { throw ValidationError("A key of your own says itself of which kind it is.") }
  }

  func run() async throws {
    try await complaining {
      let keys = SigningKeyPlace(try place.place())
      let domain = try SigningKeyPlace.domain(domain)
      if let selector, let key {
        let octets = try ArgumentFile.read(key, atMost: DKIMKey.maximumOctets + 1)
        let own = try explaining(key) { try DKIMKey(pem: Secret(octets)) }
        if let advice = own.advice { Console.complain("\(QueueText.printable(key)): \(advice)") }
        let name = try SigningKeyPlace.selector(selector)
        return try await keys.add(to: domain, json: json) { _ in [(name, own)] }
      }
      let kinds = try SigningKeyPlace.kinds(algorithm)
      try await keys.add(to: domain, json: json) { keyring in
        let held = keyring.selectors(of: domain).filter { $0.standing != .retired && kinds.contains($0.key.kind) }
        guard held.isEmpty else {
          throw ControlFault(
            .occupied,
            "\(domain) has \(held.map(\.name.description).joined(separator: " and ")) already; a successor is made by "
              + "martlet dkim rotate \(domain)")
        }
        return try keys.fresh(kinds, of: domain, beside: keyring)
      }
    }
  }

  private func explaining<Result>(_ file: String, _ work: () throws -> Result) throws -> Result {
    do {
      return try work()
    } catch let fault as DKIMKeyFileFault {
      Console.complain("\(QueueText.printable(file)): \(fault)")
      throw ExitStatus.badData
    }
  }
}

struct DKIMRotate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rotate", abstract: "Make the successors of a domain's keys, and print their records.",
    usage: "martlet dkim rotate --config <file> <domain> [<options>]",
    discussion: """
      The keys that sign go on until the DNS shows the records of the new ones, and are retired then. A retired key's \
      record stays published for as long as mail that it signed may be on its way: for the queue's give_up_after and \
      a day. Then martlet dkim list says that it may go, and once it is gone the key is forgotten.
      """)

  @OptionGroup var place: PlaceOptions
  @Argument(help: ArgumentHelp("The domain.", valueName: "domain")) var domain: String
  @Option(help: ArgumentHelp("rsa or ed25519; without it all that sign.", valueName: "kind")) var algorithm: [String] =
    []
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    _ = try SigningKeyPlace.domain(domain)
    _ = try SigningKeyPlace.kinds(algorithm)
  }

  func run() async throws {
    try await complaining {
      let keys = SigningKeyPlace(try place.place())
      let domain = try SigningKeyPlace.domain(domain)
      let kinds = try SigningKeyPlace.kinds(algorithm)
      try await keys.add(to: domain, json: json) { keyring in
        let signing = keyring.selectors(of: domain).filter { $0.standing == .signing }.map(\.key.kind)
        let meant = kinds.filter { algorithm.isEmpty ? signing.contains($0) : true }
        if let waiting = keyring.selectors(of: domain).first(where: {
          $0.standing == .waiting && kinds.contains($0.key.kind)
        }) {
          throw ControlFault(
            .occupied,
            "\(waiting.name) of \(domain) waits for its record already; publish what martlet dkim records \(domain) "
              + "prints, or take it away by martlet dkim remove")
        }
        guard !meant.isEmpty else {
          throw ControlFault(
            .notFound, "no key of \(domain) signs; see martlet dkim list, and martlet dkim generate \(domain)")
        }
        return try keys.fresh(meant, of: domain, beside: keyring)
      }
    }
  }
}

struct DKIMRecords: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "records", abstract: "The records that must stand in the DNS, as lines of a zone file.",
    usage: "martlet dkim records --config <file> [<domain>] [<options>]",
    discussion: """
      Those of all keys, retired ones too for as long as they are needed. Where a form asks for one value, put the \
      strings together without space: --json prints it so.
      """)

  @OptionGroup var place: PlaceOptions
  @Argument(help: ArgumentHelp("The domain; without it all.", valueName: "domain")) var domain: String?
  @Flag(help: "Print JSON, one object a line.") var json = false

  func validate() throws { if let domain { _ = try SigningKeyPlace.domain(domain) } }

  func run() async throws {
    try await complaining {
      let keys = SigningKeyPlace(try place.place())
      let facts = try keys.facts(of: try domain.map { try SigningKeyPlace.domain($0) }).filter { $0.mayGoSince == nil }
      if json {
        for fact in facts { Console.print(try QueueText.json(fact)) }
      } else {
        Console.print(
          facts.isEmpty
            ? "; there is no key, and no record to publish" : facts.flatMap(\.zoneLines).joined(separator: "\n"))
      }
    }
  }
}

struct DKIMList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "The signing keys, and how far each is.",
    usage: "martlet dkim list --config <file> [<domain>] [<options>]",
    discussion: """
      A key waits until the DNS shows its record; then it signs; then its successor does and it is retired. With \
      --json one object a line.
      """)

  @OptionGroup var place: PlaceOptions
  @Argument(help: ArgumentHelp("The domain; without it all.", valueName: "domain")) var domain: String?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws { if let domain { _ = try SigningKeyPlace.domain(domain) } }

  func run() async throws {
    try await complaining {
      let keys = SigningKeyPlace(try place.place())
      if json {
        for fact in try keys.facts(of: try domain.map { try SigningKeyPlace.domain($0) }) {
          Console.print(try QueueText.json(fact))
        }
      } else {
        let facts = try keys.facts(of: try domain.map { try SigningKeyPlace.domain($0) })
        Console.print(SigningKeyFacts.table(facts).joined(separator: "\n"))
      }
    }
  }
}

struct DKIMRemove: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Take a key away for good.",
    usage: "martlet dkim remove --config <file> <domain> <selector> [--force]",
    discussion: """
      For one that is no longer trusted: take its record out of the DNS, too. A key that signs, or whose record mail on \
      its way still needs, goes only with --force; without another of its kind the domain's mail then lacks that \
      signature.
      """)

  @OptionGroup var place: PlaceOptions
  @Argument(help: ArgumentHelp("The domain.", valueName: "domain")) var domain: String
  @Argument(help: ArgumentHelp("The key's selector.", valueName: "selector")) var selector: String
  @Flag(help: "Also one that signs, or is still needed.") var force = false

  func validate() throws {
    _ = try SigningKeyPlace.domain(domain)
    _ = try SigningKeyPlace.selector(selector)
  }

  func run() async throws {
    try await complaining {
      let keys = SigningKeyPlace(try place.place())
      let (domain, name) = (try SigningKeyPlace.domain(domain), try SigningKeyPlace.selector(selector))
      try await keys.remove(name, domain, evenSigning: force)
    }
  }
}
