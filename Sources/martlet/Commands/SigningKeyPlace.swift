import ArgumentParser
import Configuration
import ControlPlane
import Foundation
import InternationalDomainNames
import MailAuthentication
import MailSyntax
import Relay
import SystemWorld

/// The signing keys of a server, as the commands of `martlet dkim` read and change them.
struct SigningKeyPlace {
  private let place: OperatingPlace
  private let file: SigningKeyFile
  private let afterlife: Duration

  init(_ place: OperatingPlace) {
    self.place = place
    file = SigningKeyFile(dataFolder: place.dataFolder)
    let queue = place.configuration?.queue ?? .init()
    afterlife = DKIMSelector.afterlife(ofQueue: queue.giveUpAfter)
  }

  // MARK: What is asked for

  static func domain(_ text: String) throws -> DomainName {
    let name = try Self.name(text)
    guard name.isFullyQualified else { throw ValidationError("\(QueueText.printable(text)): a whole domain is meant.") }
    let ascii = LibraryIDNAConverter().canonicalForm(of: name)
    guard ascii.isASCII else { throw ValidationError("\(QueueText.printable(text)) has no ASCII form.") }
    return ascii
  }

  static func selector(_ text: String) throws -> DomainName {
    let name = try Self.name(text)
    guard name.isASCII else { throw ValidationError("\(QueueText.printable(text)): a selector is of ASCII.") }
    return name
  }

  private static func name(_ text: String) throws -> DomainName {
    do throws(MailSyntaxError) {
      return try DomainName(text.hasSuffix(".") ? text.dropLast() : text[...])
    } catch {
      throw ValidationError("\(QueueText.printable(text)): \(error).")
    }
  }

  static func kinds(_ names: [String]) throws -> [DKIMKey.Kind] {
    guard !names.isEmpty else { return DKIMKey.Kind.allCases }
    let kinds = try names.map { name in
      guard let kind = DKIMKey.Kind(rawValue: name) else {
        throw ValidationError("--algorithm \(QueueText.printable(name)): there are rsa and ed25519.")
      }
      return kind
    }
    return DKIMKey.Kind.allCases.filter(kinds.contains)
  }

  // MARK: Reading

  func facts(of domain: DomainName?) throws -> [SigningKeyFacts] {
    let now = SystemClock().now
    let selectors = try keyring().selectors.filter { domain == nil || $0.domain == domain }
    return selectors.map { SigningKeyFacts($0, afterlife: afterlife, now: now) }
  }

  private func keyring() throws -> DKIMKeyring {
    guard FileManager.default.fileExists(atPath: place.dataFolder) else {
      throw FileTrouble("\(place.dataFolder): there is no such folder; see --data and --config")
    }
    return try explaining { () throws(DKIMKeyStoreFault) in try file.load() }
  }

  // MARK: Changing

  /// New keys, each under a name that tells its day and kind.
  func fresh(
    _ kinds: [DKIMKey.Kind], of domain: DomainName, beside keyring: DKIMKeyring
  ) throws -> [(name: DomainName, key: DKIMKey)] {
    let day = String(Timestamp(SystemClock().now).description.prefix(10))
    return try kinds.map { (try keyring.freshName(for: domain, $0, on: day), try DKIMKey.generate($0)) }
  }

