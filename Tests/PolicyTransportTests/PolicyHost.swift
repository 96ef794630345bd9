import Certificates
import DNSRecords
import MailSyntax
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import PolicyTransport
import Relay
import SMTPTransport
import Synchronization
import TransportSecurity

/// Loops and an authority of this process's own.
struct Ground: Sendable {
  static let today = UTCInstant(seconds: 1_800_000_000)
  static let domain = name("far.example")
  static let host = name("mta-sts.far.example")

  let loops: TransportLoops
  let group: MultiThreadedEventLoopGroup
  let authority: DevelopmentAuthority
  let roots: TrustRoots

  static let shared: Ground = {
    do {
      let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
      let authority = try DevelopmentAuthority(now: today)
      return Ground(
        loops: TransportLoops(group: group), group: group, authority: authority,
        roots: try .pem(Array(authority.issued.certificatePEM.utf8)))
    } catch {
      fatalError("\(error)")
    }
  }()

  static func name(_ text: String) -> DomainName {
    do { return try DomainName(text) } catch { fatalError("\(text): \(error)") }
  }

  func certificate(_ names: [String] = [Ground.host.description]) throws -> DevelopmentAuthority.Issued {
    try authority.issue(for: .init(dnsNames: names, addresses: []), now: Ground.today)
  }

  /// Fetches from a host, once, by a zone that says it is at 127.0.0.1.
  func fetch(
    from host: PolicyHost, roots: TrustRoots? = nil, now: UTCInstant = today, addresses: [String] = ["127.0.0.1"],
    bounds: HTTPSPolicyFetcher.Bounds = .init()
  ) async throws -> Result<STSPolicy, STSTrouble> {
    let fetcher = try fetcher(to: host.port, roots: roots, now: now, addresses: addresses, bounds: bounds)
    return await fetcher.outcome(of: Ground.domain)
  }

  func fetcher(
    to port: UInt16, roots: TrustRoots? = nil, now: UTCInstant = today, addresses: [String] = ["127.0.0.1"],
    bounds: HTTPSPolicyFetcher.Bounds = .init(), resolver: (any DNSRecords.Resolver)? = nil
  ) throws -> HTTPSPolicyFetcher {
    var zone = ZoneResolver()
    zone.add(Ground.host, at: addresses.compactMap { IPAddress($0) })
    return try HTTPSPolicyFetcher(
      loops: loops, resolver: resolver ?? zone, roots: roots ?? self.roots, port: port, bounds: bounds, now: { now })
  }
}

extension HTTPSPolicyFetcher {
  func outcome(of domain: DomainName) async -> Result<STSPolicy, STSTrouble> {
    do throws(STSTrouble) {
      return .success(try await fetch(domain, for: .mail))
    } catch {
      return .failure(error)
    }
  }
}

/// Says nothing to the first who asks for an address, for as long as that one waits; the others hear 127.0.0.1.
final class OnceSilent: DNSRecords.Resolver {
  private let questions = Mutex<[AddressFamily: Int]>([:])
  var wasAsked: Bool { questions.withLock { $0.count == 2 } }

  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    let count = questions.withLock { questions in
      questions[family, default: 0] += 1
      return questions[family]
    }
    if count == 1 { try? await Task.sleep(for: .seconds(86_400)) }
    var zone = ZoneResolver()
    zone.add(Ground.host, at: [IPAddress("127.0.0.1")].compactMap { $0 })
    return await zone.addresses(of: name, family: family)
  }
  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> { .none(.insecure) }
  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> { .none(.insecure) }
  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> { .none(.insecure) }
  func names(of address: IPAddress) async -> DNSAnswer<DomainName> { .none(.insecure) }
  func alias(of name: DomainName) async -> DNSAnswer<DomainName> { .none(.insecure) }
}

/// A TLS server that hears a request to its end and then does what its script says.
final class PolicyHost: Sendable {
  enum Move: Sendable {
    case say([UInt8])
    /// Says the same again and again, as fast as it is taken.
    case forever([UInt8])
    /// One octet at a time.
    case drip([UInt8], every: TimeAmount)
    /// Ends TLS in good order.
    case close
    /// Ends the connection without a word of TLS.
    case cut
  }
  struct State {
    var serverNames: [String?] = []
    var requests: [String] = []
    var open = 0
    var mostOpen = 0
  }

