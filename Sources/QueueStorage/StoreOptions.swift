public import MailQueue
public import MailSyntax

/// The sizes and times of a store. The defaults suit a server; a test takes small ones.
public struct StoreOptions: Sendable {
  /// Every segment file has this size from its start: written full of zeros once, or its blocks only set aside when mail
  /// waits for it.
  public var segmentSize: ByteCount = .mebibytes(64)
  /// A longer body streams to a file of its own. At most a segment.
  public var longestSegmentBody: ByteCount = .mebibytes(1)
  /// The longest body the store takes at all.
  public var longestBody: ByteCount = .mebibytes(1024)
  /// Of one body: how much may wait for the disk before its writer is asked to pause.
  public var longestPendingWrite: ByteCount = .kibibytes(256)
  /// Of all bodies together that are in memory: past it each streams to a file of its own as it arrives, whatever its
  /// size. Half of what intake takes in at once, so that bodies go to disk before messages are put off.
  public var spillThreshold: ByteCount = .mebibytes(128)
  /// What one group commit takes at most.
  public var longestBatch: ByteCount = .mebibytes(8)
  /// Under it no new mail comes in.
  public var freeSpaceFloor: ByteCount = .mebibytes(256)
  /// Kept aside, so that outcomes can still be written when something else filled the disk.
  public var reserve: ByteCount = .mebibytes(16)
  /// How long events are kept.
  public var history: Duration = .seconds(7 * 86_400)
  /// How many events are kept at the most.
  public var longestHistory = 10_000_000
  /// Segments without a live body that are kept for reuse; more are removed.
  public var spareSegments = 2
  /// The WAL frames (of 4 KiB) past which the writer itself finishes the checkpoint between two batches.
  public var longestLogFrames = 16_384
  public var readerThreads = 4

  public init() {}
}

/// Why a store does not open. Each text says what, where, and how to mend it.
public enum StoreOpenError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Another process, or this one already, has the folder.
  case locked(folder: String, pid: Int32?)
  case system(SystemFault)
  case database(String, file: String = "queue.sqlite3")
  /// Written by a later version.
  case newerSchema(found: Int, known: Int, file: String = "queue.sqlite3")
  case badOptions(String)
  /// A restore goes only into a folder that holds no queue.
  case notEmpty(folder: String)
  /// Bodies of a backup are missing or damaged that were whole when it was made: nothing was restored. The first
  /// `maximumNamed` in the order of their places, and how many there are.
  case bodiesLost([QueueID], count: Int)

  public static let maximumNamed = 20

  public var description: String {
    switch self {
    case .locked(let folder, let pid):
      "the data folder \(folder) is in use"
        + (pid.map { " by process \($0)" } ?? "") + "; stop that server, or speak to it through its control socket"
    case .system(let fault): "\(fault)"
    case .database(let text, let file): "\(file): \(text)"
    case .newerSchema(let found, let known, let file):
      "\(file) has schema \(found), this version knows up to \(known); use the version that wrote it, or a later"
    case .badOptions(let text): text
    case .notEmpty(let folder): "\(folder) holds a queue already; restore into an empty folder"
    case .bodiesLost(let ids, let count):
      "the stored bodies of \(count) \(count == 1 ? "message is" : "messages are") missing or damaged in the backup: "
        + ids.map(\.description).joined(separator: ", ")
        + (count > ids.count ? " and \(count - ids.count) more" : "")
    }
  }
}
