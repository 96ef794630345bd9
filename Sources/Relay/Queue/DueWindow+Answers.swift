import DequeModule
import MailQueue
import MailSyntax

/// What came of the work that the window gave out.
extension DueWindow {
  // MARK: Surveys

  /// The next page of the survey, when it is due or when there is room again for what the last one found.
  mutating func nextPage(at uptime: Uptime) -> Work? {
    guard survey.began == nil else { return nil }
    let hasRoom = survey.isShortOfRoom && 4 * lanes.count <= 3 * options.maximumLanes
    guard survey.due <= uptime || hasRoom else { return nil }
    survey.began = uptime
    return .survey(after: survey.after, limit: options.surveyPage)
  }

  /// A page of lanes, in their order. The pass goes on behind it; behind its end it begins anew, after a time in
  /// proportion to what it took.
  mutating func surveyed(_ page: [LaneSummary], limit: Int, now: UTCInstant, uptime: Uptime) {
    survey.spent = survey.spent + (uptime - (survey.began ?? uptime))
    survey.began = nil
    survey.isShortOfRoom = false
    for summary in page {
      if summary.earliestDue > now {
        mailWillBeDue(at: summary.earliestDue, in: summary.lane)
      } else if !markDirty(summary.lane), !isRefusedWhileResting(summary.lane) {
        // The lane and all behind it wait for room; what has places now is served, or comes to rest.
        survey.isShortOfRoom = true
        survey.due = uptime + options.surveyInterval
        return
      }
      survey.after = summary.lane
    }
    guard page.count < limit else {
      survey.due = uptime
      return
    }
    survey.after = nil
    survey.due = uptime + max(options.surveyInterval, survey.spent * (DueWindow.surveyPart - 1))
    survey.spent = .zero
  }

  mutating func surveyFailed(uptime: Uptime) {
    survey.began = nil
    // Else a store that fails would be asked again at once wherever there is room.
    survey.isShortOfRoom = false
    survey.due = uptime + DueWindow.readAgainAfter
  }

  // MARK: Lanes

  mutating func refilled(_ lane: Lane, with mail: DueMail, limit: Int, now: UTCInstant) {
    lanes[lane, default: LaneState()].isRefilling = false
    var isFresh = false
    for id in mail.ids {
      let errand = Errand(id: id, lane: lane)
      guard standings[errand] == nil, !isAnnounced(id) else { continue }
      standings[errand] = .ready(nil)
      lanes[lane]?.fetched.append(id)
      isFresh = true
    }
    if let nextDue = mail.nextDue { mailWillBeDue(at: nextDue, in: lane) }
    if mail.ids.count >= limit {
      // Where all of it was known, asking again at once would bring the same.
      if isFresh { lanes[lane]?.isDirty = true } else { mailWillBeDue(at: now + DueWindow.staleRefillPause, in: lane) }
    }
    takeTurn(lane)
    tidy(lane)
  }

  mutating func refillFailed(_ lane: Lane, now: UTCInstant) {
    lanes[lane]?.isRefilling = false
    mailWillBeDue(at: now + DueWindow.readAgainAfter, in: lane)
    takeTurn(lane)
    tidy(lane)
  }

  // MARK: Attempts

  mutating func finished(
    _ errand: Errand, verdict: Verdict, generation: Int, nextDue: UTCInstant?, now: UTCInstant, uptime: Uptime
  ) {
    let wasSpokenOf = wasSpokenOf(errand)
    if case .taken(_, let isTrial)? = standings[errand], isTrial { trialsInFlight -= 1 }
    standings[errand] = nil
    lanes[errand.lane]?.delivering -= 1
    inFlight -= 1
    let key = routes.counted(errand.lane.route)
    routeStates[key]?.inFlight -= 1
    if case .busy(_, let priority) = verdict { giveBack(errand, priority) }
    if let nextDue {
      if nextDue <= now { markDirty(errand.lane) } else { mailWillBeDue(at: nextDue, in: errand.lane) }
    }
    // What the delivery knew of the message's other recipients may be old.
    if wasSpokenOf { markDirty(errand.lane) }
    judge(key, verdict, generation: generation, uptime: uptime)
    tidy(errand.lane)
  }

  /// It is the first of its kind again, and will be read anew.
  private mutating func giveBack(_ errand: Errand, _ priority: PriorityClass) {
    standings[errand] = .ready(nil)
    switch priority {
    case .interactive: lanes[errand.lane, default: LaneState()].urgent.prepend(errand.id)
    case .normal, .bulk: lanes[errand.lane, default: LaneState()].fetched.prepend(errand.id)
    }
    takeTurn(errand.lane)
  }

  // MARK: Operators

  /// Takes a message's errand out of the runner's hands; false when it is being delivered, or in another operator's.
  mutating func claim(_ errand: Errand) -> Bool {
    if case .taken? = standings[errand] { return false }
    take(errand, isTrial: false)
    lanes[errand.lane, default: LaneState()].claimed += 1
    return true
  }

  /// Gives it back; the store says what remains to be done.
  mutating func unclaim(_ errand: Errand) {
    standings[errand] = nil
    lanes[errand.lane]?.claimed -= 1
    markDirty(errand.lane)
  }

  /// An operator's word has changed a message. Said in the message's turn, so that an outcome that comes behind it knows.
  mutating func spoken() { words += 1 }

  /// Whether an operator may have changed it since its delivery began.
  func wasSpokenOf(_ errand: Errand) -> Bool {
    guard case .taken(let words, _)? = standings[errand] else { return false }
    return words != self.words
  }

  /// Mail of the lane is due by an operator's word, and its route is tried again.
  mutating func hurry(_ lane: Lane) {
    let key = routes.counted(lane.route)
    routeStates[key]?.backOff.open()
    resume(key)
    markDirty(lane)
  }
}
