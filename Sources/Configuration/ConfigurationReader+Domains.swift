import MailSyntax
import Relay
import SMTPSessions

extension ConfigurationReader {
  mutating func readDomains(in root: Section) -> [Configuration.Domain] {
    guard let entry = root.entry("domains"),
      let section = freeSection(entry.value, path: "domains", place: "domains", at: entry.position)
    else { return [] }
    var domains: [Configuration.Domain] = []
    for entry in section.entries where entry.earlier == nil {
      let name: DomainName
      do {
        name = try ValueForm<DomainName>.domain.read(entry.name)
      } catch {
        let remedy = error.remedy ?? "give \(ValueForm<DomainName>.domain.words)"
        fault("domains: \(error.text)", at: entry.position, remedy)
        continue
      }
      let before = errorCount
      routes.named.insert(name)
      guard let domain = readDomain(name, entry) else { continue }
      domains.append(domain)
      if errorCount == before { routes.domains.append(domain) }
    }
    return domains
  }

  private mutating func readDomain(_ name: DomainName, _ entry: YAMLEntry) -> Configuration.Domain? {
    let place = Configuration.place(of: name)
    if entry.name != name.folded { note(place, at: entry.position) }
    guard let section = section(entry.value, path: "domains.NAME", place: place, at: entry.position) else { return nil }
    let asks = asksForRecipients(in: section)
    let recipients = asks ? [] : readRecipients(in: section)
    let aliases = readAliases(of: name, in: section)
    let catchAll = readAddressee(Keys.catchAll, of: name, in: section)
    let abuse = readAddressee(Keys.abuse, of: name, in: section)
    checkDoubled(Keys.abuse, recipients, aliases, in: section)
    let postmaster = readPostmaster(of: name, recipients, aliases, in: section)
    let delimiter = read(Keys.recipientDelimiter, in: section) ?? .character("+")
    let deliver = readDelivery(in: section)
    let authentication = read(Keys.domainAuthentication, in: section)
    guard let postmaster, let deliver else { return nil }
    if asks { checkAsking(deliver, in: section) }
    warnOfHidden(recipients, aliases, in: section)
    if case .maildir(let path) = deliver, recipients.count > 1, !path.contains("%n") {
      warn(
        "\(section.place): all of its mailboxes share one Maildir", at: position(of: section.place(of: "deliver")),
        "put %n into the path, where the local part is to stand")
    }
    var domain = Configuration.Domain(
      name: name, recipients: recipients.map(\.value), asksForRecipients: asks, aliases: aliases, catchAll: catchAll,
      postmaster: postmaster,
      abuse: abuse, recipientDelimiter: delimiter.character, deliver: deliver)
    domain.authentication = authentication
    return domain
  }

  /// A word in the place of the list; a mailbox of that name stands in a list of one.
  private func asksForRecipients(in section: Section) -> Bool {
    guard let entry = section.entry(Keys.recipients.name), case .scalar(let text, _) = entry.value.content else {
      return false
    }
    return text == Keys.askLMTP
  }

  private mutating func checkAsking(_ deliver: Configuration.Destination, in section: Section) {
    let place = section.place(of: Keys.recipients.name)
    switch deliver {
    case .lmtp: break
    case .maildir, .discard:
      fault(
        "\(place): \(Keys.askLMTP) asks an LMTP server, and this domain's mail goes to none", at: position(of: place),
        "list the mailboxes, or give deliver: with lmtp")
    }
    if section.has(Keys.catchAll.name) {
      fault(
        "\(section.place(of: Keys.catchAll.name)): who isn't here is the LMTP server's to say",
        at: position(of: section.place(of: Keys.catchAll.name)), "leave out either catch_all or \(Keys.askLMTP)")
    }
  }

  private mutating func readRecipients(in section: Section) -> [Placed<String>] {
    let recipients = readList(Keys.recipients, in: section) ?? []
    for recipient in recipients {
      note(Configuration.place(ofRecipient: recipient.value, in: section.place), at: recipient.position)
    }
    return recipients
  }

  private mutating func readAliases(of name: DomainName, in section: Section) -> [Configuration.Domain.Alias] {
    guard let entry = section.entry(Keys.aliases.name),
      let aliases = freeSection(
        entry.value, path: Keys.aliases.row.path, place: section.place(of: Keys.aliases.name), at: entry.position)
    else { return [] }
    var found: [Configuration.Domain.Alias] = []
    for entry in aliases.entries where entry.earlier == nil {
      let localPart: String
      do {
        localPart = try ValueForm<String>.localPart.read(entry.name)
      } catch {
        fault("\(aliases.place): \(error.text)", at: entry.position, error.remedy ?? "give what stands before the @")
        continue
      }
      let place = Configuration.place(ofAlias: localPart, in: section.place)
      note(place, at: entry.position)
      let targets = items(of: entry.value, as: Keys.aliases.form, called: aliases.place(of: entry.name)).map {
        Placed(value: $0.value.mailbox(in: name), position: $0.position)
      }
      for target in targets { note("\(place) \(target.value)", at: target.position) }
      found.append(Configuration.Domain.Alias(localPart: localPart, targets: targets.map(\.value)))
    }
    return found
  }

