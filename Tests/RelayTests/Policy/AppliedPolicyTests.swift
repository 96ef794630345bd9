import DNSRecords
import MailSyntax
import SMTPSessions
import Testing
import TransportSecurity

@testable import Relay

/// What was asked of the channel to one host.
struct AppliedPolicyTests {
  private static func dependsOnFloor(_ floor: TLSFloor, _ tlsa: TLSAEvidence, _ wish: TLSWish = .unstated) throws
    -> Bool
  {
    var evidence = TLSEvidence(
      host: try DomainName("mx.example.net"), floor: OperatorFloor(floor, origin: "outbound.tls.floor"))
    evidence.tlsa = tlsa
    evidence.wish = wish
    return AppliedPolicy(evidence, dane: nil).dependsOnFloor
  }

  @Test("names by whose word mail goes so, also where nobody asks for anything")
  func words() throws {
    let host = try DomainName("mx.example.net")
    func words(
      _ floor: TLSFloor, override: Int64? = nil, _ wish: TLSWish = .unstated, tlsa: TLSAEvidence = .absent
    ) -> [String] {
      let origin = override.map { "override \($0) by anna until 2026-12-01T00:00Z: ticket 7" } ?? "outbound.tls.floor"
      var evidence = TLSEvidence(host: host, floor: OperatorFloor(floor, origin: origin, override: override))
      evidence.wish = wish
      evidence.tlsa = tlsa
      return AppliedPolicy(evidence, dane: nil).words
    }
    #expect(words(.opportunistic) == ["the floor is opportunistic (outbound.tls.floor)"])
    #expect(words(.encrypt) == ["the floor is encrypt (outbound.tls.floor)"])
    #expect(
      words(.opportunistic, override: 7) == [
        "the floor is opportunistic (override 7 by anna until 2026-12-01T00:00Z: ticket 7)"
      ])
    #expect(
      words(.opportunistic, .notRequired) == [
        "TLS-Required: No waives what the recipient's domain publishes, and no floor"
      ])
    // Who asks for more, with the override that doesn't help beside it.
    let failed = words(.opportunistic, override: 7, tlsa: .failed(reason: "SERVFAIL"))
    #expect(failed.count == 2 && failed[0].contains("override 7") && failed[1].contains("SERVFAIL"))
    #expect(words(.opportunistic, tlsa: .failed(reason: "SERVFAIL")).count == 1)
  }

  @Test("a stranger hears how much our floor asks for, and not who of us wrote it where and why")
  func wordsForReports() throws {
    let override = OperatorFloor(
      .verified, origin: "override 7 by anna until 2026-12-01T00:00Z: we don't trust them", override: 7)
    for floor in [override, OperatorFloor(.verified, origin: "outbound.tls.floors")] {
      let policy = AppliedPolicy(TLSEvidence(host: try DomainName("mx.example.net"), floor: floor), dane: nil)
      #expect(policy.demandsForReports == ["the floor of this mail system is verified"])
      #expect(policy.demand?.contains(floor.origin) == true)
    }
  }

  @Test("what anybody may say in clear is no answer to REQUIRETLS where the domain's hosts have steadily had TLS")
  func saidInClear() throws {
    var evidence = TLSEvidence(
      host: try DomainName("mx.example.net"), floor: OperatorFloor(.opportunistic, origin: "x"))
    evidence.wish = .required
    evidence.exchangers = .secure
    let faults = [SecurityFault.notOffered, .certificate(.expired)]
    #expect(faults.map(AppliedPolicy(evidence, dane: nil).isOfTheSenderAlone) == [true, true])
    evidence.history = SteadyTLS(.encrypted, since: UTCInstant(seconds: 1), conduct: .alert)
    #expect(faults.map(AppliedPolicy(evidence, dane: nil).isOfTheSenderAlone) == [false, true])
  }

  @Test("lowering the floor helps where nobody else keeps the host from being used")
  func floors() throws {
    #expect(try !Self.dependsOnFloor(.opportunistic, .absent))
    for floor in [TLSFloor.encrypt, .verified, .dane] {
      #expect(try Self.dependsOnFloor(floor, .absent))
      #expect(try !Self.dependsOnFloor(floor, .failed(reason: "SERVFAIL")))
      // An unsigned domain has nothing that REQUIRETLS could stand on.
      #expect(try !Self.dependsOnFloor(floor, .absent, .required))
    }
  }
}
