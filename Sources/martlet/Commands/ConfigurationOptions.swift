import ArgumentParser

/// The configuration file of `serve` and `check`: by `--config`, as every other command names it, or bare.
struct ConfigurationOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("The configuration file.", valueName: "file")) var file: String?
  @Option(help: ArgumentHelp("The same.", valueName: "file")) var config: String?

  func validate() throws {
    guard (file == nil) != (config == nil) else {
      throw ValidationError("Name one configuration file: --config FILE. Examples/martlet.yaml is one to begin with.")
    }
  }

  var path: String { config ?? file ?? "" }
}
