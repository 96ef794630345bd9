import ArgumentParser
import MailSyntax
import SystemWorld

struct Demo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what Martlet does, and what it does under attack.",
    discussion: """
      Starts a server and a smarthost on loopback in a temporary folder and sends four messages through both. Then the \
      server becomes a relay on a small internet: domains that promise TLS by MTA-STS or DANE, domains that promise \
      nothing, and before each of their mail servers an attacker that listens, strips, refuses, injects or forges. One \
      table tells of each what Martlet did, under which TLS, and whether the attacker could read the message. Names \
      come from nsd with a zone signed on the spot where nsd and ldns-signzone are installed. Needs no configuration, \
      asks nothing of the network, and leaves nothing behind. The exit code is 0 only if everything went as the \
      standards say that it has to.
      """)

  @Flag(help: "Print one JSON object with the results.") var json = false

  func run() async throws {
    let signals = Signals()
    let clock = SystemClock()
    let start = clock.uptime
    if !json { Console.print(DemoProgramme.introduction) }
    let (scenes, relay) = try await perform(until: signals, clock)
    let programme = DemoProgramme(
      scenes: scenes, relay: relay, elapsed: clock.uptime - start, paint: json ? .off : .onStandardOutput)
    Console.print(json ? programme.record.json : programme.text)
    guard programme.isIntact else { throw ExitStatus.internalError }
  }

  /// The folders go whichever way it ends; only a kill that can't be caught leaves them.
  private func perform(
    until signals: Signals, _ clock: SystemClock
  ) async throws -> (scenes: [DemoScene], relay: DemoRelayAct) {
    do {
      return try await withThrowingTaskGroup(of: (scenes: [DemoScene], relay: DemoRelayAct).self) { group in
        group.addTask {
          let theatre = try await DemoTheatre.build()
          defer { theatre.tearDown() }
          let scenes = try await theatre.perform(DemoMessage.all)
          return (scenes, try await theatre.perform(DemoExpectation.all))
        }
        group.addTask {
          for await word in signals.words where word == .stop { throw DemoFault.interrupted }
          throw CancellationError()
        }
        group.addTask {
          await clock.sleep(until: clock.uptime + DemoTheatre.longestRun)
          throw DemoFault.tooSlow
        }
        defer { group.cancelAll() }
        guard let acts = try await group.next() else { throw CancellationError() }
        return acts
      }
    } catch {
      Console.complain("the demonstration ended early: \(error)")
      throw error as? DemoFault == .interrupted ? Demo.interrupted : ExitStatus.internalError
    }
  }

  /// What a shell says of a program that SIGINT has ended.
  private static let interrupted = ExitCode(130)
}
