public import MailQueue
internal import MailSyntax
public import SASLMechanisms

/// Somebody who may submit mail: a person or a program.
public struct User: Sendable {
  public var name: UserName
  public var passwordHash: PasswordHash
  /// Present where the password was prepared for SCRAM as well.
  public var scramKeys: SCRAMKeys?
  public var senders: SenderRights
  public var quota: QuotaLimits
  public var priority: PriorityClass
  /// Groups users that share a place in the queue's turn-taking.
  public var tenant: String?
  /// A disabled user is answered as one that isn't there.
  public var isDisabled: Bool

  public init(
    name: UserName, passwordHash: PasswordHash, scramKeys: SCRAMKeys? = nil, senders: SenderRights,
    quota: QuotaLimits = QuotaLimits(), priority: PriorityClass = .normal, tenant: String? = nil,
    isDisabled: Bool = false
  ) {
    self.name = name
    self.passwordHash = passwordHash
    self.scramKeys = scramKeys
    self.senders = senders
    self.quota = quota
    self.priority = priority
    self.tenant = tenant
    self.isDisabled = isDisabled
  }
}

/// A user's name, prepared as SASL prepares it. Often a mailbox, but any text of 1 to `maximumOctets` will do.
///
/// Two names are the same user when they differ in nothing but the case of A to Z; all else compares octet for octet.
public struct UserName: Hashable, Comparable, Sendable, CustomStringConvertible {
  public static let maximumOctets = ServerExchange.maximumUserOctets

  /// As it was given, prepared.
  public let description: String
  let folded: [UInt8]

  public init(_ text: some StringProtocol) throws(UserFault) {
    do throws(SASLFault) {
      description = try SASLPreparation.name(text.utf8)
    } catch {
      throw .badName
    }
    folded = UserName.fold(description)
  }

  /// What names are looked up by. A name that no user can have folds too, and is found nowhere.
  static func fold(_ text: String) -> [UInt8] { text.utf8.map(\.lowercasedASCII) }

  public static func == (left: UserName, right: UserName) -> Bool { left.folded == right.folded }
  public func hash(into hasher: inout Hasher) { hasher.combine(folded) }
  public static func < (left: UserName, right: UserName) -> Bool { left.folded.lexicographicallyPrecedes(right.folded) }
}

/// A password's hash in its own encoded form, such as `$argon2id$v=19$m=19456,t=2,p=1$…`. Never shown.
public struct PasswordHash: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  public static let maximumOctets = 1024

  /// For the verifier and for the file of users alone.
  public let encoded: String

  /// `nil` where the text is empty, too long, or not printable ASCII.
  public init?(encoded: String) {
    guard (1...PasswordHash.maximumOctets).contains(encoded.utf8.count),
      encoded.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
    else { return nil }
    self.encoded = encoded
  }

  public var description: String { "(redacted)" }
  public var debugDescription: String { "(redacted)" }
  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why something said of a user can't be.
public enum UserFault: Error, Hashable, Sendable, CustomStringConvertible {
  case badName
  case badSender(String)
  case tooManySenders
  case duplicateName(UserName)
  case tooManyUsers

  public var description: String {
    switch self {
    case .badName: "a user name is 1 to \(UserName.maximumOctets) octets of UTF-8 without control characters"
    case .badSender(let text): "\"\(text)\" is no sender: write user@example.org, @example.org, or * for any"
    case .tooManySenders: "a user has at most \(SenderRights.maximumPatterns) sender patterns"
    case .duplicateName(let name): "there is a user \"\(name)\" already; case makes no difference"
    case .tooManyUsers: "there are at most \(UserDirectory.maximumUsers) users"
    }
  }
}
