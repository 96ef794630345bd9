import Configuration
import MailSyntax
import QueueStorage
import SMTPSessions
import Testing

@testable import martlet

@Suite("The store's bounds")
struct StoreOptionsTests {
  @Test(
    "follow the configuration: bodies go to disk before intake puts mail off, and what SIZE may ever announce is taken")
  func bounds() throws {
    var configuration = Configuration(
      hostName: try DomainName("mx.example.org"), dataFolder: "/nowhere", listeners: [], certificates: [],
      usersFile: "/nowhere/users.json", domains: [], outbound: Configuration.Outbound(.none))
    #expect(StoreOptions(configuration).spillThreshold == .mebibytes(128))
    configuration.limits.memoryInFlight = .mebibytes(16)
    let options = StoreOptions(configuration)
    #expect(options.spillThreshold == .mebibytes(8))
    #expect(options.longestBody == .mebibytes(4_097))
    #expect(options.freeSpaceFloor == configuration.queue.spaceFloor && options.history == configuration.queue.history)
  }
}
