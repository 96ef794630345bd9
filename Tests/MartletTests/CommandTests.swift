import ArgumentParser
import ControlPlane
import MailQueue
import MailSyntax
import SMTPSessions
import Testing

@testable import martlet

@Suite("The commands of an operator")
struct CommandTests {
  static let id = Sample.id(1).description

  @Test(
    "are refused where it isn't clear what is meant",
    arguments: [
      (["delete"], "--data"), (["delete", "--data", "/d"], "--all"), (["bounce", "--data", "/d"], "--all"),
      (["hold", "--data", "/d"], "--all"), (["retry", "--data", "/d"], "--all"),
      (["release", "--data", "/d"], "--all"),
      (["delete", "--data", "/d", "--all", "--sender", "a@example.org"], "--all means"),
      (["delete", "--data", "/d", "--config", "/c", "--all"], "--data"),
      (["delete", "--data", "/d", "--id", "nonsense"], "no queue id"),
      (["delete", "--data", "/d", "nonsense"], "no queue id"),
      (["retry", "--data", "/d", "--all", CommandTests.id], "--all means"),
      (["delete", "--data", "/d", "--sender", "example.org"], "no sender"),
      (["delete", "--data", "/d", "--recipient", "anna"], "no recipient"),
      (["delete", "--data", "/d", "--state", "asleep"], "no state"),
      (["list", "--data", "/d", "--state", "delivered"], "has left the queue"),
      (["list", "--data", "/d", "--limit", "0"], "--limit"), (["list", "--data", "/d", "--after", "x"], "no queue id"),
      (["show", "--data", "/d", "x"], "no queue id"),
    ])
  func refused(_ arguments: [String], _ words: String) {
    let error = #expect(throws: (any Error).self) { try QueueCommand.parseAsRoot(arguments) }
    guard let error else { return }
    #expect(QueueCommand.exitCode(for: error) == .validationFailure)
    #expect(QueueCommand.fullMessage(for: error).contains(words))
  }

  @Test(
    "that are misspelt are told by the name that was probably meant",
    arguments: [
      ("queu list", "martlet queu: there is no such command; did you mean queue?"),
      ("queue lst --data d", "martlet queue lst: there is no such command; did you mean list?"),
      ("help srve", "martlet srve: there is no such command; did you mean serve?"),
      ("zzzzzz", "martlet zzzzzz: there is no such command; martlet --help lists them"),
      ("queue list --data d", nil), ("send someone", nil), ("--version", nil), ("", nil), ("queue --help", nil),
      ("restore --from a --data b", nil), ("trace message.eml", nil),
    ] as [(String, String?)])
  func misspelt(_ line: String, _ text: String?) {
    #expect(Martlet.unknownCommand(in: line.split(separator: " ").map(String.init)) == text)
  }

