public import DNSRecords
public import MailSyntax
import NIOCore
public import Relay
import SMTPSessions
public import SMTPTransport
public import TransportSecurity

/// Fetches MTA-STS policies from `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`, on our own TLS and our own DNS.
/// Source: RFC 8461 §3.3.
///
/// The host must prove `mta-sts.DOMAIN` by a strict DNS-ID, a trusted root and its dates, and is told that name by SNI.
/// No redirect is followed and nothing is cached. A fetch is bounded as a whole by `Bounds.time`.
public final class HTTPSPolicyFetcher: PolicyFetcher {
  public struct Bounds: Hashable, Sendable {
    /// For a place among those that fetch: what isn't had by then is no failure of the policy host.
    public var waiting: Duration = .seconds(30)
    /// Of a fetch from then on, from the look-up to the last octet (RFC 8461 §3.3 suggests a minute).
    public var time: Duration = .seconds(60)
    /// To connect to one address; the next is tried then.
    public var connecting: Duration = .seconds(8)
    /// From there to the end of the handshake.
    public var handshake: Duration = .seconds(15)
    /// Of both families together.
    public var addresses = 8
    /// At a time.
    public var fetches = 16
    /// Of a fetch while others wait for its place. Honest hosts take a second; of those that say nothing none keeps its
    /// place for a minute then.
    public var timeBesideOthers: Duration = .seconds(10)
    public init() {}
  }

  static let path = "/.well-known/mta-sts.txt"
  static let userAgent = "Martlet"

  private let loops: TransportLoops
  private let resolver: any Resolver
  private let client: ClientTLS
  private let port: UInt16
  private let bounds: Bounds
  private let places: FetchPlaces

  /// - Parameters:
  ///   - port: 443, but in a laboratory.
  ///   - now: the wall clock that certificates are judged by.
  /// - Throws: `TrustRootsFault.noContext` where TLS can't be had at all.
  public init(
    loops: TransportLoops, resolver: any Resolver, roots: TrustRoots, port: UInt16 = 443, bounds: Bounds = Bounds(),
    now: @escaping @Sendable () -> UTCInstant
  ) throws(TrustRootsFault) {
    self.loops = loops
    self.resolver = resolver
    self.port = port
    self.bounds = bounds
    places = FetchPlaces(bounds.fetches, timeBesideOthers: bounds.timeBesideOthers)
    client = try ClientTLS(roots: roots, now: now)
  }

  public func fetch(_ domain: DomainName, for need: PolicyNeed) async throws(STSTrouble) -> STSPolicy {
    let host: DomainName
    do throws(MailSyntaxError) {
      host = try DomainName("mta-sts.\(domain.folded)")
    } catch {
      throw PolicyAnswer.trouble("the policy host's name would be too long")
    }
    let station = loops.station(of: loops.group.next())
    let turn = NIODeadline.now() + TimeAmount(bounds.waiting)
    guard let place = await places.take(for: need, until: turn, on: station.loop) else {
      throw STSTrouble(.stsPolicyFetchError, "too many policies are fetched at this moment", isOurs: true)
    }
    defer { places.giveBack(place) }
    // The host's time begins here: however long we held back, it has all of it.
    let deadline = NIODeadline.now() + TimeAmount(bounds.time)
    let addresses = try await addresses(of: host, until: deadline, in: place, on: station.loop)
    var trouble: STSTrouble?
    for address in addresses {
      guard !Task.isCancelled, NIODeadline.now() < deadline, places.mayStay(place) else { break }
      switch await exchange(with: address, host, until: deadline, in: place, on: station) {
      case .policy(let policy): return policy
      case .final(let trouble): throw trouble
      case .next(let found):
        // An address where the wrong one answers says more than one where nobody does.
        if trouble?.result != .stsWebPKIInvalid { trouble = found }
      }
    }
    throw trouble ?? PolicyAnswer.trouble("the policy host didn't answer in time")
  }

  // MARK: Where it is

  private func addresses(
    of host: DomainName, until deadline: NIODeadline, in place: FetchPlace, on loop: any EventLoop
  ) async throws(STSTrouble) -> [IPAddress] {
    // A resolver has bounds of its own; the wait is cut where they are wider than ours.
    let promise = loop.makePromise(of: [DNSAnswer<IPAddress>].self)
    let alarm = loop.scheduleTask(deadline: deadline) {
      promise.succeed([.failed(reason: "no answer in time")])
    }
    place.whenOthersWait { promise.succeed([.failed(reason: FetchPlaces.othersWait)]) }
    let look = Task { [resolver] in
      async let six = resolver.addresses(of: host, family: .v6)
      async let four = resolver.addresses(of: host, family: .v4)
      promise.succeed(await [six, four])
    }
    let answers =
      await withTaskCancellationHandler {
        (try? await promise.futureResult.get()) ?? []
      } onCancel: {
        promise.succeed([.failed(reason: "the fetch was cut off")])
      }
    alarm.cancel()
    look.cancel()
    var families: [[IPAddress]] = []
    var reason: String?
    for answer in answers {
      switch answer {
      case .records(let set): families.append(set.records)
      case .none, .noSuchName: break
      case .failed(let words), .bogus(let words): reason = words
      }
    }
    // In turn, so that a family that is cut off doesn't take all the time.
    let longest = families.map(\.count).max() ?? 0
    let inTurn = (0..<longest).flatMap { index in families.compactMap { $0.indices.contains(index) ? $0[index] : nil } }
    guard !inTurn.isEmpty else {
      // The host hasn't been asked: that a resolver took its time says nothing of it.
      if reason == FetchPlaces.othersWait {
        throw STSTrouble(
          .stsPolicyFetchError, "the look-up of \(host) took its time while others wait to be fetched from",
          isOurs: true)
      }
      throw PolicyAnswer.trouble(
        reason.map { "the policy host \(host) can't be looked up: \($0)" } ?? "the policy host \(host) has no address")
    }
    return Array(inTurn.prefix(bounds.addresses))
  }

  // MARK: One address

  private func exchange(
    with address: IPAddress, _ host: DomainName, until deadline: NIODeadline, in place: FetchPlace,
    on station: TransportLoops.Station
  ) async -> PolicyExchange.Outcome {
    let endpoint = SocketEndpoint(address: address, port: port)
    let outcome = station.loop.makePromise(of: PolicyExchange.Outcome.self)
    let exchange = NIOLoopBoundBox.makeBoxSendingValue(
      PolicyExchange(host: host.folded, outcome: outcome), as: PolicyExchange.self, eventLoop: station.loop)
    station.loop.execute { [client, bounds] in
      exchange.value.start(to: endpoint, by: client, on: station, bounds, until: deadline)
    }
    place.whenOthersWait {
      station.loop.execute { exchange.value.stop(FetchPlaces.othersWait) }
    }
    return await withTaskCancellationHandler {
      (try? await outcome.futureResult.get()) ?? .final(PolicyAnswer.trouble("the event loop has ended"))
    } onCancel: {
      station.loop.execute { exchange.value.stop("the fetch was cut off") }
    }
  }
}
