import ArgumentParser
import ControlPlane

/// Numbers for a monitoring system, once.
struct MetricsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "metrics", abstract: "What the running server has counted, for a monitoring system.",
    usage: "martlet metrics --data <folder>",
    discussion: """
      Prints the text format of Prometheus. For the textfile collector of its node exporter, from a timer: \
      martlet metrics --data FOLDER > martlet.prom.new && mv martlet.prom.new martlet.prom
      """)

  @OptionGroup var place: PlaceOptions

  func run() async throws {
    try await complaining {
      let place = try place.place()
      guard try await ControlClient.isServed(place.socketPath) else {
        throw ControlFault(.nobodyListens, "\(place.dataFolder): no server runs here, and only a running one counts")
      }
      let answers = try await remarkingOnSilence { () async throws(ControlFault) in
        try await ControlClient.call(.metrics, socketPath: place.socketPath)
      }
      // Its last line has its end.
      for case .metrics(let text) in answers { Console.print(String(text.dropLast())) }
    }
  }
}
