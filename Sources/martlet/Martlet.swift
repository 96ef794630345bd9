import ArgumentParser
import Configuration

@main
struct Martlet: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet",
    abstract: "Mail transport that never lands in cleartext.",
    discussion: """
      Begin with `martlet dev`: a local mail server without any configuration, for the program you are writing. \
      `martlet demo` shows what Martlet does, `martlet serve` runs it for good.

      Exit codes: 0 done, 1 mail would not go (explain), 64 wrong use, 65 bad data, 66 no such file, 68 no such name, \
      69 not available, 70 internal error, 73 can't create, 74 input or output failed, 75 try again later, \
      77 not permitted, 78 bad configuration.
      """,
    version: Version.current,
    subcommands: [
      Demo.self, Dev.self, Serve.self, CheckCommand.self, Send.self, ExplainCommand.self, DNSCommand.self,
      AuthCommand.self, DKIMCommand.self, QueueCommand.self, PolicyCommand.self, TraceCommand.self, UserCommand.self,
      BackupCommand.self,
      RestoreCommand.self, MetricsCommand.self,
    ])

  static func main() async {
    if let text = unknownCommand(in: CommandLine.arguments.dropFirst()) {
      Console.complain(text)
      exit(withError: ExitStatus.wrongUse)
    }
    await main(nil)
  }

  /// What to say where a word stands in a command's place and is none; nil where nothing is wrong that far.
  static func unknownCommand(in words: some Sequence<String>) -> String? {
    var command: any ParsableCommand.Type = Martlet.self
    var path = "martlet"
    for word in words where word != "help" {
      let commands = command.configuration.subcommands
      guard !commands.isEmpty, !word.hasPrefix("-") else { return nil }
      let isMeant = { (command: any ParsableCommand.Type) in
        command._commandName == word || command.configuration.aliases.contains(word)
      }
      guard let next = commands.first(where: isMeant) else {
        let near = Spelling.nearest(to: word, among: commands.map { $0._commandName })
        let advice = near.map { "did you mean \($0)?" } ?? "\(path) --help lists them"
        return "\(path) \(QueueText.printable(word)): there is no such command; \(advice)"
      }
      command = next
      path += " \(word)"
    }
    return nil
  }
}

enum Version {
  static let current = "0.1.0"
}
