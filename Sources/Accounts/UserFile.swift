internal import FoundationEssentials
internal import MailSyntax

/// The file of users as bytes: JSON with a version, users in the order of their names, keys in order. Reading and
/// writing the file itself, whole and with mode 0600, is the edge's.
///
/// ```json
/// {
///   "users" : [
///     {
///       "name" : "app@example.org",
///       "password_hash" : "$argon2id$v=19$m=19456,t=2,p=1$…",
///       "priority" : "interactive",
///       "limits" : { "messages_per_hour" : 1000 },
///       "senders" : [ "@example.org" ]
///     }
///   ],
///   "version" : 1
/// }
/// ```
/// A user may also have `scram`, `tenant` and `disabled`. Strict: an unknown key is an error, for a misspelt
/// `disabled` would let somebody in.
public enum UserFile {
  public static let version = 1
  public static let maximumOctets = 64 << 20

  public static func decode(_ octets: [UInt8]) throws(UserFileError) -> UserDirectory {
    guard octets.count <= maximumOctets else { throw .tooLarge }
    let file: UserFileRecord
    do {
      let data = Data(octets)
      let version = try JSONDecoder().decode(VersionRecord.self, from: data).version
      guard version == UserFile.version else { throw UserFileError.unsupportedVersion(version) }
      file = try JSONDecoder().decode(UserFileRecord.self, from: data)
    } catch let error as UserFileError {
      throw error
    } catch {
      throw explain(error, octets)
    }
    var users: [User] = []
    for record in file.users { users.append(try record.user()) }
    do throws(UserFault) {
      return try UserDirectory(users)
    } catch {
      throw .users(error)
    }
  }

  public static func encode(_ directory: UserDirectory) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let file = UserFileRecord(version: version, users: directory.users.map(UserRecord.init))
    guard let data = try? encoder.encode(file) else {
      invariant(false, "strings, numbers and flags have a JSON form")
      return []
    }
    return Array(data) + [UInt8(ascii: "\n")]
  }

  /// Turns the decoder's error into one that names the user and the field.
  private static func explain(_ error: any Error, _ octets: [UInt8]) -> UserFileError {
    let (path, problem): ([any CodingKey], String)
    switch error {
    case DecodingError.keyNotFound(let key, let context): (path, problem) = (context.codingPath + [key], "is missing")
    case DecodingError.valueNotFound(_, let context): (path, problem) = (context.codingPath, "may not be null")
    case DecodingError.typeMismatch(_, let context): (path, problem) = (context.codingPath, "is of the wrong type")
    case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
      (path, problem) = (context.codingPath, context.debugDescription)
    case _: return .notJSON
    }
    let field = path.filter { $0.intValue == nil }.map(\.stringValue).filter { $0 != "users" }.joined(separator: ".")
    guard let place = path.first(where: { $0.intValue != nil })?.intValue else {
      return .file(field: field.isEmpty ? "users" : field, problem: problem)
    }
    let names = (try? JSONDecoder().decode(NamesRecord.self, from: Data(octets)))?.users ?? []
    let name = names.indices.contains(place) ? names[place].name : nil
    return .user(name ?? "number \(place + 1)", field: field, problem: problem)
  }
}

/// What is wrong with a file of users, and where.
public enum UserFileError: Error, Hashable, Sendable, CustomStringConvertible {
  case tooLarge
  case notJSON
  case unsupportedVersion(Int)
  case file(field: String, problem: String)
  /// The user's name, or its place in the file where it has none.
  case user(String, field: String, problem: String)
  case users(UserFault)

  public var description: String {
    switch self {
    case .tooLarge: "the file of users is larger than \(UserFile.maximumOctets) bytes"
    case .notJSON: "the file of users is not JSON"
    case .unsupportedVersion(let version):
      "the file of users has version \(version); this program reads version \(UserFile.version)"
    case .file(let field, let problem): "\"\(field)\" \(problem)"
    case .user(let name, let field, let problem): "user \"\(name)\": \"\(field)\" \(problem)"
    case .users(let fault): fault.description
    }
  }
}
