import DNSRecords
import MailSyntax
import Synchronization

/// The answers of the last moments to questions of one type. libunbound has its own memory, behind a thread and a
/// socket; a busy destination's every message would wait for both several times.
///
/// Failures are not remembered, nor is anything beyond its TTL. Two generations make the bound: when the younger is full
/// it becomes the older, and what was the older goes.
final class AnswerMemory<Record: Hashable & Sendable>: Sendable {
  /// So short that whoever changes a record sees no difference.
  static var longestTime: Duration { .seconds(10) }
  /// Names in each generation.
  static var maximumNames: Int { 2_048 }
  /// Of an answer's data: strangers choose which names are asked for, and the answers too. Larger ones are asked for anew.
  static var maximumOctets: Int { 2_048 }

  private struct Entry {
    let answer: DNSAnswer<Record>
    let until: ContinuousClock.Instant
  }
  private struct State {
    var young: [DomainName: Entry] = [:]
    var old: [DomainName: Entry] = [:]
  }
  private let state = Mutex(State())

  func answer(for name: DomainName, at now: ContinuousClock.Instant) -> DNSAnswer<Record>? {
    state.withLock { state in
      guard let entry = state.young[name] ?? state.old[name], now < entry.until else { return nil }
      return entry.answer
    }
  }

  /// - Parameters:
  ///   - octets: of the answer's data.
  ///   - timeToLive: of the whole answer; the records' own may end sooner.
  func keep(
    _ answer: DNSAnswer<Record>, for name: DomainName, octets: Int, timeToLive: Duration,
    at now: ContinuousClock.Instant
  ) {
    switch answer {
    case .records, .none, .noSuchName: break
    case .failed, .bogus: return
    }
    guard timeToLive > .zero, octets <= AnswerMemory.maximumOctets else { return }
    let entry = Entry(answer: answer, until: now + min(timeToLive, AnswerMemory.longestTime))
    state.withLock { state in
      if state.young.count >= AnswerMemory.maximumNames, state.young[name] == nil {
        state.old = state.young
        state.young = [:]
      }
      state.young[name] = entry
    }
  }
}