  private mutating func readAddressee(
    _ key: Key<Addressee>, of name: DomainName, in section: Section
  ) -> Mailbox? {
    read(key, in: section)?.mailbox(in: name)
  }

  /// RFC 5321 §4.5.1: every domain has a postmaster.
  private mutating func readPostmaster(
    of name: DomainName, _ recipients: [Placed<String>], _ aliases: [Configuration.Domain.Alias], in section: Section
  ) -> Mailbox? {
    if section.has(Keys.postmaster.name) {
      checkDoubled(Keys.postmaster, recipients, aliases, in: section)
      return readAddressee(Keys.postmaster, of: name, in: section)
    }
    if names(Keys.postmaster.name, recipients, aliases) {
      return Mailbox(localPart: Keys.postmaster.name, domain: .name(name))
    }
    fault(
      "\(section.place): nobody reads the postmaster's mail (RFC 5321 §4.5.1)", at: section.position,
      "add postmaster: with the address of a person")
    return nil
  }

  private func names(
    _ name: String, _ recipients: [Placed<String>], _ aliases: [Configuration.Domain.Alias]
  ) -> Bool {
    recipients.contains { $0.value.lowercasedASCII() == name }
      || aliases.contains { $0.localPart.lowercasedASCII() == name }
  }

  private mutating func checkDoubled(
    _ key: Key<Addressee>, _ recipients: [Placed<String>], _ aliases: [Configuration.Domain.Alias], in section: Section
  ) {
    guard let entry = section.entry(key.name), names(key.name, recipients, aliases) else { return }
    fault(
      "\(section.place(of: key.name)): a recipient or alias of this name takes the mail already", at: entry.position,
      "leave one of the two")
  }

  private mutating func warnOfHidden(
    _ recipients: [Placed<String>], _ aliases: [Configuration.Domain.Alias], in section: Section
  ) {
    let recipients = Set(recipients.map { $0.value.lowercasedASCII() })
    for alias in aliases {
      let name = alias.localPart.lowercasedASCII()
      guard recipients.contains(name),
        !alias.targets.contains(where: { $0.localPart.lowercasedASCII() == name })
      else { continue }
      warn(
        "the alias \(alias.localPart) takes all mail from the recipient of that name",
        at: position(of: Configuration.place(ofAlias: name, in: section.place)),
        "add \(alias.localPart) to its own addresses to keep a copy, or take the recipient out")
    }
  }

  // MARK: Delivery

  /// `discard`, or a section with one of `maildir` and `lmtp`.
  private mutating func readDelivery(in section: Section) -> Configuration.Destination? {
    let place = section.place(of: Keys.deliver.name)
    let remedy = "give \(Keys.deliver.form.words)"
    guard let entry = section.entry(Keys.deliver.name) else {
      fault("\(place) is missing", at: section.position, "add deliver: \(Keys.deliver.form.words)")
      return nil
    }
    if case .scalar(let text, _) = entry.value.content, !entry.value.isNothing {
      guard text == "discard" else {
        fault("\(place): '\(text)' is not discard", at: entry.value.position, remedy)
        return nil
      }
      return .discard
    }
    let before = errorCount
    guard let deliver = open(Keys.deliver.name, in: section) else { return nil }
    let maildir = read(Keys.maildir, in: deliver).map { Configuration.Destination.maildir(path: absolute($0)) }
    let lmtp = read(Keys.lmtp, in: deliver).map { Configuration.Destination.lmtp(absolute($0)) }
    if maildir != nil, lmtp != nil {
      fault("\(place): mail is put in one place", at: entry.position, "leave either maildir or lmtp")
    } else if maildir == nil, lmtp == nil, errorCount == before {
      fault("\(place): no place is given", at: entry.position, remedy)
    }
    return maildir ?? lmtp
  }

  private func absolute(_ target: DialTarget) -> DialTarget {
    switch target {
    case .unixSocket(let path): .unixSocket(path: absolute(path))
    case .host, .address, .addresses: target
    }
  }
}

extension Delimiter {
  fileprivate var character: Character? {
    switch self {
    case .none: nil
    case .character(let character): character
    }
  }
}
