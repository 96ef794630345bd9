public import MailSyntax

/// How much a user may send; `nil` is no bound. Over it: 450 4.7.x.
public struct QuotaLimits: Hashable, Sendable {
  public var messagesPerHour: Int?
  public var messagesPerDay: Int?
  public var recipientsPerHour: Int?
  public var recipientsPerDay: Int?

  public init(
    messagesPerHour: Int? = nil, messagesPerDay: Int? = nil, recipientsPerHour: Int? = nil,
    recipientsPerDay: Int? = nil
  ) {
    self.messagesPerHour = messagesPerHour
    self.messagesPerDay = messagesPerDay
    self.recipientsPerHour = recipientsPerHour
    self.recipientsPerDay = recipientsPerDay
  }
}

/// Which limit was hit; the raw value is what a person reads.
public enum QuotaLimit: String, Hashable, Sendable, CaseIterable {
  case messagesPerHour = "messages per hour"
  case messagesPerDay = "messages per day"
  case recipientsPerHour = "recipients per hour"
  case recipientsPerDay = "recipients per day"
}

public enum QuotaVerdict: Hashable, Sendable {
  case allowed
  /// Nothing was charged; it would be allowed after this time if nothing else is sent.
  case exceeded(QuotaLimit, limit: Int, retryAfter: Duration)
}

/// What one user has sent of late.
public struct Quota: Hashable, Sendable {
  private var messagesOfHour = SlidingWindow(bucket: .seconds(300), buckets: 12)
  private var messagesOfDay = SlidingWindow(bucket: .seconds(3600), buckets: 24)
  private var recipientsOfHour = SlidingWindow(bucket: .seconds(300), buckets: 12)
  private var recipientsOfDay = SlidingWindow(bucket: .seconds(3600), buckets: 24)

  public init() {}

  /// Charges all of it or nothing. Counts are not negative.
  public mutating func charge(
    messages: Int = 0, recipients: Int = 0, limits: QuotaLimits, at now: Uptime
  ) -> QuotaVerdict {
    messagesOfHour.advance(to: now)
    messagesOfDay.advance(to: now)
    recipientsOfHour.advance(to: now)
    recipientsOfDay.advance(to: now)
    for limit in QuotaLimit.allCases {
      let (window, most, more) =
        switch limit {
        case .messagesPerHour: (messagesOfHour, limits.messagesPerHour, messages)
        case .messagesPerDay: (messagesOfDay, limits.messagesPerDay, messages)
        case .recipientsPerHour: (recipientsOfHour, limits.recipientsPerHour, recipients)
        case .recipientsPerDay: (recipientsOfDay, limits.recipientsPerDay, recipients)
        }
      if let most, more > 0, let wait = window.wait(toAdd: more, within: most, at: now) {
        return .exceeded(limit, limit: most, retryAfter: wait)
      }
    }
    messagesOfHour.add(messages)
    messagesOfDay.add(messages)
    recipientsOfHour.add(recipients)
    recipientsOfDay.add(recipients)
    return .allowed
  }
}

/// The quotas of all users, in memory: a restart forgives. At most `maximumUsers`; the longest idle makes room.
public struct QuotaTable: Sendable {
  public static let maximumUsers = 100_000
  private var quotas: RecencyTable<UserName, Quota>

  public init(maximumUsers: Int = QuotaTable.maximumUsers) { quotas = RecencyTable(capacity: maximumUsers) }

  public mutating func charge(_ user: User, messages: Int = 0, recipients: Int = 0, at now: Uptime) -> QuotaVerdict {
    var quota = quotas.value(for: user.name) ?? Quota()
    let verdict = quota.charge(messages: messages, recipients: recipients, limits: user.quota, at: now)
    quotas.set(quota, for: user.name)
    return verdict
  }
}
