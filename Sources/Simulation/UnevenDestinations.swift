import MailQueue
import MailSyntax
import NIOCore
import OrderedCollections
import QueueModel
import Relay
import SMTPGrammar
import SMTPSessions

/// No destination starves another: beside dead ones, slow ones, and such as put mail off, each with much mail queued, the
/// mail for those that are well arrives soon. Everything else works on such a day.
///
/// Everything happens on the world's thread.
final class UnevenDestinations: @unchecked Sendable {
  /// How one of them is until the faults stop.
  struct Kind: Sendable {
    let label: String
    let mood: HostMood
    /// Whether its host ever takes mail; else it stays on trial.
    let answers: Bool
    /// The most letters that are queued for it at once; those that are well get theirs one by one.
    let heap: Int

    /// The longest that a delivery to it holds one of the server's hands.
    ///
    /// A session asks ten things at most: it connects, is greeted, says EHLO, STARTTLS, EHLO, MAIL, RCPT, DATA and the
    /// content, and RSET before another message. Three look-ups come before it.
    var hold: Duration {
      let lookups = Duration.seconds(3 * 3)
      guard !mood.isSilent else { return lookups + ExchangerSettings.patience.connect }
      return lookups + (mood.slowest + .milliseconds(100)) * 10
    }
  }

  private static let kinds: [(most: Int, kind: Kind)] = [
    (6, Kind(label: "dead", mood: HostMood(isSilent: true), answers: false, heap: 12)),
    (2, Kind(label: "slow", mood: HostMood(slowest: .seconds(9)), answers: true, heap: 80)),
    (3, Kind(label: "busy", mood: HostMood(turnsAway: true), answers: false, heap: 12)),
    (2, Kind(label: "grey", mood: HostMood(greylists: .seconds(300)), answers: true, heap: 6)),
  ]
  private static let well = Kind(label: "live", mood: .well, answers: true, heap: 10)

  /// Each with its kind.
  let domains: OrderedDictionary<DomainName, Kind>

  init(_ random: SeededRandom) throws {
    var domains: OrderedDictionary<DomainName, Kind> = [:]
    for (most, kind) in UnevenDestinations.kinds {
      for number in 0..<random.below(most + 1) {
        domains[try DomainName("\(kind.label)\(number).example")] = kind
      }
    }
    for number in 0..<3 { domains[try DomainName("live\(number).example")] = UnevenDestinations.well }
    self.domains = domains
  }

  // MARK: Letters

  private struct Wait {
    let domain: DomainName
    let begun: Uptime
    var arrived: Uptime?
  }
  private var waits: OrderedDictionary<QueueID, Wait> = [:]

  func arrived(_ id: QueueID, at moment: Uptime) { waits[id]?.arrived = moment }

  func send(by simulation: MailSimulation) async {
    simulation.internet.ledger.arrival = { [weak self, clock = simulation.internet.clock] entry in
      self?.arrived(entry.id, at: clock.uptime)
    }
    // The server starts first.
    await simulation.internet.clock.sleep(for: .seconds(1))
    await withDiscardingTaskGroup { group in
      group.addTask { await self.fillDisk(of: simulation) }
      for (domain, kind) in domains {
        group.addTask { [self] in
          for number in 0..<kind.heap {
            if kind.mood == .well { await simulation.pause(upTo: 100) }
            await submit(number, to: domain, isMeasured: kind.mood == .well, by: simulation)
          }
        }
      }
    }
  }

  /// For some hours there is no room for new mail, and what is queued goes on leaving.
  private func fillDisk(of simulation: MailSimulation) async {
    guard simulation.random.chance(50) else { return }
    await simulation.pause(upTo: 1_000)
    // Some of it is queued at that moment.
    for (domain, kind) in domains where kind.mood == .well {
      for number in 0..<UnevenDestinations.lastLetters {
        await submit(kind.heap + number, to: domain, isMeasured: true, by: simulation)
      }
    }
    simulation.internet.inject(.spaceLow)
    isFull = true
    simulation.store.setSpaceLow(true)
    await simulation.internet.clock.sleep(for: .seconds(2 * 3_600))
    simulation.store.setSpaceLow(false)
    isFull = false
  }
  private static let lastLetters = 4
  private var isFull = false

