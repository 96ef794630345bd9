import Foundation
import MailQueue
import MailSyntax
import NIOCore
import QueueModel
import QueueStorage
import SMTPGrammar
import Synchronization
import Testing

/// A clock that stands still until it is told.
final class StillClock: MailClock {
  private let moment = Mutex<Int64>(0)
  static let start = UTCInstant(seconds: 1_795_347_900)
  var now: UTCInstant { StillClock.start + .nanoseconds(moment.withLock { $0 }) }
  var uptime: Uptime { Uptime(nanoseconds: moment.withLock { $0 }) }
  func advance(_ duration: Duration) { moment.withLock { $0 += duration.nanoseconds } }
  func sleep(until deadline: Uptime) async {
    moment.withLock { $0 = max($0, deadline.nanoseconds) }
    await Task.yield()
  }
}

final class EventLog: EventSink {
  private let log = Mutex<[MailEvent]>([])
  func record(_ event: MailEvent) { log.withLock { $0.append(event) } }
  var events: [MailEvent] { log.withLock { $0 } }
  var alarms: [String] {
    events.filter { $0.kind == .alarm }.compactMap { event in
      if case .text(let name) = event["what"] { name } else { nil }
    }
  }
}

/// A value that tasks of a test share.
final class Shared<Value: Sendable>: Sendable {
  private let content: Mutex<Value>
  init(_ value: Value) { content = Mutex(value) }
  var value: Value { content.withLock { $0 } }
  func edit(_ body: (inout Value) -> Void) { content.withLock { (value: inout sending Value) in body(&value) } }
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// A folder of its own, removed with the test. What a run that was killed left behind goes with a later one.
final class TestFolder {
  let path: String
  private static let prefix = "martlet-store-"

  private static let leftovers: Void = {
    let manager = FileManager.default
    let temporary = NSTemporaryDirectory() + "/"
    for name in (try? manager.contentsOfDirectory(atPath: temporary)) ?? [] where name.hasPrefix(prefix) {
      let made = (try? manager.attributesOfItem(atPath: temporary + name))?[.modificationDate] as? Date
      // No run takes an hour: a younger one may be another's.
      if let made, made.timeIntervalSinceNow < -3_600 { try? manager.removeItem(atPath: temporary + name) }
    }
  }()

  init() throws {
    _ = TestFolder.leftovers
    path = NSTemporaryDirectory() + "/" + TestFolder.prefix + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}

extension StoreOptions {
  /// Segments of 64 KiB, and bodies past 16 KiB in files of their own.
  static var small: StoreOptions {
    var options = StoreOptions()
    options.segmentSize = .kibibytes(64)
    options.longestSegmentBody = .kibibytes(16)
    options.longestPendingWrite = .kibibytes(8)
    options.freeSpaceFloor = .kibibytes(64)
    options.reserve = .kibibytes(16)
    options.readerThreads = 2
    return options
  }
}

func id(_ number: Int) -> QueueID { QueueID(acceptedAt: StillClock.start, random: UInt64(number)) }

func newMessage(
  _ number: Int, to recipients: [String] = ["bob@example.org"], route: String = "outbound", account: String? = "alice",
  priority: PriorityClass = .normal, from: String? = "alice@example.com"
) throws -> NewMessage {
  NewMessage(
    id: id(number), reversePath: try from.map { .mailbox(try Mailbox($0)) } ?? .null,
    recipients: try recipients.map {
      NewRecipient(
        address: try Mailbox($0), route: RouteKey(rawValue: route), notify: [.failure, .delay],
        originalRecipient: OriginalRecipient(addressType: "rfc822", address: $0),
        forwardedFrom: try Mailbox("Team@example.com"))
    },
    body: .eightBitMIME, usesSMTPUTF8: true, envelopeID: "QQ314159", reportContent: .headers, tlsWish: .required,
    account: account,
    tenant: "t1", priority: priority, receivedAt: StillClock.start, expiresAt: StillClock.start + .seconds(86_400),
    prefix: ByteBuffer(string: "Received: from a by b; now\r\n"))
}

func accepted(_ message: NewMessage, _ bytes: Int) -> MailEvent {
  MailEvent(.accepted, [.init("id", .text(message.id.description)), .init("size", .number(bytes))])
}

/// Bytes that differ by number and place, so that a misplaced body shows.
func content(_ number: Int, bytes: Int) -> ByteBuffer {
  var generator = SplitMix(state: UInt64(number))
  var buffer = ByteBuffer()
  while buffer.readableBytes < bytes { buffer.writeInteger(generator.next()) }
  return buffer.getSlice(at: 0, length: bytes) ?? ByteBuffer()
}

extension QueueStore {
  /// Writes in pieces as a session would, waiting where it is asked to.
  func body(_ bytes: ByteBuffer, pieces: Int = 4096) async throws -> any BodyWriter {
    let writer = try beginBody()
    var rest = bytes
    while let piece = rest.readSlice(length: min(pieces, rest.readableBytes)), piece.readableBytes > 0 {
      switch writer.write(piece) {
      case .now: break
      case .later(let wait): await wait()
      }
    }
    return writer
  }

  @discardableResult
  func accept(_ message: NewMessage, _ bytes: ByteBuffer) async throws -> QueuedMessage {
    try await commit(message, body: body(bytes), event: accepted(message, bytes.readableBytes))
  }

  /// All of them, a page of two at a time.
  func lanes() async throws -> [LaneSummary] {
    var all: [LaneSummary] = []
    while true {
      let page = try await lanes(after: all.last?.lane, limit: 2)
      all += page
      if page.count < 2 { return all }
    }
  }

  func readBody(_ id: QueueID) async throws -> ByteBuffer {
    let reader = try await openBody(of: id)
    var whole = ByteBuffer()
    while var piece = try await reader.next() {
      #expect(piece.readableBytes <= 65_536)
      whole.writeBuffer(&piece)
    }
    return whole
  }

  func finish(_ id: QueueID, recipients: Int = 1, as state: RecipientState = .delivered) async throws {
    let changes = (0..<recipients).map { change($0, state) }
    try await record(changes, of: id, reports: [], events: [MailEvent(.delivered, [])])
  }
}

func change(
  _ number: Int, _ state: RecipientState, due: UTCInstant = StillClock.start, attempts: Int = 1,
  result: String? = "250 ok", attempt: AttemptRecord? = nil
) -> RecipientChange {
  RecipientChange(
    number: number, state: state, due: due, attemptsAdded: attempts, result: result, delayReported: false,
    attempt: attempt)
}

/// The two stores of the contract.
enum StoreKind: String, CaseIterable, CustomTestStringConvertible {
  case model, segmented
  var testDescription: String { rawValue }

  func withStore(
    _ body: (_ store: any QueueStore, _ log: EventLog, _ clock: StillClock) async throws -> Void
  ) async throws {
    let clock = StillClock()
    let log = EventLog()
    switch self {
    case .model:
      try await body(ModelQueueStore(clock: clock, events: log), log, clock)
    case .segmented:
      let folder = try TestFolder()
      let store = try await SegmentedQueueStore.open(
        folder: folder.path, options: .small, clock: clock, events: log)
      do {
        try await body(store, log, clock)
      } catch {
        await store.close()
        throw error
      }
      await store.close()
    }
  }
}