  func add(
    to domain: DomainName, json: Bool, _ make: (DKIMKeyring) throws -> [(name: DomainName, key: DKIMKey)]
  ) async throws {
    try FileManager.default.createDirectory(
      atPath: place.dataFolder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    try OperatingPlace.becomeOwner(of: place.dataFolder)
    let now = SystemClock().now
    let made = try change { keyring in
      let made = try make(keyring).map {
        DKIMSelector(domain: domain, name: $0.name, key: $0.key, standing: .waiting, since: now)
      }
      for selector in made { try keyring.add(selector) }
      return made
    }
    let facts = made.map { SigningKeyFacts($0, afterlife: afterlife, now: now) }
    let server = await tellServer()
    if json {
      for fact in facts { Console.print(try QueueText.json(fact)) }
      return
    }
    let what = facts.count == 1 ? "this record" : "these records"
    Console.print(
      ([
        "Publish \(what) for \(domain); \(facts.count == 1 ? "the key signs" : "each key signs") as soon as the DNS shows it:",
        "",
      ].flatMap { $0.isEmpty ? [""] : QueueText.wrapped($0, indent: 0) } + facts.flatMap(\.zoneLines) + [""]
        + server.lines).joined(separator: "\n"))
  }

  func remove(_ name: DomainName, _ domain: DomainName, evenSigning: Bool) async throws {
    _ = try keyring()
    try OperatingPlace.becomeOwner(of: place.dataFolder)
    try change { keyring in
      guard let found = keyring[name, domain] else {
        throw ControlFault(.notFound, "there is no key \(name) of \(domain); see martlet dkim list")
      }
      guard evenSigning || found.standing != .signing else {
        throw ControlFault(.occupied, "\(name) of \(domain) signs; say --force to take it away all the same")
      }
      _ = keyring.remove(name, domain)
    }
    Console.print(
      (QueueText.wrapped(
        "The key \(name) of \(domain) is gone. Take its record out of the DNS where nobody may trust it any more.",
        indent: 0) + (await tellServer()).lines).joined(separator: "\n"))
  }

  /// An error in `edit` leaves all as it was.
  private func change<Result>(_ edit: (inout DKIMKeyring) throws -> Result) throws -> Result {
    var outcome: Swift.Result<Result, any Error>?
    _ = try explaining { () throws(DKIMKeyStoreFault) in
      try file.change { keyring in
        var changed = keyring
        outcome = Swift.Result { try edit(&changed) }
        if case .success = outcome { keyring = changed }
      }
    }
    do {
      guard let outcome else { throw ExitStatus.internalError }
      return try outcome.get()
    } catch let fault as DKIMKeyringFault {
      throw ControlFault(.occupied, "\(fault)")
    } catch let fault as DKIMKeyFileFault {
      throw ControlFault(.failed, "\(fault)")
    }
  }

  private func explaining<Result>(_ work: () throws(DKIMKeyStoreFault) -> Result) throws -> Result {
    do throws(DKIMKeyStoreFault) {
      return try work()
    } catch {
      throw FileTrouble(error.description)
    }
  }

  private struct Server { let lines: [String] }

  /// Lets a running server read the file again.
  private func tellServer() async -> Server {
    do throws(ControlFault) {
      for case .reloaded(let parts) in try await ControlClient.call(.reload(.signingKeys), socketPath: place.socketPath)
      where parts.contains("signing-keys") {
        let minutes = Int(MailSigning.waitingInterval.components.seconds) / 60
        return Server(
          lines: ["The running server knows, and looks at the DNS every \(minutes) minutes while a key waits."])
      }
      return Server(lines: ["The running server could not read the keys; its log says why."])
    } catch {
      guard error.kind != .nobodyListens else {
        return Server(lines: ["No server runs here; it will know when it starts."])
      }
      return Server(
        lines: QueueText.wrapped(
          "The file is written, but the running server did not read it: \(error.text)", indent: 0))
    }
  }
}

/// A signing key as commands show it: never with what is private of it.
struct SigningKeyFacts: Encodable {
  let domain: String
  let selector: String
  let kind: String
  let bits: Int
  let standing: String
  let since: Timestamp
  /// Of the TXT record.
  let name: String
  let value: String
  /// Of a retired key whose record nobody needs any more.
  let mayGoSince: Timestamp?
  /// Of a retired key.
  let neededUntil: Timestamp?

  private enum CodingKeys: String, CodingKey {
    case domain, selector, kind, bits, standing, since, name, value
    case mayGoSince = "may_go_since"
    case neededUntil = "needed_until"
  }

  init(_ held: DKIMSelector, afterlife: Duration, now: UTCInstant) {
    domain = held.domain.description
    selector = held.name.description
    kind = held.key.kind.rawValue
    bits = held.key.bits
    standing = held.standing.rawValue
    since = Timestamp(held.since)
    name = held.recordName.map { "\($0)" } ?? ""
    value = held.key.record
    let end = held.since + afterlife
    neededUntil = held.standing == .retired ? Timestamp(end) : nil
    mayGoSince = held.standing == .retired && end <= now ? Timestamp(end) : nil
  }

  /// Octets of one string of the record, so that a line has 80 columns at the most; strings may have 255.
  private static let stringOctets = 74

  /// As a zone file has it.
  var zoneLines: [String] {
    var strings: [String] = []
    var rest = value[...]
    while !rest.isEmpty {
      strings.append("  \"\(rest.prefix(SigningKeyFacts.stringOctets))\"")
      rest = rest.dropFirst(SigningKeyFacts.stringOctets)
    }
    return ["\(name). IN TXT ("] + strings.dropLast() + [(strings.last ?? "  \"\"") + " )"]
  }

  static func table(_ facts: [SigningKeyFacts]) -> [String] {
    guard !facts.isEmpty else { return ["No mail is signed: there is no key. Make some by martlet dkim generate."] }
    var lines = ["DOMAIN                  SELECTOR               KIND         STANDING  SINCE"]
    for fact in facts {
      let kind = fact.kind == "rsa" ? "rsa \(fact.bits)" : fact.kind
      lines.append(
        QueueText.left(fact.domain, 22) + "  " + QueueText.left(fact.selector, 21) + "  " + QueueText.left(kind, 11)
          + "  " + QueueText.left(fact.standing, 8) + "  " + String(fact.since.description.prefix(10)))
      if let note = fact.note { lines += QueueText.wrapped(note, indent: 2) }
    }
    return lines
  }

  private var note: String? {
    switch standing {
    case "waiting": "waits for its record; see martlet dkim records \(domain)"
    case "retired":
      mayGoSince == nil
        ? "its record is needed until \(neededUntil?.description.prefix(16) ?? "")Z, for mail that is on its way"
        : "nothing it signed is on its way any more: its record may go"
    case _: nil
    }
  }
}
