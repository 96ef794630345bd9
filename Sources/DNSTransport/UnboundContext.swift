internal import CUnbound
import DNSRecords
import DequeModule
import MailSyntax
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// One context of libunbound and the thread that takes its answers, holds the deadlines, and ends it.
///
/// libunbound works on a thread of its own and says by a descriptor that answers wait. Whatever happens to a question,
/// its ticket stays until libunbound has answered it or is gone, for libunbound holds its address.
final class UnboundContext: Sendable {
  typealias Outcome = Result<LibraryAnswer, LookUpFailure>

  /// Zones that libunbound keeps empty of itself (RFC 6761, RFC 8375). Named servers may have them.
  private static let zonesOfNamedServers = ["test.", "home.arpa."]

  private struct State {
    var tickets: [Int: Ticket] = [:]
    /// Each look-up has the same time, so they stand in the order in which they end.
    var deadlines: Deque<(instant: ContinuousClock.Instant, number: Int)> = []
    var lastNumber = 0
    /// Nobody will ask any more.
    var isRetired = false
    /// No answer will come any more.
    var fault: LookUpFailure?
  }

  // A handle of libunbound's, which locks for itself. It is valid until the thread ends.
  private nonisolated(unsafe) let handle: OpaquePointer
  private let bounds: UnboundResolver.Bounds
  private let wake: WakePipe
  private let state = Mutex(State())

  init(_ settings: UnboundResolver.Settings) throws(ResolverFault) {
    guard let handle = ub_ctx_create() else { throw ResolverFault("libunbound: out of memory or descriptors") }
    do throws(ResolverFault) {
      try UnboundContext.configure(handle, settings)
      wake = try WakePipe()
    } catch {
      ub_ctx_delete(handle)
      throw error
    }
    self.handle = handle
    bounds = settings.bounds
    do throws(ResolverFault) {
      try startThread()
    } catch {
      ub_ctx_delete(handle)
      throw error
    }
  }

  private static func configure(
    _ handle: OpaquePointer, _ settings: UnboundResolver.Settings
  ) throws(ResolverFault) {
    // Else it writes to standard error, past the log.
    try check(ub_ctx_debugout(handle, nil), "debugout")
    try check(ub_ctx_async(handle, 1), "async")
    // What was just published must not be missed for hours (RFC 2308 §5 lets one keep an absence for less than it says).
    let negativeTime = "\(UnboundResolver.maximumNegativeTime.components.seconds)"
    try check(ub_ctx_set_option(handle, "cache-max-negative-ttl:", negativeTime), "cache-max-negative-ttl")
    for anchor in settings.anchors { try check(ub_ctx_add_ta(handle, anchor.description), anchor.description) }
    guard !settings.servers.isEmpty else { return }
    for server in settings.servers {
      try check(ub_ctx_set_fwd(handle, server.nameServerText), server.nameServerText)
    }
    try check(ub_ctx_set_option(handle, "do-not-query-localhost:", "no"), "do-not-query-localhost")
    // These end the configuration, so that what can't be used is seen here and not at the first question.
    for zone in zonesOfNamedServers { try check(ub_ctx_zone_remove(handle, zone), zone) }
  }

  private static func check(_ code: Int32, _ what: String) throws(ResolverFault) {
    guard code != 0 else { return }
    throw ResolverFault("libunbound: \(what): \(words(for: code))")
  }

  private static func words(for code: Int32) -> String {
    ub_strerror(code).map { String(cString: $0) } ?? "error \(code)"
  }

  // MARK: Asking

