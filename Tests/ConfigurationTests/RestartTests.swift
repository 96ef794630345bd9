import MailSyntax
import SMTPSessions
import Testing

@testable import Configuration

@Suite("What a running server takes of another configuration")
struct RestartTests {
  private func changed(_ change: (inout Configuration) throws -> Void) throws -> (Configuration, Configuration) {
    let running = try parse(configuration()).configuration
    var new = running
    try change(&new)
    return (running, new)
  }

  @Test("each key that is read at the start alone is named, and stays as it was")
  func fixed() throws {
    let endpoint = SocketEndpoint(address: .v4(0x7f00_0001), port: 2525)
    let changes: [(name: String, change: (inout Configuration) throws -> Void)] = [
      ("hostname", { $0.hostName = try DomainName("other.example.com") }),
      ("data", { $0.dataFolder = "/elsewhere" }),
      ("listen.submissions", { $0.listeners[0].addresses = [endpoint] }),
      ("listen.submission", { $0.listeners.append(.init(role: .submission, addresses: [endpoint])) }),
      ("listen.relay", { $0.listeners.append(.init(role: .relay, addresses: [endpoint])) }),
      ("tls.certificates", { $0.certificates = [] }),
      ("queue.history", { $0.queue.history = .seconds(1) }),
      ("queue.space_floor", { $0.queue.spaceFloor = .mebibytes(17) }),
      ("limits.memory_in_flight", { $0.limits.memoryInFlight = .mebibytes(17) }),
    ]
    for (name, change) in changes {
      let (running, new) = try changed(change)
      let (taken, names) = new.taken(over: running)
      #expect(names == [name])
      #expect("\(taken)" == "\(running)", "\(name)")
    }
  }

  @Test("everything else is taken, and nothing is named")
  func taken() throws {
    let (running, new) = try changed {
      $0.certificates = [.init(chainFile: "/other.pem", keyFile: "/other.key")]
      $0.trustRoots = ["/roots.pem"]
      $0.usersFile = "/etc/users.json"
      $0.domains = [
        .init(try DomainName("example.org"), postmaster: try Mailbox("anna@example.org"), deliver: .discard)
      ]
      $0.outbound.route = .none
      $0.queue.giveUpAfter = .seconds(3_600)
      $0.queue.routeConcurrency = 3
      $0.limits.session.recipients = 500
      $0.limits.connections = 9
      $0.log.format = .json
      $0.drainTime = .seconds(3)
    }
    let (taken, names) = new.taken(over: running)
    #expect(names.isEmpty)
    #expect("\(taken)" == "\(new)")
  }

  @Test("users that lie in the data folder don't move with it before the restart")
  func usersOfAnotherFolder() throws {
    let (running, new) = try changed {
      $0.dataFolder = "/elsewhere"
      $0.usersFile = "/elsewhere/users.json"
    }
    #expect(new.taken(over: running).configuration.usersFile == running.usersFile)
  }

  @Test("Examples/martlet.yaml says so at each key that needs a restart, and at no other")
  func example() throws {
    let text = try Repository.text("Examples/martlet.yaml")
    let marked = text.split(separator: "\n").filter { $0.hasSuffix("# (restart)") }
      .compactMap { $0.split(separator: ":").first?.trimmingPrefix { $0 == " " || $0 == "#" } }.map(String.init)
    let fixed = ConfigurationKey.all.filter { !$0.isReadAgain && !$0.path.hasPrefix("listen.") }.map(\.name)
    #expect(Set(marked) == Set(fixed + ["listen"]))
  }
}
