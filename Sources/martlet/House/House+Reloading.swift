import Accounts
import Configuration
import ControlPlane
import InternationalDomainNames
import MailQueue
import MailSyntax
import Relay
import SMTPTransport
import Synchronization
import SystemWorld

/// The parts that were read again, or why none was.
typealias ReloadOutcome = Result<[String], ControlFault>

extension House {
  /// Of the faults of a file, so many are logged.
  static let maximumLoggedFaults = 20

  /// Reads again what can be, one request after another, and says which parts were. What is bad keeps the old one and
  /// raises an alarm.
  func reload(_ scope: ReloadScope) async throws(ControlFault) -> [String] {
    let task = lastReload.withLock { last in
      let earlier = last
      let task = Task {
        _ = await earlier?.value
        return await self.readAgain(scope)
      }
      last = task
      return task
    }
    return try await task.value.get()
  }

  private func readAgain(_ scope: ReloadScope) async -> ReloadOutcome {
    var report = ReloadReport()
    switch scope {
    case .users:
      await rereadUsers(&report)
      return report.outcome
    case .signingKeys:
      rereadSigningKeys(&report)
      return report.outcome
    case .everything:
      do {
        if let source, try await takeConfiguration(from: source, &report) { return report.outcome }
      } catch let faults as ConfigurationFaults {
        for finding in faults.findings.filter({ $0.severity == .error }).prefix(House.maximumLoggedFaults) {
          alarm("configuration-not-reloaded", "\(finding)", &report)
        }
      } catch {
        alarm("configuration-not-reloaded", "\(error)", &report)
      }
      // Under the old configuration a renewed certificate and a user who was shut out still count.
      rereadCertificates(&report)
      await rereadUsers(&report)
      rereadSigningKeys(&report)
      return report.outcome
    }
  }

  /// Everything that the file says and names is made before anything is put in place: all of it, or an error and none.
  private func takeConfiguration(from source: ConfigurationSource, _ report: inout ReloadReport) async throws -> Bool {
    let running = configuration
    let (read, remarks) = try source.load(willListen: false)
    let (configuration, needingRestart) = read.taken(over: running)
    let certificates =
      try identities.map { _ in try TLSIdentityStore.Reading(configuration.certificates.map { TLSIdentityFiles($0) }) }
    var reception = intake.reception
    reception.routing = try configuration.routing(converter: LibraryIDNAConverter())
    reception.users = try UserFiles.load(configuration.usersFile)
    reception.giveUpAfter = configuration.queue.giveUpAfter
    let found = try foundation.resolvers.resolver(for: configuration)
    reception.connectionsPerAddressPerMinute = configuration.limits.connectionsPerAddressPerMinute
    // The old routes are let go: deliveries under way end on them, and their idle connections end themselves.
    let routes = try RouteTable(
      configuration, foundation: foundation, resolver: resolver ?? found, memory: kept.memory, clock: clock,
      random: SystemRandom(), events: log)
    reception.authentication = configuration.inboundAuthentication(foundation, resolver: resolver, ledger: tally)
    reception.nullExchangers = configuration.nullExchangers(resolver ?? found, clock: clock)
    reception.recipientChecks = routes.recipientChecks(configuration, clock: clock, events: log)

    // The last that can fail.
    try kept.replaceReach(configuration, foundation, resolver: resolver ?? found, fetcher: policyFetcher)
    foundation.resolvers.take(found, for: configuration)
    standing.replace(configuration, routes: routes)
    ledger.replace(ConnectionLimits(configuration.limits))
    kept.ratchet.replace(conduct: configuration.outbound.rules.onDowngrade)
    if let certificates { identities?.serve(certificates) }
    runner.replace(routes: routes, routing: reception.routing, options: QueueRunner.Options(configuration))
    lists.replace(configuration.inbound.lists, resolver: resolver ?? found)
    signing.replace(
      resolver: { [resolver, resolvers = foundation.resolvers] in
        resolver ?? resolvers.anyResolver(for: configuration)
      }, giveUpAfter: configuration.queue.giveUpAfter)
    await intake.replace(reception)
    source.taken(configuration)
    tell(remarks)

    report.done = ["configuration", "certificates", "users"]
    rereadSigningKeys(&report)
    tell("configuration", count: configuration.domains.count)
    if let identities { tell("certificates", count: identities.identities.count) }
    tell("users", count: reception.users.users.count)
    if !needingRestart.isEmpty {
      log.record(
        MailEvent(
          .alarm,
          [
            .init("what", .text(StandingAlarms.needsRestart)), .init("until-cleared", .flag(true)),
            .init("reason", .text("changed, and needs a restart: \(needingRestart.joined(separator: ", "))")),
            .init("remedy", .text("restart the server, or take the change back and reload")),
          ]))
    }
    return true
  }

  private func rereadCertificates(_ report: inout ReloadReport) {
    guard let identities else { return }
    do throws(TLSIdentityFault) {
      try identities.reload()
      tell("certificates", count: identities.identities.count)
      report.done.append("certificates")
    } catch {
      alarm("certificates-not-reloaded", error.description, &report)
    }
  }

  private func rereadUsers(_ report: inout ReloadReport) async {
    do {
      var reception = intake.reception
      reception.users = try UserFiles.load(configuration.usersFile)
      await intake.replace(reception)
      tell("users", count: reception.users.users.count)
      report.done.append("users")
    } catch {
      alarm("users-not-reloaded", "\(error)", &report)
    }
  }

  private func rereadSigningKeys(_ report: inout ReloadReport) {
    do throws(DKIMKeyStoreFault) {
      tell("signing-keys", count: try signing.reread())
      report.done.append("signing-keys")
    } catch {
      alarm("signing-keys-not-reloaded", error.description, &report)
    }
  }

  /// Reads certificates again when their files change, until the task is cancelled.
  func watchCertificates() async {
    await identities?.watch { outcome in
      switch outcome {
      case .success(let identities): self.tell("certificates", count: identities.count)
      case .failure(let fault):
        var report = ReloadReport()
        self.alarm("certificates-not-reloaded", fault.description, &report)
      }
    }
  }

  /// What the file says or names that is probably not meant so: the server serves with it.
  func tell(_ remarks: [ConfigurationFinding]) {
    for remark in remarks.prefix(House.maximumLoggedFaults) {
      let place = remark.position.map { "\(remark.file):\($0)" } ?? remark.file
      var fields: [MailEvent.Field] = [
        .init("what", .text("configuration-\(remark.severity.rawValue)")),
        .init("reason", .text("\(place): \(remark.text)")),
      ]
      if let remedy = remark.remedy { fields.append(.init("remedy", .text(remedy))) }
      log.record(MailEvent(.alarm, fields))
    }
  }

  private func tell(_ what: String, count: Int) {
    log.record(MailEvent(.reloaded, [.init("what", .text(what)), .init("count", .number(count))]))
  }

  private func alarm(_ what: String, _ reason: String, _ report: inout ReloadReport) {
    log.record(
      MailEvent(
        .alarm, [.init("what", .text(what)), .init("reason", .text(reason)), .init("until-cleared", .flag(true))]))
    report.trouble.append(reason)
  }
}

private struct ReloadReport {
  var done: [String] = []
  var trouble: [String] = []

  var outcome: ReloadOutcome {
    guard !trouble.isEmpty else { return .success(done) }
    let rest = done.isEmpty ? "" : "; read again all the same: \(done.joined(separator: ", "))"
    return .failure(ControlFault(.failed, trouble.joined(separator: "; ") + rest))
  }
}
