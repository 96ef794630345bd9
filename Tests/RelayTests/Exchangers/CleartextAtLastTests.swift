import DNSRecords
import MailSyntax
import SMTPSessions
import Synchronization
import Testing

@testable import Relay

/// Where nobody asks for more than whatever can be had, and STARTTLS fails at one host: the mail goes there in clear
/// only where no host may have had TLS (Law 2).
@Suite("Cleartext at last")
struct CleartextAtLastTests {
  typealias Host = ScriptedServer

  let refusing = Host.mailHost("mx1.far.example", tls: .refused)

  private func deliver(_ deliverer: ExchangerDeliverer) async throws -> DeliveryResult {
    await deliverer.deliver(try DeliveryFixture().job())
  }

  @Test("not while a host has addresses that nobody had a session left for")
  func addressesLeft() async throws {
    let hosts = [constantName("mx1.far.example"), constantName("mx2.far.example")]
    var zone = ZoneResolver()
    zone.add(ScriptedInternet.domain, exchangers: hosts)
    zone.add(hosts[0], at: [IPAddress("192.0.2.1")!])
    zone.add(hosts[1], at: (2...12).map { IPAddress("192.0.2.\($0)")! })
    let busy = Host.mailHost("mx2.far.example") { $0.isEmpty ? .say("421 4.3.2 busy\r\n") : nil }
    var servers = Dictionary(uniqueKeysWithValues: (2...12).map { ("192.0.2.\($0)", busy) })
    servers["192.0.2.1"] = refusing
    _ = try await deliver(ScriptedInternet(servers, zone: zone).deliverer())
    #expect(busy.connections.count < 11)
    #expect(refusing.connections.count == 1 && !refusing.heardMailInClear)
  }

  @Test("not while our own limits keep us from a host")
  func noRoom() async throws {
    let other = Host.mailHost("mx2.far.example")
    let deliverer = ScriptedInternet(refusing, other).deliverer()
    var leases: [ConnectionLease] = []
    while let lease = deliverer.connections.checkOut(.name(constantName("mx2.far.example")), where: { _ in true }) {
      leases.append(lease)
    }
    _ = try await deliver(deliverer)
    #expect(!leases.isEmpty && other.connections.isEmpty)
    #expect(refusing.connections.count == 1 && !refusing.heardMailInClear)
  }

  @Test("not where a kept connection had TLS a moment ago")
  func keptConnection() async throws {
    let said = Mutex<[String]>([])
    let host = Host.mailHost("mx1.far.example") { line in
      let word = String(line.prefix(4))
      let count = said.withLock { said in
        said.append(word)
        return said.count { $0 == word }
      }
      switch (word, count) {
      case ("MAIL", 2): return .close
      case ("STAR", 2...): return .say("454 4.7.0 not now\r\n")
      case (_, _): return nil
      }
    }
    let deliverer = ScriptedInternet(host).deliverer()
    #expect(describe(try await deliver(deliverer)) == ["3 delivered"])
    #expect(describe(try await deliver(deliverer)) == ["3 starttls security"])
    #expect(host.connections.count == 2 && !host.heardMailInClear)
  }

  @Test("not where bytes stand in clear behind a host's answer to STARTTLS: that is somebody's hand")
  func injectedBytes() async throws {
    let other = Host.mailHost("mx2.far.example") {
      $0 == "STARTTLS" ? .say("220 2.0.0 go ahead\r\n250 as if by TLS\r\n") : nil
    }
    _ = try await deliver(ScriptedInternet(refusing, other).deliverer())
    #expect(other.connections.count == 1 && !other.heardMailInClear)
    #expect(refusing.connections.count == 1 && !refusing.heardMailInClear)
  }
}
