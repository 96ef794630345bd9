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
    guard !"\(name)".lowercased().contains("_domainkey") else {
      throw ValidationError("\(QueueText.printable(text)): a selector is what stands before ._domainkey.")
    }
    return name
  }

  /// With or without the root's dot.
  static func name(_ text: String) throws -> DomainName {
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
    if let domain, selectors.isEmpty {
      throw ControlFault(.notFound, "\(domain) has no key here; make some by martlet dkim generate \(domain)")
    }
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
    let digits = Timestamp(SystemClock().now).description.prefix(19).filter(\.isNumber)
    // `20261102-100000`
    let moment = "\(digits.prefix(8))-\(digits.dropFirst(8))"
    return try kinds.map { (try keyring.freshName(for: domain, $0, at: moment), try DKIMKey.generate($0)) }
  }

  func add(
    to domain: DomainName, json: Bool, _ make: (DKIMKeyring) throws -> [(name: DomainName, key: DKIMKey)]
  ) async throws {
    // A folder that only a misspelt word names must not get keys that no server reads.
    if place.configuration == nil { _ = try keyring() }
    try FileManager.default.createDirectory(
      atPath: place.dataFolder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    try OperatingPlace.becomeOwner(of: place.dataFolder)
    let now = SystemClock().now
    let (made, isSuccessor) = try change { keyring in
      let signing = Set(keyring.selectors(of: domain).filter { $0.standing == .signing }.map(\.key.kind))
      let made = try make(keyring).map {
        DKIMSelector(domain: domain, name: $0.name, key: $0.key, standing: .waiting, since: now)
      }
      for selector in made { try keyring.add(selector) }
      return (made, made.contains { signing.contains($0.key.kind) })
    }
    let facts = made.map { SigningKeyFacts($0, afterlife: afterlife, now: now) }
    let server = await tellServer()
    if json {
      for fact in facts { Console.print(try QueueText.json(fact)) }
      return
    }
    let what = facts.count == 1 ? "this record" : "these records"
    let who = facts.count == 1 ? "the key signs" : "each key signs"
    let instead =
      !isSuccessor ? "" : facts.count == 1 ? ", in place of the one before it," : ", in place of its predecessor,"
    try finish(
      QueueText.wrapped(
        "Publish \(what) for \(domain), where the DNS hasn't got it; \(who)\(instead) as soon as the DNS shows it:",
        indent: 0)
        + [""]
        + facts.flatMap(\.zoneLines) + [""], server.lines(whileWaiting: true), server)
  }

  func remove(_ name: DomainName, _ domain: DomainName, evenSigning: Bool) async throws {
    _ = try keyring()
    try OperatingPlace.becomeOwner(of: place.dataFolder)
    let (standing, isUnsigned) = try change { keyring in
      guard let found = keyring[name, domain] else {
        throw ControlFault(.notFound, "there is no key \(name) of \(domain); see martlet dkim list")
      }
      let isNeeded = found.standing == .retired && found.since + afterlife > SystemClock().now
      guard evenSigning || (found.standing != .signing && !isNeeded) else {
        let reason =
          isNeeded ? "is needed until \(Timestamp(found.since + afterlife)), for mail that is on its way" : "signs"
        throw ControlFault(.occupied, "\(name) of \(domain) \(reason); say --force to take it away all the same")
      }
      _ = keyring.remove(name, domain)
      return (found.standing, keyring.signings(for: [domain]).isEmpty)
    }
    let server = await tellServer()
    try finish(
      QueueText.wrapped(
        "The key \(name) of \(domain) is gone."
          + (standing == .waiting
            ? ""
            : " Where somebody else may have it, take its record out of the DNS, too; else leave it for some days.")
          + (standing == .signing && isUnsigned ? " Mail of \(domain) goes UNSIGNED from now on." : ""),
        indent: 0), server.lines(whileWaiting: false), server)
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
      switch error.kind {
      case .unavailable: throw FileTrouble(error.description)
      case .notPermitted: throw ControlFault(.notPermitted, error.description)
      case .damaged: throw ControlFault(.badRequest, error.description)
      }
    }
  }

  /// What a running server makes of the change.
  private enum Server {
    case knows, notRunning
    case failed(String)

    func lines(whileWaiting: Bool) -> [String] {
      switch self {
      case .knows:
        let minutes = Int(MailSigning.waitingInterval.components.seconds) / 60
        let looks = whileWaiting ? " While a key waits it looks at the DNS every \(minutes) minutes." : ""
        return QueueText.wrapped("The running server knows.\(looks)", indent: 0)
      case .notRunning: return ["No server runs here; it will know when it starts."]
      case .failed(let reason):
        return QueueText.wrapped(
          "The file is written, but the running server goes by the old one: \(reason)", indent: 0)
      }
    }
  }

  /// Lets a running server read the file again.
  private func tellServer() async -> Server {
    do throws(ControlFault) {
      for case .reloaded(let parts) in try await ControlClient.call(.reload(.signingKeys), socketPath: place.socketPath)
      where parts.contains("signing-keys") { return .knows }
      return .failed("it could not read the keys; its log says why")
    } catch {
      return error.kind == .nobodyListens ? .notRunning : .failed(error.text)
    }
  }

  /// What was changed is told; a server that doesn't know of it is a failure, since it signs on as before.
  private func finish(_ lines: [String], _ told: [String], _ server: Server) throws {
    Console.print((lines + told).joined(separator: "\n"))
    if case .failed = server { throw ExitStatus.tryAgain }
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
    guard !facts.isEmpty else { return ["There is no such key. Make some by martlet dkim generate DOMAIN."] }
    var lines = ["DOMAIN             SELECTOR                 KIND      STANDING  SINCE (UTC)"]
    for fact in facts {
      let kind = fact.kind == "rsa" ? "rsa \(fact.bits)" : fact.kind
      lines.append(
        QueueText.left(fact.domain, 17) + "  " + QueueText.left(fact.selector, 23) + "  " + QueueText.left(kind, 8)
          + "  " + QueueText.left(fact.standing, 8) + "  " + fact.since.description.prefix(16).replacing("T", with: " ")
      )
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
