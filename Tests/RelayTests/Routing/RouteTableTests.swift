import MailQueue
import MailSyntax
import OrderedCollections
import Testing

@testable import Relay

@Suite("RouteTable")
struct RouteTableTests {
  static let destination = RouteKey(rawValue: "mx/example.org")
  static let domain = RouteKey(rawValue: "domain/example.com")

  private func route(_ concurrency: Int) -> Route {
    Route(deliverer: SilentDeliverer(), maximumConcurrency: concurrency)
  }

  @Test("one route stands for the exchangers of every domain, beside the named ones")
  func exchangers() {
    let table = RouteTable([Self.domain: route(3), .outbound: route(5)], exchangers: route(7))
    #expect(table[Self.destination]?.maximumConcurrency == 7)
    #expect(table[.outbound]?.maximumConcurrency == 5)
    #expect(table[Self.domain]?.maximumConcurrency == 3)
    #expect(table[RouteKey(rawValue: "domain/other.example")] == nil)
    #expect(table.counted(Self.destination) == Self.destination)
  }

  @Test("mail that was queued for exchangers goes to the smarthost that took their place, under its limits")
  func toSmarthost() {
    let table = RouteTable([.outbound: route(5)])
    #expect(table[Self.destination]?.maximumConcurrency == 5)
    #expect(table.counted(Self.destination) == .outbound)
    #expect(RouteTable([Self.domain: route(3)])[Self.destination] == nil)
  }

  @Test("mail that was queued for a smarthost goes to the exchangers that took its place")
  func fromSmarthost() {
    let table = RouteTable([:], exchangers: route(7))
    #expect(table[.outbound]?.maximumConcurrency == 7)
    #expect(table.counted(.outbound) == .outbound)
  }

  @Test("an operator's limit for one destination stands before its route's, and none is under 1")
  func concurrencies() throws {
    let other = RouteKey(rawValue: "mx/other.example")
    var limit = TrafficLimit()
    limit.rules.set(TrafficLimit.Rule(atOnce: 2), for: try DomainName("example.org"))
    limit.rules.set(TrafficLimit.Rule(atOnce: 0), for: try DomainName("other.example"))
    limit.rules.set(TrafficLimit.Rule(perMinute: 60), for: try DomainName("paced.example"))
    let table = RouteTable([:], exchangers: route(7), perDomain: limit)
    #expect(table.concurrency(of: Self.destination) == 2)
    #expect(table.concurrency(of: other) == 1)
    #expect(table.concurrency(of: RouteKey(rawValue: "mx/paced.example")) == 7)
    #expect(table.concurrency(of: RouteKey(rawValue: "mx/third.example")) == 7)
    #expect(table.concurrency(of: RouteKey(rawValue: "gone")) == 1)
  }
}
