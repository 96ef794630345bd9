import DNSRecords
import MailSyntax
import Testing

@testable import Configuration

@Suite("The section dns")
struct DNSSectionTests {
  @Test("without it nothing needs a resolver; be it empty, it does")
  func need() throws {
    #expect(!(try parse(configuration()).configuration.needsResolver))
    let empty = try parse(configuration("dns:")).configuration
    #expect(empty.needsResolver)
    #expect(empty.dns == Configuration.DNS())
    #expect(empty.dns?.probe.secure.isEmpty == false && empty.dns?.probe.bogus.isEmpty == false)
    #expect(try empty.dns?.anchors(from: MemoryFiles()) == RootAnchors.builtIn)
  }

  @Test("servers are addresses with their ports, anchors a path, and the probe's lists take the defaults' place")
  func read() throws {
    let text = """
      dns:
        servers: [192.0.2.53, "2001:db8::53@54"]
        trust_anchors: anchors
        probe: {secure: signed.example, bogus: []}
      """
    let dns = try #require(try parse(configuration(text)).configuration.dns)
    #expect(dns.servers.map(\.nameServerText) == ["192.0.2.53@53", "2001:db8::53@54"])
    #expect(dns.trustAnchors == "/etc/martlet/anchors")
    #expect(dns.probe == ValidationProof(secure: [try DomainName("signed.example")], bogus: []))
  }

  @Test("empty lists switch the proof off")
  func off() throws {
    let dns = try parse(configuration("dns: {probe: {secure: [], bogus: []}}")).configuration.dns
    #expect(dns?.probe.isOff == true)
  }

  @Test(
    "a server by its name, or with a colon before its port, is refused with its place",
    arguments: ["ns.example.com", "192.0.2.53:53", "192.0.2.53@0", "192.0.2.53@x"])
  func badServer(_ server: String) throws {
    let found = findings(configuration("dns:\n  servers: ['\(server)']"))
    #expect(found.map(\.position) == [FilePosition(line: firstLine + 1, column: 13)])
    #expect(found.first?.remedy?.contains("@PORT") == true)
  }

  @Test("the file of anchors is read whole or refused with its line")
  func anchors() throws {
    var dns = Configuration.DNS()
    dns.trustAnchors = "/anchors"
    var files = MemoryFiles()
    #expect(throws: TrustAnchorFileFault(path: "/anchors", reason: "there is no such file")) {
      try dns.anchors(from: files)
    }
    files.contents["/anchors"] = Array("\(RootAnchors.builtIn[1])\n".utf8)
    #expect(try dns.anchors(from: files) == [RootAnchors.builtIn[1]])
    files.contents["/anchors"] = Array("\(RootAnchors.builtIn[1])\n. IN A 192.0.2.1\n".utf8)
    let fault = #expect(throws: TrustAnchorFileFault.self) { try dns.anchors(from: files) }
    #expect(fault?.description.hasPrefix("/anchors: line 2: ") == true)
  }
}
