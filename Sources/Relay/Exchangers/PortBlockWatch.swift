import MailQueue
import MailSyntax
import OrderedCollections
import Synchronization

/// Notices that nobody can be reached at all: most providers of servers and lines block port 25 outward, and an operator
/// who doesn't know sees only single hosts that don't answer. Said once, until a connection succeeds.
final class PortBlockWatch: Sendable {
  /// So many hosts have to be silent, one after another, and none may answer or refuse in between.
  static let silentHosts = 5

  private struct State {
    var silent: OrderedSet<MailDomain> = []
    var isSaid = false
  }
  private let port: UInt16
  private let state = Mutex(State())

  init(port: UInt16) { self.port = port }

  /// A connection was made, or refused by somebody: packets pass. The event, where the alarm stood until now.
  func met(_ host: MailDomain) -> MailEvent? {
    let wasSaid = state.withLock { state in
      defer { state = State() }
      return state.isSaid
    }
    guard wasSaid else { return nil }
    return MailEvent(
      .alarm,
      [
        .init("what", .text("port-\(port)-reachable")), .init("clears", .text("port-\(port)-blocked")),
        .init("reason", .text("\(host) has answered on port \(port)")),
      ])
  }

  /// Nothing came back before the time was over. The event, where it is time to say so.
  func silent(_ host: MailDomain) -> MailEvent? {
    let isNews = state.withLock { state in
      guard !state.isSaid, state.silent.append(host).inserted else { return false }
      state.isSaid = state.silent.count >= PortBlockWatch.silentHosts
      if state.isSaid { state.silent = [] }
      return state.isSaid
    }
    guard isNews else { return nil }
    return MailEvent(
      .alarm,
      [
        .init("what", .text("port-\(port)-blocked")), .init("until-cleared", .flag(true)),
        .init(
          "reason",
          .text(
            "no mail server anywhere answers on port \(port), \(PortBlockWatch.silentHosts) in a row: the provider of "
              + "this machine or its firewall blocks it")),
        .init(
          "remedy",
          .text(
            "ask the provider to open port \(port) outward, or send through a smarthost on 465 (outbound.route: "
              + "smarthost)")),
      ])
  }
}
