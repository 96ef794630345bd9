import DNSRecords
import Foundation
import MailSyntax
import Testing

@testable import martlet

@Suite("What the demonstration expects")
struct DemoExpectationTests {
  /// `MARTLET_REWRITE_GOLDEN=1` writes the file anew.
  @Test("the table of the program is the file that people review")
  func golden() throws {
    let document = DemoExpectation.document
    if ProcessInfo.processInfo.environment["MARTLET_REWRITE_GOLDEN"] != nil {
      try document.write(to: DemoRow.file, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: DemoRow.file, encoding: .utf8) == document)
  }

  @Test("every promise meets every attack on the wire that can concern it, once, and each row names an RFC")
  func coverage() {
    let all = DemoExpectation.all
    #expect(Set(all.map(\.destination)).count == all.count)
    #expect(
      all.allSatisfy {
        $0.source.wholeMatch(of: #/(RFC \d{4} §[\d.]+(, §[\d.]+)*)(, RFC \d{4} §[\d.]+(, §[\d.]+)*)*/#) != nil
      })
    let onTheWire: [DemoAttack] = [
      .listening, .stripped, .refused, .ehloRefused, .injected, .forged, .expired, .wrongName,
    ]
    for promise in [DemoPromise.enforce, .testing, .daneEE, .daneTA, .selfSigned] {
      let met = Set(all.filter { $0.destination.promise == promise }.map(\.destination.attack))
      #expect(met.isSuperset(of: onTheWire), "\(promise)")
    }
    #expect(Set(all.map(\.destination.attack)) == Set(DemoAttack.allCases))
    #expect(Set(all.map(\.destination.promise)) == Set(DemoPromise.allCases))
  }

  @Test("what waits goes over nothing and is read by nobody; what is read is asked no proof")
  func consistency() {
    for row in DemoExpectation.all {
      #expect((row.conduct == .waits) == (row.channel == .none))
      if row.conduct == .waits {
        #expect(!row.isRead && (row.demand != .nothing || row.destination.attack == .injected))
      }
      if row.isRead { #expect(row.demand == .nothing && [.clear, .unproven].contains(row.channel)) }
      switch row.channel {
      case .clear: #expect(row.isRead)
      case .verified: #expect([.nothing, .certificate].contains(row.demand) && !row.isRead)
      case .dane: #expect(row.demand == .dane)
      case .none, .unproven: break
      }
    }
  }

  @Test("zone files and the zone in this process say the same, the signed part proven and a broken signature bogus")
  func zones() async throws {
    let internet = try DemoInternet(DemoExpectation.all.map(\.destination), now: UTCInstant(seconds: 1_795_000_000))
    let zones = try internet.zones()
    let resolver = zones.resolver
    for destination in internet.destinations {
      let isSigned = destination.promise.isSigned
      guard case .records(let set) = await resolver.mailExchangers(of: try DomainName(destination.domain)) else {
        Issue.record("\(destination.domain) has no MX record")
        continue
      }
      #expect(set.security == (isSigned ? .secure : .insecure))
      let line = "\(destination.domain). IN MX 10 \(destination.exchanger)."
      #expect(zones.file(of: isSigned ? nil : destination.promise.rawValue).contains(line))
      let tlsa = await resolver.tlsaRecords(of: try DomainName("_\(internet.port)._tcp.\(destination.exchanger)"))
      switch (destination.attack, isSigned, tlsa) {
      case (.tlsaFailing, _, .bogus), (.forgedMX, _, .records), (_, false, .noSuchName): break
      case (_, true, .records(let set)): #expect(set.security == .secure && set.records.count == 1)
      case _: Issue.record("\(destination.domain): \(tlsa)")
      }
    }
    // Of an RRSIG over TLSA, and of nothing else, one digit changes.
    let name = "_\(internet.port)._tcp.mail.tlsa-failing.dane-ee.example."
    let signed = "\(name)\t300\tIN\tRRSIG\tTLSA 13 6 300 2 1 7 example. Abc=\n\(name)\t300\tIN\tRRSIG\tNSEC 13 6 Abc="
    let tampered = zones.tampering(with: signed)
    #expect(
      tampered == "\(name) 300 IN RRSIG TLSA 13 6 300 2 1 7 example. Bbc=\n\(name)\t300\tIN\tRRSIG\tNSEC 13 6 Abc=")
  }
}
