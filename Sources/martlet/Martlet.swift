import ArgumentParser

@main
struct Martlet: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet",
    abstract: "Mail transport that never lands in cleartext.",
    discussion: """
      Begin with `martlet dev`: a local mail server without any configuration, for the program you are writing. \
      `martlet demo` shows what Martlet does, `martlet serve` runs it for good.

      Exit codes: 0 done, 64 wrong use, 65 bad data, 66 no such file, 68 no such name, 69 not available, 70 internal error, \
      73 can't create, 74 input or output failed, 75 try again later, 77 not permitted, 78 bad configuration.
      """,
    version: Version.current,
    subcommands: [
      Demo.self, Dev.self, Serve.self, CheckCommand.self, Send.self, DNSCommand.self, QueueCommand.self,
      TraceCommand.self, UserCommand.self, BackupCommand.self, RestoreCommand.self,
    ])
}

enum Version {
  static let current = "0.1.0"
}
