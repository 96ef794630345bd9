public import MailQueue
public import MailSyntax

extension QueueRunner {
  /// How the queue is run. Every number has a bound that holds whatever the queue's size.
  public struct Options: Sendable {
    /// The name this system reports under: Reporting-MTA of RFC 3464 §2.2.2.
    public var hostName: DomainName
    public var schedule: RetrySchedule
    /// For mail that waits because no channel is as safe as is asked for: whoever mends that shouldn't wait long.
    public var policySchedule = RetrySchedule.untilMended
    /// How long a report of ours is tried; other messages carry their own expiry.
    public var giveUpAfter: Duration = .seconds(5 * 86_400)
    /// The age at which a sender hears that a message is delayed, once.
    public var delayReportAfter: Duration = .seconds(4 * 3_600)
    /// Messages of one lane in memory, waiting; as many again of the most urgent class.
    public var window = 200
    /// Messages kept whole in memory from their acceptance on, over all lanes; the others are read when their turn comes.
    public var maximumHeldMessages = 2_000
    /// Lanes with something to do that are in memory, and as many again that wait for a moment. What finds no place is
    /// left to the store, and found by a later survey.
    public var maximumLanes = 10_000
    /// Messages in memory by their ids, over all lanes; past it each lane may still have four.
    public var maximumErrands = 20_000
    /// What is remembered of routes: twice the lanes, so that there is always one that is idle and can be forgotten.
    var maximumRoutes: Int { 2 * maximumLanes }
    /// Lanes that the store is asked for at once.
    public var surveyPage = 1_000
    /// Deliveries and store readings at the same time, over all routes.
    public var maximumConcurrency = 200
    /// How many of them destinations on trial may have: those that haven't answered yet, or not since they failed.
    public var maximumTrials: Int { max(1, maximumConcurrency * 3 / 4) }
    /// A message that somebody waits for finds a place on trial though all of those are taken, up to so many.
    var maximumUrgentTrials: Int { max(maximumTrials, maximumConcurrency * 7 / 8) }
    /// Deliveries at once with which a route begins. Each answer of its host adds one, each failure halves them.
    public var initialConcurrency = 1
    /// Recipients of one delivery.
    public var maximumRecipients = 1_000
    /// A failing host or destination rests at first, and at the most.
    public var initialRest: Duration = .seconds(5)
    public var maximumRest: Duration = .seconds(600)
    /// How often the store is asked for lanes that nobody told of: after a start, for mail that was deferred before, and
    /// for what found no place in memory. A survey that takes longer than a tenth of it comes as much more seldom.
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
