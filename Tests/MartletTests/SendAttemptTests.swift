import ArgumentParser
import Certificates
import Foundation
import MailQueue
import MailSyntax
import NIOCore
import NIOPosix
import Relay
import SMTPSessions
import SMTPTransport
import Synchronization
import SystemWorld
import Testing
import TransportSecurity

@testable import martlet

/// `send` against a real server of ours on loopback, and against one that offers no TLS.
@Suite("Sending", .timeLimit(.minutes(5)))
struct SendAttemptTests {
  /// Every name is this machine.
  private struct Here: HostResolver {
    func addresses(of name: DomainName) async throws(DialFault) -> [IPAddress] { [Loopback.v4] }
  }

  private func attempt(_ host: String, _ port: UInt16, _ security: SendSecurity, password: String?) throws
    -> SendAttempt
  {
    var attempt = SendAttempt(
      target: SendTarget(host: .name(try DomainName(host)), port: port), security: security,
      identity: .literal(AddressLiteral(Loopback.v4)), reversePath: .mailbox(try Mailbox("a@example.org")),
      recipients: [try Mailbox("b@example.org"), try Mailbox("c@example.org")])
    attempt.login = password.map { .init(user: DevelopmentPlace.userName, password: Secret($0)) }
    attempt.timeouts = SendAttempt.patience(.seconds(10))
    return attempt
  }

  private let message = SendMessage.whole(
    ByteBuffer(string: "From: a@example.org\r\nSubject: x\r\n\r\n.dots\r\n"))

  private func run(_ attempt: SendAttempt, trusting file: String) async throws -> (SendReport, [String]) {
    let loops = TransportLoops(group: MultiThreadedEventLoopGroup.singleton)
    defer { loops.shutDown() }
    let dialer = try NIODialer(
      loops: loops, resolver: Here(), roots: try TrustRoots.file(file), now: { SystemClock().now })
    let lines = Mutex<[String]>([])
    let report = await attempt.run(message, by: dialer) { line in lines.withLock { $0.append(line) } }
    return (report, lines.withLock { $0 })
  }

  @Test("a server of ours takes a message by both ways, and the dialogue tells clear from TLS and shows no secret")
  func accepted() async throws {
    try await DemoHouse.withOne { house, place in
      for (security, index) in [(SendSecurity.implicit, 0), (.starttls, 1)] {
        let port = try #require(house.endpoints(index).first?.port)
        let (report, lines) = try await run(
          attempt("localhost", port, security, password: place.password), trusting: place.tls.authority)
        #expect(report.exitCode == .success, "\(report.complaints)")
        #expect(report.answers.count == 2)
        #expect(report.tls?.version == .v1_3)
        #expect(lines.contains { $0.hasPrefix("-- certificate for localhost: verified for localhost") })
        #expect(lines.contains("-> STARTTLS") == (security == .starttls))
        // AUTH-002: nothing of AUTH, MAIL or the message is said in clear.
        #expect(lines.filter { $0.hasPrefix("-> ") }.allSatisfy { $0.hasPrefix("-> EHLO") || $0 == "-> STARTTLS" })
        #expect(lines.contains { $0.hasPrefix("~> AUTH") && $0.contains("(redacted)") })
        #expect(!lines.contains { $0.contains(place.password) })
      }
    }
  }

