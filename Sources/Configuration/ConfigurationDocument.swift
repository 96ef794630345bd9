extension ConfigurationKey {
  /// Every key of the file, in the order of the documentation.
  public static let all: [ConfigurationKey] = {
    let house = [Keys.hostName.row, Keys.data.row, Keys.users.row, Keys.logFormat.row, Keys.drainTime.row]
    let listeners = [
      Keys.submissions.row, Keys.submission.row, Keys.relay.row, Keys.addresses.row, Keys.inherited.row,
      Keys.proxyFrom.row,
    ]
    let tls = [Keys.chain.row, Keys.key.row, Keys.trustRoots.row]
    let domains = [
      Keys.recipients.row, Keys.aliases.row, Keys.catchAll.row, Keys.postmaster.row, Keys.abuse.row,
      Keys.recipientDelimiter.row, Keys.deliver.row, Keys.maildir.row, Keys.lmtp.row, Keys.domainAuthentication.row,
    ]
    let inbound = [
      Keys.listZone.row, Keys.listName.row, Keys.listAnswers.row, Keys.listAction.row, Keys.uncheckedNetworks.row,
      Keys.authentication.row,
    ]
    let outbound = [
      Keys.route.row, Keys.outboundMaildir.row, Keys.sourceAddress.row, Keys.sourceName.row,
      Keys.floor.row, Keys.floors.row, Keys.onDowngrade.row, Keys.ownNames.row, Keys.hostConnections.row,
      Keys.hostPace.row,
      Keys.domainPace.row, Keys.domainDeliveries.row, Keys.ownDomainPace.row, Keys.ownHostConnections.row,
      Keys.ownHostPace.row, Keys.exchangerPort.row, Keys.smarthostHost.row, Keys.smarthostPort.row,
      Keys.smarthostTLS.row, Keys.smarthostUser.row, Keys.passwordFile.row, Keys.tokenCommand.row, Keys.chunking.row,
    ]
    let dns = [Keys.dnsServers.row, Keys.trustAnchors.row, Keys.probeSecure.row, Keys.probeBogus.row]
    let queue = [
      Keys.retry.row, Keys.policyRetry.row, Keys.retryJitter.row, Keys.giveUpAfter.row, Keys.delayReportAfter.row,
      Keys.history.row,
      Keys.spaceFloor.row, Keys.routeConcurrency.row,
    ]
    return house + listeners + tls + domains + inbound + outbound + dns + queue + Keys.limitRows
  }()

  /// The text of `Documentation/Configuration.md`, Markdown; a test compares the file with it.
  public static var document: String {
    var lines = [
      "# The configuration file",
      "",
      "One YAML file says everything; `Examples/martlet.yaml` is one with comments. This page is written from the table",
      "in `Sources/Configuration/Keys.swift`; a test compares the two.",
      "",
      "- `martlet check --config FILE` tells all that is wrong at once, each as `file:line:column: error: what`, with a",
      "  line on how to mend it. `martlet serve` finds the same: it logs the warnings, and refuses to start with an error",
      "  unless it can serve with it, as with an expired certificate.",
      "- A key that isn't known is an error, and so is one that stands twice: a misspelt key must not be silently",
      "  without effect.",
      "- Durations are whole numbers with `ms`, `s`, `m`, `h` or `d`; sizes are bytes, or numbers with `KiB`, `MiB`,",
      "  `GiB` or `TiB`. A number without the unit of a duration is refused rather than guessed.",
      "- Where a list is wanted, a single value is a list of one.",
      "- Relative paths are taken from the folder of the configuration file.",
      "- No secret stands in this file: passwords and keys are named by the file that holds them.",
      "- SIGHUP makes a running server read the file again, with the certificates, users, roots and passwords that it",
      "  names: whole, or with a fault in any of them not at all. Keys marked `restart` are read at the start alone: a",
      "  change to one is named in the log, and the rest of the file is taken. Sessions keep the limits they began with,",
      "  and deliveries under way end as they began.",
      "",
    ]
    for part in parts {
      lines += ["## \(part.title)", ""]
      if let note = part.note { lines += [note, ""] }
      lines += ["| key | value | default | SIGHUP | what it is |", "|---|---|---|---|---|"]
      for key in all where part.includes(key) {
        lines.append(
          "| `\(key.path)` | \(key.form) | \(key.presence.cell) | \(key.isReadAgain ? "read" : "restart") | \(key.meaning) |"
        )
      }
      lines.append("")
    }
    return lines.dropLast().joined(separator: "\n") + "\n"
  }

  private struct Part {
    let title: String
    /// The first component of the keys' paths; nil for all that no other part takes.
    let root: String?
    var note: String?

    func includes(_ key: ConfigurationKey) -> Bool {
      let first = key.path.prefix { $0 != "." && $0 != "[" }
      guard let root else { return !parts.contains { $0.root.map { $0[...] } == first } }
      return first == root
    }
  }

  private static let parts = [
    Part(title: "The house", root: nil),
    Part(
      title: "Listeners", root: "listen",
      note: "At least one listener is there. Each is an address, a list of addresses, or a section with the keys "
        + "below, in which `ROLE` is `submissions`, `submission` or `relay`. `:465` means every address, IPv4 and IPv6."
    ),
    Part(
      title: "Certificates", root: "tls",
      note: "Submission needs a certificate. A relay listener without one offers no STARTTLS."),
    Part(
      title: "Domains", root: "domains",
      note: "`domains` is a section in which each key is the name of a domain of ours (`NAME`). The first one is the "
        + "primary: its postmaster hears of what can be told to nobody else. Recipients and aliases are matched without "
        + "regard to case."),
    Part(
      title: "Inbound", root: "inbound",
      note:
        "What mail from other servers must get past. Without this section nothing is asked about them. Lists are asked "
        + "through the server's own resolver, which it then has also without the section `dns`."),
    Part(
      title: "Outbound", root: "outbound",
      note: "Without this section mail for other domains is refused. The section `smarthost` belongs to the route of "
        + "that name. A `user` needs either `password_file` or `token_command`."),
    Part(
      title: "DNS", root: "dns",
      note: "With this section, be it empty, the server has a resolver of its own that validates, and proves so. A "
        + "change of the section or of the file of anchors makes a new one, with an empty cache."),
    Part(title: "Queue", root: "queue"),
    Part(
      title: "Limits", root: "limits",
      note: "Where an RFC sets a least, less is refused with its name."),
  ]
}

extension ConfigurationKey.Presence {
  fileprivate var cell: String {
    switch self {
    case .required: "required"
    case .optional(let words): words
    }
  }
}
