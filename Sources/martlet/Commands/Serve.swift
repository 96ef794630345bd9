import ArgumentParser
import Configuration
import ControlPlane
import Foundation
import MailQueue
import MailSyntax
import QueueStorage
import Relay
import SMTPSessions
import SMTPTransport
import SystemWorld

struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run the mail server.",
    discussion: """
      Examples/martlet.yaml shows every key with its meaning; `martlet check` says what is wrong with a file. SIGHUP \
      reads it again with the certificates and users it names, whole or not at all, without dropping a session; keys \
      that need a restart are named in the log. SIGTERM and SIGINT end it after the open transactions and \
      deliveries, within drain_time; the second one ends it at once.
      """)

  @OptionGroup var file: ConfigurationOptions

  func run() async throws {
    let signals = Signals()
    let (configuration, remarks) = try ConfigurationSource(path: file.path) { _ in }.loadOrExplain()
    let log = LogWriter(
      descriptor: STDERR_FILENO, format: .init(configuration.log.format), clock: SystemClock())
    defer { log.close() }
    let house = try await House.opened(
      configuration,
      from: ConfigurationSource(path: file.path) { log.change(to: LogWriter.Format($0.log.format)) }, log: log,
      inherited: try InheritedSockets.parse(
        environment: ProcessInfo.processInfo.environment, process: ProcessInfo.processInfo.processIdentifier))
    house.tell(remarks)
    for line in house.listeningLines { Console.note(line) }
    switch await house.run(until: signals) {
    case .stopped: break
    case .storeFault(let fault):
      Console.complain(
        "the queue has stopped: \(fault); nothing that was accepted is lost. Mend the disk, start again.")
      throw ExitStatus.inputOutput
    }
  }
}

extension LogWriter.Format {
  init(_ format: Configuration.Log.Format) {
    switch format {
    case .text: self = .text
    case .json: self = .json
    }
  }
}

extension House {
  /// `open`, with what went wrong said as a person reads it.
  static func opened(
    _ configuration: Configuration, from source: ConfigurationSource? = nil, relayReach: RoutingReach = .ownDomains,
    log: any EventSink, inherited: [InheritedSocket] = [], segmentSize: ByteCount? = nil
  ) async throws -> House {
    do {
      return try await open(
        configuration, from: source, relayReach: relayReach, log: log, inherited: inherited, segmentSize: segmentSize)
    } catch let fault as ListenFault {
      Console.complain("\(fault)")
      throw ExitStatus.unavailable
    } catch let fault as StoreOpenError {
      Console.complain(fault.description)
      throw fault.exitCode
    } catch let fault as FileTrouble {
      Console.complain("\(fault)")
      throw ExitStatus.noInput
    } catch {
      Console.complain("\(error)")
      throw ExitStatus.badConfiguration
    }
  }

  /// One line a listener, for whoever started the server.
  var listeningLines: [String] { ports.map { "martlet: \($0.name) on \($0.endpoint)" } }

  func run(until signals: Signals) async -> QueueRunner.End {
    await run {
      for await word in signals.words {
        switch word {
        case .stop:
          if Console.columns(of: STDERR_FILENO) != nil {
            Console.note("martlet: ending when what is under way is done; once more ends it at once")
          }
          return
        // What could not be read again is in the log as an alarm.
        case .reload: _ = try? await self.reload(.everything)
        }
      }
    } hurry: {
      // Who asks a second time doesn't want to wait.
      for await word in signals.words where word == .stop { return }
    }
  }
}