  private func submit(
    _ number: Int, to domain: DomainName, isMeasured: Bool, by simulation: MailSimulation
  ) async {
    let (ledger, clock) = (simulation.internet.ledger, simulation.internet.clock)
    guard let server = simulation.server else { return ledger.violate("there is no server on a day without faults") }
    let sender = "anna+\(number)@example.com"
    do {
      let mailbox = try Mailbox("one@\(domain)")
      let octets = simulation.write(from: sender, subject: "\(domain) \(number)")
      let message = NewMessage(
        id: QueueID(acceptedAt: clock.now, random: simulation.random.next()),
        reversePath: .mailbox(try Mailbox(sender)),
        recipients: [NewRecipient(address: mailbox, route: .exchangers(of: mailbox.domain))],
        body: octets.isEightBit ? .eightBitMIME : .sevenBit, receivedAt: clock.now,
        expiresAt: clock.now + simulation.configuration.options.giveUpAfter,
        prefix: ByteBuffer(string: "Received: by the house\r\n"))
      let begun = clock.uptime
      if isMeasured { waits[message.id] = Wait(domain: domain, begun: begun) }
      do throws(StoreFault) {
        try await server.submit(message, octets)
      } catch {
        waits[message.id] = nil
        throw error
      }
    } catch StoreFault.spaceLow where isFull {
      // As it should be.
    } catch {
      ledger.violate("mail for \(domain) isn't taken on a day without faults: \(error)")
    }
  }

  // MARK: What must hold

  func check(_ simulation: MailSimulation) {
    let (ledger, bounds) = (simulation.internet.ledger, bounds(simulation.configuration.options))
    var (longest, longestFirst) = (Duration.zero, Duration.zero)
    for (domain, kind) in domains where kind.mood == .well {
      let own = waits.values.filter { $0.domain == domain }.sorted { $0.begun < $1.begun }
      guard own.allSatisfy({ $0.arrived != nil }) else {
        ledger.violate("not every letter reached \(domain), which is well")
        continue
      }
      guard let first = own.first?.begun, let met = own.compactMap(\.arrived).min() else { continue }
      if met - first > bounds.first {
        ledger.violate("the first letter to \(domain), which is well, waited \(met - first), over \(bounds.first)")
      }
      for wait in own {
        guard let arrived = wait.arrived, arrived > met else { continue }
        // Its own letters go one behind the other.
        let begun = max(wait.begun, met)
        let ahead = own.count { $0.begun < wait.begun && $0.arrived.map { $0 > begun } ?? true }
        let bound = bounds.later * (ahead + 1)
        if arrived - begun > bound {
          ledger.violate("a letter to \(domain), which is well, waited \(arrived - begun), over \(bound)")
        }
        longest = max(longest, arrived - begun)
      }
      longestFirst = max(longestFirst, met - first)
    }
    simulation.internet.trace.note(
      "mail for those that are well waited \(longestFirst) of \(bounds.first) at first, then \(longest) of \(bounds.later)"
    )
  }

  /// How long a letter to a destination that is well may wait: the first, and the others.
  ///
  /// Destinations are served in turn, one delivery a turn; and a letter needs two turns of its destination, one for the
  /// store to be read and one for itself. Until then each of the others has two turns, which take as long as their
  /// deliveries do, divided by the hands there are for them.
  ///
  /// For destinations that have answered there are those hands at least that are no trial's. While the first letter
  /// waits there are as many hands as there may be trials, and where others hold them, one of those that have answered
  /// begins for each that is on trial.
  private func bounds(_ options: QueueRunner.Options) -> (first: Duration, later: Duration) {
    let known = domains.values.filter(\.answers).reduce(.zero) { $0 + $1.hold }
    let all = domains.values.reduce(.zero) { $0 + $1.hold }
    let longest = domains.values.map(\.hold).max() ?? .zero
    let longestKnown = domains.values.filter(\.answers).map(\.hold).max() ?? .zero
    let (hands, trials) = (options.maximumConcurrency, options.maximumTrials)
    let later = known * 2 / (hands - trials) + longest
    let first = all * 2 / trials + longestKnown * (2 * domains.count) / hands + longest
    return (first, later)
  }
}