  @Test("--all means the whole queue, conditions are joined, and each id has its filter")
  func filters() throws {
    let all = try #require(try QueueCommand.parseAsRoot(["delete", "--data", "/d", "--all"]) as? QueueDelete)
    #expect(all.options.selection.filters == [QueueFilter()])

    let some = try #require(
      try QueueCommand.parseAsRoot([
        "hold", CommandTests.id, "--data", "/d", "--id", Sample.id(2).description, "--sender", "<>",
        "--recipient", "@example.org", "--user", "anna", "--route", "outbound", "--state", "queued",
      ]) as? QueueHold)
    var expected = QueueFilter()
    expected.sender = "<>"
    expected.recipient = "@example.org"
    expected.account = "anna"
    expected.route = Sample.outbound
    expected.state = .queued
    #expect(
      some.options.selection.filters
        == [Sample.id(1), Sample.id(2)].map { id in
          var filter = expected
          filter.id = id
          return filter
        })
  }

  @Test(
    "on users are refused before anything is asked or written",
    arguments: [
      (["add", "--data", "/d", "printer"], "--sender"),
      (["add", "--data", "/d", "a@example.org", "--sender", "nonsense"], "no sender"),
      (["add", "--data", "/d", "a@example.org", "--priority", "urgent"], "no priority"),
      (["add", "--data", "/d", "a@example.org", "--messages-per-hour=-1"], "0 or more"),
      (["add", "--data", "/d", "a@example.org", "--password-file", "/p", "--password-stdin"], "one source"),
      (["add", "--data", "/d", "a\nb", "--sender", "*"], "user name"),
      (["add", "a@example.org"], "--data"),
    ])
  func refusedUsers(_ arguments: [String], _ words: String) {
    let error = #expect(throws: (any Error).self) { try UserCommand.parseAsRoot(arguments) }
    guard let error else { return }
    #expect(UserCommand.exitCode(for: error) == .validationFailure)
    #expect(UserCommand.fullMessage(for: error).contains(words))
  }

  @Test("take no password among their arguments")
  func noPasswordArgument() {
    for command in [UserAdd.helpMessage(columns: 80), UserPasswd.helpMessage(columns: 80)] {
      #expect(command.contains("--password-file") && command.contains("--password-stdin"))
      #expect(!command.contains("--password <"))
    }
  }

  @Test("say what they have changed", arguments: QueueChange.allCases)
  func reports(_ change: QueueChange) {
    #expect(change.report(of: 0, isServed: true).hasPrefix("No recipient"))
    #expect(change.report(of: 1, isServed: true).hasPrefix("1 recipient "))
    #expect(change.report(of: 2, isServed: false).hasPrefix("2 recipients "))
    expectFits([change.report(of: 1_000_000, isServed: false)])
  }

  @Test("don't say that mail is due now where no server would deliver it")
  func unserved() {
    #expect(QueueChange.release.report(of: 1, isServed: true) == "1 recipient released and due now.")
    #expect(
      QueueChange.release.report(of: 1, isServed: false) == "1 recipient released and due when a server runs again.")
    #expect(!QueueChange.retry.report(of: 1, isServed: false).contains("now"))
  }

  @Test("explain themselves in 80 columns")
  func helpFits() {
    var commands: [any ParsableCommand.Type] = [Martlet.self]
    while let command = commands.popLast() {
      for line in command.helpMessage(columns: 80).split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
      commands += command.configuration.subcommands
    }
  }

  @Test("the file of check and serve is named by --config or bare, once")
  func configurationFile() throws {
    for arguments in [["m.yaml"], ["--config", "m.yaml"]] {
      #expect(try (CheckCommand.parseAsRoot(arguments) as? CheckCommand)?.configuration.path == "m.yaml")
      #expect(try (Serve.parseAsRoot(arguments) as? Serve)?.file.path == "m.yaml")
    }
    for arguments in [[], ["a.yaml", "--config", "b.yaml"]] {
      let error = #expect(throws: (any Error).self) { try CheckCommand.parseAsRoot(arguments) }
      guard let error else { continue }
      #expect(CheckCommand.fullMessage(for: error).contains("--config FILE"))
    }
  }

  @Test(
    "the submission port that stands in for the others is called alternate",
    arguments: [
      ([587, 2525], ["submission", "alternate"]), ([2525, 587], ["alternate", "submission"]),
      ([2587, 4525], ["submission", "alternate"]), ([2525], ["submission"]),
      ([587, 587], ["submission", "submission"]),
    ] as [([UInt16], [String])])
  func portNames(_ ports: [UInt16], _ names: [String]) {
    let all = ports.map { (role: ListenerRole.submission, endpoint: SocketEndpoint(address: .v4(0), port: $0)) }
    #expect(all.map { PortName.name($0.endpoint, of: $0.role, among: all) } == names)
    #expect(PortName.name(all[0].endpoint, of: .relay, among: all) == "relay")
  }

  @Test("end with the documented code for every fault")
  func exitCodes() {
    let codes = ControlFault.Kind.allCases.map { ($0, $0.exitCode.rawValue) }
    for (kind, code) in codes { #expect((64...78).contains(code), "\(kind)") }
    #expect(ControlFault.Kind.nobodyListens.exitCode == ExitStatus.unavailable)
    #expect(ControlFault.Kind.notPermitted.exitCode == ExitStatus.notPermitted)
    #expect(ControlFault.Kind.busy.exitCode == ExitStatus.tryAgain)
  }
}
