import DNSRecords
import DNSTransport
import MailQueue
import MailSyntax
import Relay
import SystemWorld

extension House {
  /// How long a proof holds before it is tried again; a failed one is tried sooner.
  static let proofHolds: Duration = .seconds(3_600)
  static let proofIsRepeated: Duration = .seconds(60)

  /// Proves at the start, after each reload and from time to time that the resolver validates. Serving waits for none of
  /// it: what depends on a proof is put off by the deliveries themselves.
  func watchValidation() async {
    var proving: Task<Void, Never>?
    for await _ in foundation.resolvers.changes {
      proving?.cancel()
      proving = Task { await self.proveValidation() }
    }
    proving?.cancel()
  }

  private func proveValidation() async {
    while !Task.isCancelled, let (resolver, proof) = foundation.resolvers.current {
      let verdict = await proof.run(by: resolver, anchors: resolver.settings.anchors)
      guard !Task.isCancelled else { return }
      let wait: Duration
      switch verdict {
      case .off: return
      case .validates:
        if foundation.resolvers.isNews("validates", of: resolver) { log.record(MailEvent(.dnssecProven, [])) }
        wait = House.proofHolds
      case .fault(let fault):
        if foundation.resolvers.isNews(fault.name, of: resolver) {
          log.record(
            MailEvent(
              .alarm,
              [
                .init("what", .text("dnssec-not-validating")), .init("until-cleared", .flag(true)),
                .init("reason", .text(fault.description)),
                .init("remedy", .text(fault.remedy)),
              ]))
        }
        wait = House.proofIsRepeated
      }
      await clock.sleep(until: clock.uptime + wait)
    }
  }
}
