import DequeModule
import MailQueue
import MailSyntax

/// Places in memory: who has one, who takes a turn, and what is let go.
extension DueWindow {
  /// Makes a place for a lane that has something to do, if there is room. Those of routes that pause get half of the
  /// places, so that dead destinations, however many, leave room for live ones.
  mutating func hasPlace(for lane: Lane) -> Bool {
    if lanes[lane] != nil { return true }
    guard lanes.count < options.maximumLanes, !isRefusedWhileResting(lane) else { return false }
    lanes[lane] = LaneState()
    return true
  }

  func isRefusedWhileResting(_ lane: Lane) -> Bool {
    routeStates[routes.counted(lane.route)]?.isPaused == true && lanesAtRest >= options.maximumLanes / 2
  }

  mutating func takeTurn(_ lane: Lane) {
    guard let state = lanes[lane], !state.isInTurn, !state.isEmpty || (state.isDirty && !state.isRefilling) else {
      return
    }
    lanes[lane]?.isInTurn = true
    let key = meet(lane.route)
    routeStates[key]?.turn.append(lane)
    if routeStates[key]?.isPaused == true { lanesAtRest += 1 }
    list(key)
  }

  /// Forgets a lane that nothing is to be done for.
  mutating func tidy(_ lane: Lane) {
    if lanes[lane]?.isIdle == true { lanes[lane] = nil }
  }

  /// Leaves a lane to the store; what is being done for it stays.
  private mutating func letGo(_ lane: Lane) {
    while let id = lanes[lane]?.popFirst() {
      let errand = Errand(id: id, lane: lane)
      guard case .ready(let message)? = standings[errand] else { continue }
      if message != nil { heldMessages -= 1 }
      standings[errand] = nil
    }
    lanes[lane]?.isDirty = true
  }

  // MARK: Routes

  /// The key that a route is counted by, with a state for it. Idle routes that were met before are forgotten where there
  /// are too many: of one that rested its next delivery begins sooner, and one that was quick begins slowly.
  mutating func meet(_ route: RouteKey) -> RouteKey {
    let key = routes.counted(route)
    guard routeStates[key] == nil else { return key }
    routeStates[key] = RouteState(pace: max(1, options.initialConcurrency), generation: epoch)
    ring.append(key)
    if routeStates.count > options.maximumRoutes { forgetRoute(otherThan: key) }
    return key
  }

  /// Goes round until one is found that was idle since the last round. A busy route has a lane in memory, so that at
  /// least half of the routes are idle, and few are asked.
  private mutating func forgetRoute(otherThan newest: RouteKey) {
    for _ in 0..<(2 * ring.count) {
      guard let key = ring.popFirst() else { return }
      if let route = routeStates[key], route.isIdle, !route.wasUsed, key != newest {
        pauses.remove(key)
        routeStates[key] = nil
        return
      }
      routeStates[key]?.wasUsed = false
      ring.append(key)
    }
  }

  /// Puts a route that may begin something among those whose turn comes.
  mutating func list(_ key: RouteKey) {
    guard let route = routeStates[key], mayBegin(key) else { return }
    switch (isOnTrial(key), route.isUrgent) {
    case (false, _):
      if !route.isReady { ready.append(key) }
      routeStates[key]?.isReady = true
    case (true, false):
      if !route.isInTrials { trials.append(key) }
      routeStates[key]?.isInTrials = true
    case (true, true):
      if !route.isInUrgentTrials { urgentTrials.append(key) }
      routeStates[key]?.isInUrgentTrials = true
    }
  }

  /// Urgent mail doesn't stand in line behind all the other destinations on trial.
  mutating func hurry(_ route: RouteKey) {
    let key = meet(route)
    routeStates[key]?.isUrgent = true
    list(key)
  }

  func mayBegin(_ key: RouteKey) -> Bool {
    guard let route = routeStates[key], !route.turn.isEmpty, !route.isPaused, !route.backOff.isProbing else {
      return false
    }
    return route.inFlight < min(routes.concurrency(of: key), route.pace)
  }

  /// A destination that hasn't answered yet, or not since it failed. The named routes are few, and an operator's own.
  func isOnTrial(_ key: RouteKey) -> Bool { key.leadsToExchangers && routeStates[key]?.hasAnswered != true }

  /// Takes what an attempt said into account.
  ///
  /// A route begins with `Options.initialConcurrency` deliveries at once. Each answer of the host adds one, up to the
  /// route's own concurrency, so that a quick host has all of it after a few round trips; each failure halves them. A
  /// host that never answers thus costs one hand and not twenty, and one that was overrun is not overrun again at once.
  /// (The feedback of Postfix's destination concurrency, with the rest of `RouteBackOff` in place of its dead state.)
  mutating func judge(_ key: RouteKey, _ verdict: Verdict, generation: Int, uptime: Uptime) {
    guard let route = routeStates[key] else { return }
    let counts = generation == route.backOff.generation
    let (most, initialRest, maximumRest) = (routes.concurrency(of: key), options.initialRest, options.maximumRest)
    switch verdict {
    case .nothing:
      routeStates[key]?.backOff.endedWithoutAnswer(of: generation)
    case .busy(let pause, _):
      routeStates[key]?.backOff.endedWithoutAnswer(of: generation)
      self.pause(key, until: uptime + min(max(pause, DueWindow.shortestPause), maximumRest))
    case .answered:
      guard counts else { break }
      routeStates[key]?.backOff.answered(of: generation)
      routeStates[key]?.hasAnswered = true
      routeStates[key]?.pace = min(route.pace + 1, most)
    case .failed:
      guard counts else { break }
      routeStates[key]?.backOff.failed(
        of: generation, at: uptime, initial: initialRest, maximum: maximumRest)
      routeStates[key]?.hasAnswered = false
      routeStates[key]?.pace = max(1, route.pace / 2)
      if let until = routeStates[key]?.backOff.until { pause(key, until: until) }
    }
    list(key)
  }

  private mutating func pause(_ key: RouteKey, until moment: Uptime) {
    guard let route = routeStates[key] else { return }
    if !route.isPaused {
      routeStates[key]?.isPaused = true
      lanesAtRest += route.turn.count
    }
    pauses.set(key, to: max(moment, pauses[key] ?? moment))
    // What waits behind a pause gives its memory to what doesn't, where it is scarce.
    if 2 * standings.count > options.maximumErrands || 2 * heldMessages > options.maximumHeldMessages {
      for lane in route.turn { letGo(lane) }
    }
    while 2 * lanesAtRest > options.maximumLanes, let lane = routeStates[key]?.turn.popLast() {
      lanesAtRest -= 1
      letGo(lane)
      lanes[lane]?.isInTurn = false
      lanes[lane]?.isDirty = false
      tidy(lane)
    }
  }

  /// The pause is over.
  mutating func resume(_ key: RouteKey) {
    pauses.remove(key)
    guard let route = routeStates[key], route.isPaused else { return }
    routeStates[key]?.isPaused = false
    lanesAtRest -= route.turn.count
    list(key)
  }

  /// Whether a failure of this generation would close the route now.
  func isOpen(_ route: RouteKey, generation: Int) -> Bool {
    routeStates[routes.counted(route)].map { $0.backOff.isOpen && $0.backOff.generation == generation } ?? true
  }
}