  @Test("a certificate that doesn't prove the server ends it before a password or an address is said")
  func unproven() async throws {
    try await DemoHouse.withOne { house, place in
      let stranger = try await DemoHouse.otherAuthority(beside: place)
      for (security, index) in [(SendSecurity.implicit, 0), (.starttls, 1)] {
        let port = try #require(house.endpoints(index).first?.port)
        let (distrusted, lines) = try await run(
          attempt("localhost", port, security, password: place.password), trusting: stranger)
        #expect(distrusted.exitCode == ExitStatus.unavailable)
        guard case .certificateRefused(.notTrusted)? = distrusted.wireFault else {
          Issue.record("\(String(describing: distrusted.wireFault))")
          return
        }
        #expect(!lines.contains { $0.hasPrefix("~>") })
        let (misnamed, others) = try await run(
          attempt("mail.example.org", port, security, password: place.password), trusting: place.tls.authority)
        #expect(
          misnamed.wireFault
            == .certificateRefused(.hostMismatch(expected: "mail.example.org", presented: ["localhost"])))
        #expect(misnamed.exitCode == ExitStatus.unavailable)
        #expect(!others.contains { $0.hasPrefix("~>") })
      }
    }
  }

  @Test("a wrong password is refused for good, and nothing of the message follows it")
  func wrongPassword() async throws {
    try await DemoHouse.withOne { house, place in
      let port = try #require(house.endpoints(0).first?.port)
      let (report, lines) = try await run(
        attempt("localhost", port, .implicit, password: "not it"), trusting: place.tls.authority)
      #expect(report.exitCode == ExitStatus.notPermitted)
      #expect(report.fault?.stage == .authentication)
      #expect(!lines.contains { $0.hasPrefix("~> MAIL") })
    }
  }

  @Test("STLS-001: where STARTTLS isn't offered nothing but EHLO and QUIT is said")
  func stripped() async throws {
    let heard = Mutex<[String]>([])
    let channel = try await PlainServer.start { line in heard.withLock { $0.append(line) } }
    let port = UInt16(channel.localAddress?.port ?? 0)
    try await DemoHouse.withPlace { place in
      let (report, _) = try await run(
        attempt("localhost", port, .starttls, password: place.password), trusting: place.tls.authority)
      #expect(report.exitCode == ExitStatus.unavailable)
      #expect(report.fault?.stage == .startTLS)
      #expect(heard.withLock { $0.map { $0.prefix(4) } } == ["EHLO", "QUIT"])

      // Asked for in so many words, the same server gets the message, and the report says that there was no TLS.
      let (insecure, lines) = try await run(
        attempt("localhost", port, .none, password: nil), trusting: place.tls.authority)
      #expect(insecure.exitCode == .success, "\(insecure.complaints)")
      #expect(insecure.tls == nil)
      #expect(lines.contains { $0.hasPrefix("-> MAIL FROM:<a@example.org>") })
    }
    try await channel.close()
  }
}

/// A server of ours for a test, as `dev` makes it, on free ports in a folder that goes.
enum DemoHouse {
  private struct Silence: EventSink {
    func record(_ event: MailEvent) {}
  }

  static func withPlace(_ body: (DevelopmentPlace) async throws -> Void) async throws {
    let folder = try DemoTheatre.temporaryFolder()
    defer { DemoTheatre.remove(folder) }
    try await body(try await DevelopmentPlace.ensure(in: folder))
  }

  static func withOne(_ body: (House, DevelopmentPlace) async throws -> Void) async throws {
    try await withPlace { place in
      let house = try await House.open(try place.configuration(portBase: 0), relayReach: .anywhere, log: Silence())
      try await house.whileRunning { try await body(house, place) }
    }
  }

  /// The root of an authority that has issued nothing here.
  static func otherAuthority(beside place: DevelopmentPlace) async throws -> String {
    try await DevelopmentPlace.ensure(in: place.folder + "/stranger").tls.authority
  }
}

/// Takes mail without TLS and offers none, as after an attacker has cut STARTTLS out.
private enum PlainServer {
  static func start(hear: @escaping @Sendable (String) -> Void) async throws -> any Channel {
    try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Talk(hear: hear)) }
      }
      .bind(host: "127.0.0.1", port: 0).get()
  }

  private final class Talk: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let hear: @Sendable (String) -> Void
    private var isContent = false
    private var text = ""

    init(hear: @escaping @Sendable (String) -> Void) { self.hear = hear }

    func channelActive(context: ChannelHandlerContext) { say("220 plain.example ESMTP", context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      text += String(buffer: unwrapInboundIn(data))
      while let end = text.range(of: "\r\n") {
        let line = String(text[..<end.lowerBound])
        text.removeSubrange(..<end.upperBound)
        if let answer = answer(to: line) { say(answer, context) }
      }
    }

    private func answer(to line: String) -> String? {
      if isContent {
        guard line == "." else { return nil }
        isContent = false
        return "250 kept"
      }
      hear(line)
      isContent = line == "DATA"
      switch line.prefix(4) {
      case "DATA": return "354 go on"
      case "QUIT": return "221 bye"
      case _: return "250 plain.example"
      }
    }

    private func say(_ line: String, _ context: ChannelHandlerContext) {
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: line + "\r\n")), promise: nil)
    }
  }
}
