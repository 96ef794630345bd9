import MailMessage
import MailQueue
import MailSyntax
import NIOCore
import SMTPGrammar
import SMTPSessions
import Testing

@testable import Relay

@Suite("Addressees are bounded")
struct AddresseeBoundsTests {
  /// Twenty aliases, each with as many targets of its own as may be; who is unknown goes where the first leads.
  private func routing() throws -> Routing {
    let name = try DomainName("example.com")
    var domain = LocalDomain(
      name: name, delivery: RouteKey(rawValue: "domain/example.com"), postmaster: try Mailbox("x@there.example"))
    for alias in 0..<20 {
      domain.aliases.append(
        .init(
          "all\(alias)",
          targets: try (0..<Routing.maximumAliasTargets).map { try Mailbox("t\(alias)-\($0)@there.example") }))
    }
    domain.catchAll = Mailbox(localPart: "all0", domain: .name(name))
    return try Routing(domains: [domain], outbound: .route(RouteKey(rawValue: "outbound")))
  }

  private func addressees(_ names: [String]) throws -> Addressees? {
    let recipients = try names.map {
      Transaction.Recipient(path: .mailbox(try Mailbox("\($0)@example.com")), parameters: RecipientParameters())
    }
    var scanner = HeaderScanner()
    guard case .complete(let header, _) = scanner.append(.init(string: "From: x@there.example\r\n\r\n")) else {
      return nil
    }
    return Addressees(recipients, by: try routing(), reach: .ownDomains, marks: LoopMarks(header))
  }

  @Test("expansion stops at the bound instead of being asked about it behind")
  func recipients() throws {
    let fitting = try #require(try addressees((0..<10).map { "all\($0)" }))
    #expect(!fitting.isBeyondBounds && fitting.recipients.count == Addressees.maximum)
    let beyond = try #require(try addressees((0..<20).map { "all\($0)" }))
    #expect(beyond.isBeyondBounds)
    #expect(beyond.recipients.count <= Addressees.maximum + Routing.maximumAliasTargets)
  }

  @Test("one alias named over and over is followed once, and as many names of one target are bounded too")
  func steps() throws {
    let once = try #require(try addressees((0..<1_000).map { "all0+\($0)" }))
    #expect(!once.isBeyondBounds && once.recipients.count == Routing.maximumAliasTargets)
    let strangers = try #require(try addressees((0..<101).map { "stranger\($0)" }))
    #expect(strangers.isBeyondBounds && strangers.recipients.count == Routing.maximumAliasTargets)
  }
}