  private let state: Mutex<State>
  private let channel: any Channel
  let port: UInt16
  private let events: AsyncStream<String>

  static func start(_ moves: [Move], _ issued: DevelopmentAuthority.Issued? = nil) async throws -> PolicyHost {
    let issued = try issued ?? Ground.shared.certificate()
    let chain = try NIOSSLCertificate.fromPEMBytes(Array(issued.certificatePEM.utf8)).map {
      NIOSSLCertificateSource.certificate($0)
    }
    let key = try issued.keyPEM.withExposedBytes { try NIOSSLPrivateKey(bytes: Array($0), format: .pem) }
    let context = try NIOSSLContext(
      configuration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key)))
    let (events, continuation) = AsyncStream<String>.makeStream()
    let box = Box()
    let channel = try await ServerBootstrap(group: Ground.shared.group)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { child in
        child.eventLoop.makeCompletedFuture {
          let sni = ByteToMessageHandler(
            SNIHandler { result in
              let name: String? = if case .hostname(let name) = result { name } else { nil }
              box.host?.note { $0.serverNames.append(name) }
              return child.eventLoop.makeCompletedFuture {
                try child.pipeline.syncOperations.addHandlers([
                  NIOSSLServerHandler(context: context), Actor(moves, box, continuation),
                ])
              }
            })
          try child.pipeline.syncOperations.addHandler(sni)
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let host = PolicyHost(channel, UInt16(channel.localAddress?.port ?? 0), events)
    box.set(host)
    return host
  }

  private init(_ channel: any Channel, _ port: UInt16, _ events: AsyncStream<String>) {
    (self.channel, self.port, self.events) = (channel, port, events)
    state = Mutex(State())
  }

  /// `asked` for each request that was heard, `closed` for each connection that has ended. For one task.
  func nextEvent() async -> String? {
    for await event in events { return event }
    return nil
  }

  var seen: State { state.withLock { $0 } }
  fileprivate func note(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }
  func stop() async { try? await channel.close() }

  fileprivate final class Box: Sendable {
    private let inner = Mutex<PolicyHost?>(nil)
    var host: PolicyHost? { inner.withLock { $0 } }
    func set(_ host: PolicyHost) { inner.withLock { $0 = host } }
  }

  private final class Actor: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private var moves: [Move]
    private let box: Box
    private let events: AsyncStream<String>.Continuation
    private var request = ""

    init(_ moves: [Move], _ box: Box, _ events: AsyncStream<String>.Continuation) {
      (self.moves, self.box, self.events) = (moves, box, events)
    }

    func handlerAdded(context: ChannelHandlerContext) {
      box.host?.note { state in
        state.open += 1
        state.mostOpen = max(state.mostOpen, state.open)
      }
    }

    func channelInactive(context: ChannelHandlerContext) {
      moves = []
      box.host?.note { $0.open -= 1 }
      events.yield("closed")
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      request += String(buffer: unwrapInboundIn(data))
      guard request.hasSuffix("\r\n\r\n") else { return }
      let heard = request
      box.host?.note { $0.requests.append(heard) }
      request = ""
      events.yield("asked")
      next(context)
    }

    private func next(_ context: ChannelHandlerContext) {
      guard !moves.isEmpty else { return }
      let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
      switch moves.removeFirst() {
      case .say(let octets):
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: octets)), promise: nil)
        next(context)
      case .forever(let octets):
        let octets = octets.count < 2_048 ? Array(repeatElement(octets, count: 4_096 / octets.count).joined()) : octets
        moves.insert(.forever(octets), at: 0)
        // Behind what the loop has to do else: the future may be fulfilled at once.
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: octets))).whenSuccess {
          bound.eventLoop.execute { bound.value.0.next(bound.value.1) }
        }
      case .drip(let octets, let pause):
        guard let first = octets.first else { return next(context) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: [first])), promise: nil)
        moves.insert(.drip(Array(octets.dropFirst()), every: pause), at: 0)
        context.eventLoop.scheduleTask(in: pause) { bound.value.0.next(bound.value.1) }
      case .close: context.close(promise: nil)
      case .cut:
        if let tls = try? context.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self) {
          tls.close(promise: nil)
        }
      }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
  }
}
