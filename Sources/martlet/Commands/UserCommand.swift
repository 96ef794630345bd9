import Accounts
import ArgumentParser
import Configuration
import ControlPlane
import Foundation
import MailQueue
import MailSyntax

struct UserCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "user",
    abstract: "Who may submit mail.",
    discussion: """
      Users stand in a file of the data folder, or where the configuration says, with argon2id hashes of their \
      passwords. A running server is told of every change at once.
      """,
    subcommands: [UserAdd.self, UserList.self, UserPasswd.self, UserRemove.self])
}

struct UserAdd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add", abstract: "Add a user, with a strong random password unless you bring one.",
    discussion: """
      The random password is printed once and kept nowhere; it gets SCRAM keys as well. For a password of your own say \
      --scram to make keys: a stolen users file then gives a weak password away sooner. SCRAM-SHA-256 is offered to \
      clients only while every user has keys.
      """)

  @OptionGroup var place: PlaceOptions
  @Argument(help: "The name to log in with; often a mail address.") var name: String
  @Option(
    help: ArgumentHelp(
      "A sender the user may write as: user@domain, @domain, or * for any. May be given several times; without it the "
        + "name, where that is an address.", valueName: "pattern"))
  var sender: [String] = []
  @OptionGroup var password: PasswordOptions
  @Option(help: ArgumentHelp("Users of one tenant share a place in the queue's turns.", valueName: "name"))
  var tenant: String?
  @Option(help: ArgumentHelp("Which mail goes first: interactive, normal or bulk.", valueName: "class"))
  var priority = "normal"
  @Option(help: ArgumentHelp("At most so many messages in an hour.", valueName: "count")) var messagesPerHour: Int?
  @Option(help: ArgumentHelp("At most so many messages in a day.", valueName: "count")) var messagesPerDay: Int?
  @Option(help: ArgumentHelp("At most so many recipients in an hour.", valueName: "count")) var recipientsPerHour: Int?
  @Option(help: ArgumentHelp("At most so many recipients in a day.", valueName: "count")) var recipientsPerDay: Int?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    _ = try explaining { try UserName(name) }
    _ = try rights()
    _ = try priorityClass()
    for limit in [messagesPerHour, messagesPerDay, recipientsPerHour, recipientsPerDay].compactMap({ $0 })
    where limit < 0 { throw ValidationError("A limit is 0 or more.") }
  }

  func run() async throws {
    try await complaining {
      let place = try place.place()
      let name = try UserName(name)
      let file = UserFileEditor(place)
      try file.check { directory in
        guard directory.user(named: name.description) == nil else { throw UserFault.duplicateName(name) }
      }
      let password = try password.read() ?? .made()
      let user = User(
        name: name, passwordHash: try await password.hash(), scramKeys: try await password.scramKeys(),
        senders: try rights(),
        quota: QuotaLimits(
          messagesPerHour: messagesPerHour, messagesPerDay: messagesPerDay, recipientsPerHour: recipientsPerHour,
          recipientsPerDay: recipientsPerDay),
        priority: try priorityClass(), tenant: tenant)
      let directory = try file.edit { directory in
        // Again, under the lock: another command may have been quicker.
        guard directory.user(named: name.description) == nil else { throw UserFault.duplicateName(name) }
        return try directory.setting(user)
      }
      var notice = UserNotice(
        user: user, deed: .added, madePassword: password.madeText, server: await file.tellServer(),
        offersSCRAM: directory.everyUserHasSCRAMKeys, usersFile: place.usersFile)
      notice.warning = place.configuration?.unreachable([user]).first.map { "\($0.text); \($0.remedy)" }
      Console.print(try json ? QueueText.json(notice) : notice.lines.joined(separator: "\n"))
    }
  }

  private func rights() throws -> SenderRights {
    guard !sender.isEmpty else {
      guard let own = try? SenderPattern(name), case .mailbox = own else {
        throw ValidationError(
          "\(name) is no mail address; say with --sender what it may write as: user@domain, @domain, or * for any.")
      }
      return try SenderRights([own])
    }
    return try explaining { try SenderRights(try sender.map { try SenderPattern($0) }) }
  }

  private func priorityClass() throws -> PriorityClass {
    guard let found = PriorityClass.allCases.first(where: { "\($0)" == priority }) else {
      let names = PriorityClass.allCases.map { "\($0)" }.joined(separator: ", ")
      throw ValidationError("\"\(priority)\" is no priority: there are \(names).")
    }
    return found
  }

  private func explaining<Result>(_ work: () throws -> Result) throws -> Result {
    do {
      return try work()
    } catch let fault as UserFault {
      throw ValidationError("\(fault).")
    }
  }
}

struct UserPasswd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "passwd", abstract: "Give a user another password, a strong random one unless you bring one.",
    usage: "martlet user passwd --data <folder> <name> [<options>]",
    discussion: "The old one ends at once. Random passwords get SCRAM keys; your own ones only with --scram.")

  @OptionGroup var place: PlaceOptions
  @Argument(help: "The user's name.") var name: String
  @OptionGroup var password: PasswordOptions
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await complaining {
      let place = try place.place()
      let file = UserFileEditor(place)
      try file.requireFolder()
      try file.check { _ = try $0.knownUser(name, in: place) }
      let password = try password.read() ?? .made()
      let (hash, keys) = (try await password.hash(), try await password.scramKeys())
      let directory = try file.edit { directory in
        var user = try directory.knownUser(name, in: place)
        user.passwordHash = hash
        user.scramKeys = keys
        return try directory.setting(user)
      }
      let notice = UserNotice(
        user: try directory.knownUser(name, in: place), deed: .passwordChanged, madePassword: password.madeText,
        server: await file.tellServer(), offersSCRAM: directory.everyUserHasSCRAMKeys, usersFile: place.usersFile)
      Console.print(try json ? QueueText.json(notice) : notice.lines.joined(separator: "\n"))
    }
  }
}

struct UserRemove: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove a user.",
    discussion: "It can't log in any more. Mail it has submitted stays in the queue; see `martlet queue list --user`.")

  @OptionGroup var place: PlaceOptions
  @Argument(help: "The user's name.") var name: String
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await complaining {
      let place = try place.place()
      let file = UserFileEditor(place)
      try file.requireFolder()
      try file.check { _ = try $0.knownUser(name, in: place) }
      var removed: User?
      let directory = try file.edit { directory in
        let user = try directory.knownUser(name, in: place)
        removed = user
        return directory.removing(user.name) ?? directory
      }
      guard let removed else { throw ExitStatus.internalError }
      let notice = UserNotice(
        user: removed, deed: .removed, madePassword: nil, server: await file.tellServer(),
        offersSCRAM: directory.everyUserHasSCRAMKeys, usersFile: place.usersFile)
      Console.print(try json ? QueueText.json(notice) : notice.lines.joined(separator: "\n"))
    }
  }
}

struct UserList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "The users, by name.", discussion: "With --json one object a line.")

  @OptionGroup var place: PlaceOptions
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await complaining {
      let place = try place.place()
      try UserFileEditor(place).requireFolder()
      let directory = try UserFiles.load(place.usersFile)
      if json {
        for user in directory.users { Console.print(try QueueText.json(UserFacts(user))) }
      } else {
        Console.print(UserListing.lines(directory).joined(separator: "\n"))
      }
    }
  }
}
