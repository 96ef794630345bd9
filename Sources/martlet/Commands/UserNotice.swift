import Accounts
import MailSyntax

/// What a command on users says when it is done.
struct UserNotice: Encodable {
  enum Deed { case added, passwordChanged, removed }

  enum Server {
    case knows
    case notRunning
    case failed(String)
  }

  let user: User
  let deed: Deed
  /// Shown this once.
  let madePassword: String?
  let server: Server
  let offersSCRAM: Bool
  let usersFile: String
  /// What is probably not meant so.
  var warning: String?

  private enum CodingKeys: String, CodingKey {
    case user, password, reloaded, warning
    case usersFile = "users_file"
    case offersSCRAM = "scram_offered"
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(UserFacts(user), forKey: .user)
    try container.encodeIfPresent(madePassword, forKey: .password)
    try container.encode(usersFile, forKey: .usersFile)
    try container.encodeIfPresent(warning, forKey: .warning)
    try container.encode(offersSCRAM, forKey: .offersSCRAM)
    if case .knows = server {
      try container.encode(true, forKey: .reloaded)
    } else {
      try container.encode(false, forKey: .reloaded)
    }
  }

  var lines: [String] {
    let name = QueueText.printable(user.name.description)
    var lines: [String] =
      switch deed {
      case .added: ["User \(name) is added to \(usersFile)."]
      case .passwordChanged: ["User \(name) has another password."]
      case .removed: ["User \(name) is removed from \(usersFile)."]
      }
    if let madePassword {
      lines += [
        "", "  user      \(name)", "  password  \(madePassword)", "",
        "The password is shown this once and kept nowhere: copy it now.",
      ]
    }
    if deed == .added {
      let senders = user.senders.patterns.map(\.description).joined(separator: ", ")
      lines += QueueText.wrapped("It may write as \(senders), and as <>.", indent: 0)
    }
    if deed != .removed, user.scramKeys == nil {
      lines += QueueText.wrapped(
        "It has no SCRAM keys, so SCRAM-SHA-256 is offered to nobody; --scram makes keys.", indent: 0)
    }
    if let warning { lines += QueueText.wrapped("Warning: \(warning).", indent: 0) }
    switch server {
    case .knows: lines.append("The running server knows it already.")
    case .notRunning: lines.append("No server runs here; it will know when it starts.")
    case .failed(let text):
      lines += QueueText.wrapped("The file is written, but the running server did not read it: \(text)", indent: 0)
    }
    return lines
  }
}

/// A user as commands show it: never with hash or keys.
struct UserFacts: Encodable {
  struct Limits: Encodable {
    let messagesPerHour, messagesPerDay, recipientsPerHour, recipientsPerDay: Int?
    private enum CodingKeys: String, CodingKey {
      case messagesPerHour = "messages_per_hour"
      case messagesPerDay = "messages_per_day"
      case recipientsPerHour = "recipients_per_hour"
      case recipientsPerDay = "recipients_per_day"
    }
  }

  let name: String
  let senders: [String]
  let priority: String
  let tenant: String?
  let scram: Bool
  let disabled: Bool
  let limits: Limits

  init(_ user: User) {
    name = user.name.description
    senders = user.senders.patterns.map(\.description)
    priority = "\(user.priority)"
    tenant = user.tenant
    scram = user.scramKeys != nil
    disabled = user.isDisabled
    limits = Limits(
      messagesPerHour: user.quota.messagesPerHour, messagesPerDay: user.quota.messagesPerDay,
      recipientsPerHour: user.quota.recipientsPerHour, recipientsPerDay: user.quota.recipientsPerDay)
  }
}

/// `user list` as a table.
enum UserListing {
  static func lines(_ directory: UserDirectory) -> [String] {
    guard !directory.users.isEmpty else { return ["There is no user; add one with martlet user add."] }
    var lines = ["NAME                            PRIORITY     SCRAM  SENDERS"]
    for user in directory.users { lines += self.lines(UserFacts(user)) }
    lines += [
      "\(QueueText.count(directory.users.count, "user")). SCRAM-SHA-256 is "
        + (directory.everyUserHasSCRAMKeys ? "offered." : "not offered: not every user has keys.")
    ]
    return lines
  }

  private static func lines(_ user: UserFacts) -> [String] {
    let more = user.senders.count > 1 ? " and \(user.senders.count - 1) more" : ""
    let first = user.senders.first ?? "<> only"
    var lines = [
      QueueText.left(user.name, 30) + "  " + QueueText.left(user.priority, 11) + "  "
        + QueueText.left(user.scram ? "yes" : "no", 5) + "  " + QueueText.clip(first, 28 - more.count) + more
    ]
    var notes: [String] = []
    if user.disabled { notes.append("disabled") }
    if let tenant = user.tenant { notes.append("tenant \(tenant)") }
    for (limit, what) in [
      (user.limits.messagesPerHour, "messages an hour"), (user.limits.messagesPerDay, "messages a day"),
      (user.limits.recipientsPerHour, "recipients an hour"), (user.limits.recipientsPerDay, "recipients a day"),
    ] {
      if let limit { notes.append("\(limit) \(what)") }
    }
    if !notes.isEmpty { lines += QueueText.wrapped(notes.joined(separator: ", "), indent: 2) }
    return lines
  }
}