  func lookUp(_ name: String, _ type: QuestionType) async -> Outcome {
    let number = state.withLock { state in
      state.lastNumber += 1
      return state.lastNumber
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        ask(number, name, type, continuation)
        // Where the task was cancelled before the question stood in the table.
        if Task.isCancelled { end(number, .cancelled) }
      }
    } onCancel: {
      end(number, .cancelled)
    }
  }

  private func ask(
    _ number: Int, _ name: String, _ type: QuestionType, _ continuation: CheckedContinuation<Outcome, Never>
  ) {
    let ticket = Ticket(number, continuation, of: self)
    var isFirst = false
    let failure: LookUpFailure? = state.withLock { state in
      if let fault = state.fault { return fault }
      guard state.tickets.count < bounds.lookUpsInFlight else { return .tooMany(bounds.lookUpsInFlight) }
      let code = ub_resolve_async(
        handle, name, type.rawValue, UnboundContext.internetClass, Unmanaged.passUnretained(ticket).toOpaque(),
        { argument, code, result in
          defer { ub_resolve_free(result) }
          guard let argument else { return }
          let ticket = Unmanaged<Ticket>.fromOpaque(argument).takeUnretainedValue()
          ticket.context.take(
            ticket,
            code == 0 && result != nil
              ? (result?.pointee).map { .success(LibraryAnswer($0)) } ?? .failure(.unbound("no result"))
              : .failure(.unbound(UnboundContext.words(for: code))))
        }, nil)
      guard code == 0 else { return .unbound(UnboundContext.words(for: code)) }
      state.tickets[number] = ticket
      isFirst = state.deadlines.isEmpty
      state.deadlines.append((.now + bounds.lookUpTime, number))
      return nil
    }
    if let failure { return ticket.end(.failure(failure)) }
    // The thread waits without an end while there is nothing to wait for.
    if isFirst { wake.signal() }
  }

  /// RFC 1035 §3.2.4.
  private static let internetClass: Int32 = 1

  /// Ends the wait. The ticket stays until libunbound has answered.
  private func end(_ number: Int, _ failure: LookUpFailure) {
    state.withLock { $0.tickets[number] }?.end(.failure(failure))
  }

  private func take(_ ticket: Ticket, _ outcome: Outcome) {
    _ = state.withLock { $0.tickets.removeValue(forKey: ticket.number) }
    ticket.end(outcome)
  }

  /// No more will be asked: the thread ends what is under way, and then itself with all that libunbound holds.
  func retire() {
    state.withLock { $0.isRetired = true }
    wake.signal()
  }

  // MARK: The thread

  private func startThread() throws(ResolverFault) {
    var thread = pthread_t()
    let me = Unmanaged.passRetained(self)
    let code = pthread_create(&thread, nil, UnboundContext.threadBody, me.toOpaque())
    guard code == 0 else {
      me.release()
      throw ResolverFault("no thread for the resolver: \(String(cString: strerror(code)))")
    }
    pthread_detach(thread)
  }

  #if canImport(Darwin)
    private static let threadBody: @convention(c) (UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? = {
      Unmanaged<UnboundContext>.fromOpaque($0).takeRetainedValue().serve()
      return nil
    }
  #else
    private static let threadBody: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = {
      guard let argument = $0 else { return nil }
      Unmanaged<UnboundContext>.fromOpaque(argument).takeRetainedValue().serve()
      return nil
    }
  #endif

  private func serve() {
    // A broken pipe would end every poll at once: it isn't watched any more, as poll(2) passes over what is negative.
    var answers = ub_fd(handle)
    while let wait = nextWait() {
      var descriptors = [
        pollfd(fd: answers, events: Int16(POLLIN), revents: 0),
        pollfd(fd: wake.readingEnd, events: Int16(POLLIN), revents: 0),
      ]
      _ = poll(&descriptors, nfds_t(descriptors.count), wait)
      if descriptors[1].revents != 0 { wake.drain() }
      if descriptors[0].revents != 0 {
        let code = ub_process(handle)
        if code != 0 {
          answers = -1
          fail(.unbound(UnboundContext.words(for: code)))
        }
      }
      endOverdue()
    }
    // No callback comes after this, and nobody asks any more.
    ub_ctx_delete(handle)
    let left = state.withLock { state in
      let left = state.tickets.values
      state.tickets = [:]
      return left
    }
    for ticket in left { ticket.end(.failure(.cancelled)) }
  }

  /// Milliseconds to the next deadline, -1 where there is none, nil where the thread is done.
  private func nextWait() -> Int32? {
    state.withLock { state in
      guard let next = state.deadlines.first else { return state.isRetired ? nil : -1 }
      let left = ContinuousClock.now.duration(to: next.instant)
      let milliseconds = left.components.seconds * 1_000 + left.components.attoseconds / 1_000_000_000_000_000
      return Int32(clamping: max(0, milliseconds + 1))
    }
  }

  /// Ends the wait of all that are past their time, and forgets the deadlines of those that are answered.
  private func endOverdue() {
    let now = ContinuousClock.now
    let overdue = state.withLock { state in
      var overdue: [Ticket] = []
      while let next = state.deadlines.first {
        let ticket = state.tickets[next.number]
        guard next.instant <= now || ticket?.isWaiting != true else { break }
        state.deadlines.removeFirst()
        if let ticket { overdue.append(ticket) }
      }
      return overdue
    }
    for ticket in overdue { ticket.end(.failure(.timedOut(after: bounds.lookUpTime))) }
  }

  /// libunbound's own thread is lost. All that wait, and all that come, are told.
  private func fail(_ fault: LookUpFailure) {
    let waiting = state.withLock { state in
      state.fault = fault
      // They stay: libunbound may still hold their addresses.
      return Array(state.tickets.values)
    }
    for ticket in waiting { ticket.end(.failure(fault)) }
  }
}

/// One question. libunbound holds its address; the context's table holds the object.
private final class Ticket: Sendable {
  let number: Int
  /// It outlives every ticket of its table.
  unowned let context: UnboundContext
  private let continuation: Mutex<CheckedContinuation<UnboundContext.Outcome, Never>?>

  init(
    _ number: Int, _ continuation: CheckedContinuation<UnboundContext.Outcome, Never>, of context: UnboundContext
  ) {
    self.number = number
    self.context = context
    self.continuation = Mutex(continuation)
  }

  var isWaiting: Bool { continuation.withLock { $0 != nil } }

  /// The first end counts.
  func end(_ outcome: UnboundContext.Outcome) {
    let waiting = continuation.withLock { continuation in
      defer { continuation = nil }
      return continuation
    }
    waiting?.resume(returning: outcome)
  }
}
