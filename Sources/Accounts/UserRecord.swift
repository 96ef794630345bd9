internal import MailQueue
internal import SASLMechanisms

/// The shapes of the file of users. The field names are what the file has.
struct UserFileRecord: Codable {
  var version: Int
  var users: [UserRecord]

  private enum CodingKeys: String, CodingKey, CaseIterable { case version, users }
  init(version: Int, users: [UserRecord]) { (self.version, self.users) = (version, users) }
  init(from decoder: any Decoder) throws {
    try refuseUnknownKeys(decoder, CodingKeys.allCases.map(\.rawValue))
    let container = try decoder.container(keyedBy: CodingKeys.self)
    version = try container.decode(Int.self, forKey: .version)
    users = try container.decode([UserRecord].self, forKey: .users)
  }
}

struct VersionRecord: Decodable { let version: Int }

struct NamesRecord: Decodable {
  struct Name: Decodable { let name: String? }
  let users: [Name]
}

struct UserRecord: Codable {
  var name: String
  var passwordHash: String
  var scram: String?
  var senders: [String]
  var limits: LimitsRecord?
  var priority: String?
  var tenant: String?
  var disabled: Bool?

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case name, scram, senders, limits, priority, tenant, disabled
    case passwordHash = "password_hash"
  }

  init(from decoder: any Decoder) throws {
    try refuseUnknownKeys(decoder, CodingKeys.allCases.map(\.rawValue))
    let container = try decoder.container(keyedBy: CodingKeys.self)
    name = try container.decode(String.self, forKey: .name)
    passwordHash = try container.decode(String.self, forKey: .passwordHash)
    scram = try container.decodeIfPresent(String.self, forKey: .scram)
    senders = try container.decode([String].self, forKey: .senders)
    limits = try container.decodeIfPresent(LimitsRecord.self, forKey: .limits)
    priority = try container.decodeIfPresent(String.self, forKey: .priority)
    tenant = try container.decodeIfPresent(String.self, forKey: .tenant)
    disabled = try container.decodeIfPresent(Bool.self, forKey: .disabled)
  }

  init(_ user: User) {
    name = user.name.description
    passwordHash = user.passwordHash.encoded
    scram = user.scramKeys?.encoded
    senders = user.senders.patterns.map(\.description)
    limits = user.quota == QuotaLimits() ? nil : LimitsRecord(user.quota)
    priority = user.priority.fileName
    tenant = user.tenant
    disabled = user.isDisabled ? true : nil
  }

  func user() throws(UserFileError) -> User {
    func fault(_ field: String, _ problem: String) -> UserFileError { .user(name, field: field, problem: problem) }
    guard let hash = PasswordHash(encoded: passwordHash) else {
      throw fault("password_hash", "is no encoded hash; set one with: martlet user passwd")
    }
    let keys = try scram.map { (text) throws(UserFileError) in
      guard let keys = SCRAMKeys(encoded: text) else {
        throw fault("scram", "is not SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey")
      }
      return keys
    }
    var priorityClass = PriorityClass.normal
    if let priority {
      guard let known = PriorityClass.allCases.first(where: { $0.fileName == priority }) else {
        throw fault("priority", "is not \(PriorityClass.allCases.map(\.fileName).joined(separator: ", "))")
      }
      priorityClass = known
    }
    guard let limits = (limits ?? LimitsRecord(QuotaLimits())).quota else {
      throw fault("limits", "may not be negative")
    }
    do throws(UserFault) {
      let userName = try UserName(name)
      var patterns: [SenderPattern] = []
      for sender in senders { patterns.append(try SenderPattern(sender)) }
      return User(
        name: userName, passwordHash: hash, scramKeys: keys, senders: try SenderRights(patterns), quota: limits,
        priority: priorityClass, tenant: tenant, isDisabled: disabled ?? false)
    } catch {
      switch error {
      case .badName, .duplicateName, .tooManyUsers: throw fault("name", "can't stand: \(error)")
      case .badSender, .tooManySenders: throw fault("senders", "can't stand: \(error)")
      }
    }
  }
}

struct LimitsRecord: Codable {
  var messagesPerHour: Int?
  var messagesPerDay: Int?
  var recipientsPerHour: Int?
  var recipientsPerDay: Int?

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case messagesPerHour = "messages_per_hour"
    case messagesPerDay = "messages_per_day"
    case recipientsPerHour = "recipients_per_hour"
    case recipientsPerDay = "recipients_per_day"
  }

  init(from decoder: any Decoder) throws {
    try refuseUnknownKeys(decoder, CodingKeys.allCases.map(\.rawValue))
    let container = try decoder.container(keyedBy: CodingKeys.self)
    messagesPerHour = try container.decodeIfPresent(Int.self, forKey: .messagesPerHour)
    messagesPerDay = try container.decodeIfPresent(Int.self, forKey: .messagesPerDay)
    recipientsPerHour = try container.decodeIfPresent(Int.self, forKey: .recipientsPerHour)
    recipientsPerDay = try container.decodeIfPresent(Int.self, forKey: .recipientsPerDay)
  }

  init(_ quota: QuotaLimits) {
    messagesPerHour = quota.messagesPerHour
    messagesPerDay = quota.messagesPerDay
    recipientsPerHour = quota.recipientsPerHour
    recipientsPerDay = quota.recipientsPerDay
  }

  var quota: QuotaLimits? {
    let all = [messagesPerHour, messagesPerDay, recipientsPerHour, recipientsPerDay]
    guard all.allSatisfy({ $0 ?? 0 >= 0 }) else { return nil }
    return QuotaLimits(
      messagesPerHour: messagesPerHour, messagesPerDay: messagesPerDay, recipientsPerHour: recipientsPerHour,
      recipientsPerDay: recipientsPerDay)
  }
}

extension PriorityClass {
  fileprivate var fileName: String {
    switch self {
    case .interactive: "interactive"
    case .normal: "normal"
    case .bulk: "bulk"
    }
  }
}

private struct AnyKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

private func refuseUnknownKeys(_ decoder: any Decoder, _ known: [String]) throws {
  let unknown = try decoder.container(keyedBy: AnyKey.self).allKeys.filter { !known.contains($0.stringValue) }
  // In order of name: a dictionary's own order would change from run to run.
  guard let first = unknown.min(by: { $0.stringValue < $1.stringValue }) else { return }
  throw DecodingError.dataCorrupted(
    DecodingError.Context(
      codingPath: decoder.codingPath + [first],
      debugDescription: "is no key of this file; there are \(known.sorted().joined(separator: ", "))"))
}
