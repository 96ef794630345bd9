import Configuration
import DNSTransport
import MailSyntax
import Testing

@testable import martlet

@Suite("A running server's resolvers")
struct ResolverPlaceTests {
  private func configuration(askingPort port: UInt16 = 53) throws -> Configuration {
    var configuration = Configuration(
      hostName: try DomainName("mx.example.org"), dataFolder: "/nowhere", listeners: [], certificates: [],
      usersFile: "/nowhere/users.json", domains: [], outbound: Configuration.Outbound(.exchangers))
    var dns = Configuration.DNS()
    dns.servers = [SocketEndpoint(address: .v4(0x7f00_0001), port: port)]
    configuration.dns = dns
    return configuration
  }

  @Test("mail of strangers has one of its own, which stays as long as the settings do")
  func strangers() throws {
    let place = ResolverPlace()
    let configuration = try configuration()
    let standing = try #require(try place.resolver(for: configuration))
    place.take(standing, for: configuration)
    #expect(place.anyResolver(for: configuration) === standing)
    let strangers = try #require(place.strangersResolver(for: configuration))
    #expect(strangers !== standing && place.strangersResolver(for: configuration) === strangers)
    let other = try self.configuration(askingPort: 54)
    #expect(place.strangersResolver(for: other) !== strangers)
  }

  @Test("where none stands, one is made for who can do without its proof, and mail of strangers still has its own")
  func spare() throws {
    let place = ResolverPlace()
    let configuration = try configuration()
    let spare = try #require(place.anyResolver(for: configuration))
    #expect(place.anyResolver(for: configuration) === spare)
    #expect(place.strangersResolver(for: configuration) !== spare)
  }
}
