internal import SASLMechanisms

/// All users at one moment: a value, replaced whole when the file of users changes.
public struct UserDirectory: Sendable {
  public static let maximumUsers = 100_000

  /// In the order of their folded names.
  public let users: [User]
  /// SCRAM may be offered only then: a client that finds it takes it, and would fail for a user without keys.
  public let everyUserHasSCRAMKeys: Bool
  private let places: [[UInt8]: Int]

  public init(_ users: [User]) throws(UserFault) {
    guard users.count <= UserDirectory.maximumUsers else { throw .tooManyUsers }
    let sorted = users.sorted { $0.name < $1.name }
    var places: [[UInt8]: Int] = [:]
    for (place, user) in sorted.enumerated() {
      guard places.updateValue(place, forKey: user.name.folded) == nil else { throw .duplicateName(user.name) }
    }
    self.users = sorted
    self.places = places
    everyUserHasSCRAMKeys = !sorted.isEmpty && sorted.allSatisfy { $0.scramKeys != nil }
  }

  /// No user at all.
  public static let empty = UserDirectory()
  private init() { (users, places, everyUserHasSCRAMKeys) = ([], [:], false) }

  /// The user of that name, disabled or not; case of A to Z makes no difference.
  public func user(named name: String) -> User? { user(folded: UserName.fold(name)) }

  func user(folded: [UInt8]) -> User? { places[folded].map { users[$0] } }

  /// With this user in the place of one of the same name, or added.
  public func setting(_ user: User) throws(UserFault) -> UserDirectory {
    try UserDirectory(users.filter { $0.name != user.name } + [user])
  }

  /// Without the user of that name; `nil` where there is none.
  public func removing(_ name: UserName) -> UserDirectory? {
    guard places[name.folded] != nil else { return nil }
    return try? UserDirectory(users.filter { $0.name != name })
  }
}
