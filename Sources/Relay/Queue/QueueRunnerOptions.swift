public import MailQueue
public import MailSyntax

extension QueueRunner {
  /// How the queue is run. Every number has a bound that holds whatever the queue's size.
  public struct Options: Sendable {
    /// The name this system reports under: Reporting-MTA of RFC 3464 §2.2.2.
    public var hostName: DomainName
    public var schedule: RetrySchedule
    /// How long a report of ours is tried; other messages carry their own expiry.
    public var giveUpAfter: Duration = .seconds(5 * 86_400)
    /// The age at which a sender hears that a message is delayed, once.
    public var delayReportAfter: Duration = .seconds(4 * 3_600)
    /// Messages of one lane in memory, waiting; as many again of the most urgent class.
    public var window = 200
    /// Messages kept whole in memory from their acceptance on, over all lanes; the others are read when their turn comes.
    public var maximumHeldMessages = 2_000
    /// Deliveries and store readings at the same time, over all routes.
    public var maximumConcurrency = 200
    /// Recipients of one delivery.
    public var maximumRecipients = 1_000
    /// A failing host or destination rests at first, and at the most.
    public var initialRest: Duration = .seconds(5)
    public var maximumRest: Duration = .seconds(600)
    /// How often the store is asked for lanes that nobody told of: after a start, and for mail that was deferred before.
    public var surveyInterval: Duration = .seconds(60)
    /// How exactly a due time is met.
    public var granularity: Duration = .milliseconds(250)
    /// How long an outcome that the store had no room for waits before it is offered again.
    public var recordAgainAfter: Duration = .seconds(5)
    /// How long a stop waits for deliveries under way before they are cancelled.
    public var drainTime: Duration = .seconds(30)

    public init(hostName: DomainName, schedule: RetrySchedule) {
      self.hostName = hostName
      self.schedule = schedule
    }
  }

  /// Why `run` returned.
  public enum End: Hashable, Sendable {
    case stopped
    /// The store has stopped and takes nothing any more: deliveries ended too, for their outcomes could not be kept.
    case storeFault(StoreFault)
  }
}
