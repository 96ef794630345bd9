import Dispatch
import GRDB
public import MailQueue
public import MailSyntax
import NIOCore
import NIOPosix
import Synchronization

/// The queue on disk: bodies in segments, truth in SQLite. Documentation/Queue.md is its proof.
///
/// ```
/// DATA/lock                      who has the folder
/// DATA/queue.sqlite3 (-wal -shm) envelopes, recipients, attempts, events
/// DATA/segments/000001.segment   bodies, many to a file of 64 MiB, written over once none is live
/// DATA/bodies/000001.body        one long body each
/// DATA/reserve                   blocks given back when the disk is full
/// ```
///
/// Every event that enters the outbox also goes to the sink given to `open`, after its commit. `run` does the
/// housekeeping and must be kept running by whoever opens a store for longer than a command.
public final class SegmentedQueueStore: QueueStore {
  public let folder: String
  let options: StoreOptions
  let clock: any MailClock
  let files: SegmentFiles
  let standing: StoreStanding
  let writer: StoreWriter
  let checkpointer: Checkpointer
  let readers: NIOThreadPool
  let housekeeper: NIOThreadPool
  /// A backup may take an hour; nothing waits behind it but another.
  let copier = NIOThreadPool(numberOfThreads: 1)
  private let checkpoints = NIOThreadPool(numberOfThreads: 1)
  let skippedByCompaction = Mutex<Set<Int>>([])
  private let spillers: NIOThreadPool
  private let unreachable: [Int64]
  private let memory = BodiesInMemory()
  private let lock: Mutex<FolderLock?>

  /// Opens the store in `folder`, which is made when absent; its parent must be there.
  public static func open(
    folder: String, options: StoreOptions = StoreOptions(), clock: any MailClock, events: any EventSink,
    fileSystem: any FileSystem = POSIXFileSystem()
  ) async throws(StoreOpenError) -> SegmentedQueueStore {
    let threads = NIOThreadPool(numberOfThreads: 1)
    threads.start()
    let result = await onThread(of: threads) { () -> Result<SegmentedQueueStore, StoreOpenError> in
      do throws(StoreOpenError) {
        return .success(
          try SegmentedQueueStore(
            folder: folder, options: options, clock: clock, events: events, fileSystem: fileSystem,
            housekeeper: threads))
      } catch {
        return .failure(error)
      }
    }
    if case .failure = result { try? await threads.shutdownGracefully() }
    let store = try result.get()
    do throws(StoreFault) {
      for number in store.unreachable { try await store.holdUnreadable(number) }
    } catch {
      await store.close()
      throw .database("a damaged row can't be held: \(error)")
    }
    return store
  }

  private init(
    folder: String, options: StoreOptions, clock: any MailClock, events: any EventSink, fileSystem: any FileSystem,
    housekeeper: NIOThreadPool
  ) throws(StoreOpenError) {
    try options.validate()
    self.folder = folder
    self.options = options
    self.clock = clock
    self.housekeeper = housekeeper
    files = SegmentFiles(folder: folder, options: options, fileSystem: fileSystem)
    standing = StoreStanding(folder: folder, options: options, fileSystem: fileSystem, clock: clock, events: events)
    do throws(SystemFault) {
      for path in [folder, files.segmentsFolder, files.bodiesFolder] { try fileSystem.createFolder(path) }
    } catch {
      throw .system(error)
    }
    lock = Mutex(try FolderLock(folder: folder))
    let path = folder + "/queue.sqlite3"
    do throws(SystemFault) {
      // Made here, it is for its owner alone; SQLite gives its log the same permissions.
      fileSystem.close(try fileSystem.open(path, .write))
    } catch {
      throw .system(error)
    }
    let database = try Schema.open(path, readers: options.readerThreads)
    var appender = SegmentAppender(files)
    let survey: OpeningSurvey
    do {
      survey = try database.read { db in try OpeningSurvey(db, segmentSize: options.segmentSize.bytes) }
      unreachable = survey.unreachable
      try files.survey(live: survey.live.map { ($0.number, $0.bodies, $0.bytes) }, bodies: survey.bodies)
      if let last = survey.live.last { try appender.resume(last.number, after: last.end) }
      try fileSystem.syncFolder(folder)
      standing.lookAtSpace(atLeastEvery: .zero)
      try standing.keepReserve()
      checkpointer = Checkpointer(
        thread: checkpoints, connection: try Schema.openAside(path), standing: standing,
        longestLogFrames: options.longestLogFrames)
    } catch let fault as SystemFault {
      throw .system(fault)
    } catch {
      throw .database("\(error)")
    }
    writer = StoreWriter(
      database: database, files: files, standing: standing, counts: survey.counts, appender: appender,
      checkpointer: checkpointer, clock: clock, events: events)
    readers = NIOThreadPool(numberOfThreads: options.readerThreads)
    readers.start()
    checkpoints.start()
    copier.start()
    spillers = NIOThreadPool(numberOfThreads: 2)
    spillers.start()
    openReaders()
  }

  /// Every reader's connection is opened now rather than when it is first needed: a server that has run out of file
  /// descriptors must still be able to read its queue.
  private func openReaders() {
    let arrived = DispatchSemaphore(value: 0)
    let mayLeave = DispatchSemaphore(value: 0)
    for _ in 0..<options.readerThreads {
      readers.submit { _ in
        // One that can't be opened now is tried again by the first who needs it. All are held at once, so that each
        // thread gets a connection of its own.
        try? self.writer.database.read { _ in
          arrived.signal()
          mayLeave.wait()
        }
        arrived.signal()
      }
    }
    for _ in 0..<options.readerThreads { arrived.wait() }
    for _ in 0..<options.readerThreads { mayLeave.signal() }
  }

  public var condition: StoreCondition { standing.condition }

  public func beginBody() throws(StoreFault) -> any BodyWriter {
    // A report's body must find its place on a full disk too, so only `commit` asks for room.
    try standing.checkRunning()
    return StoredBodyWriter(files: files, standing: standing, threads: spillers, memory: memory)
  }

  public func commit(
    _ message: NewMessage, body: any BodyWriter, event: MailEvent
  ) async throws(StoreFault) -> QueuedMessage {
    guard let body = body as? StoredBodyWriter else { throw .notFound }
    guard condition != .spaceLow else {
      body.discard()
      throw .spaceLow
    }
    let (queued, entry) = try await seal(message, body, event)
    try await settling([body]) { () async throws(StoreFault) in try await self.writer.run(.commit, [entry]) }
    return queued
  }

  public func record(
    _ changes: [RecipientChange], of id: QueueID, reports: [NewReport], events: [MailEvent]
  ) async throws(StoreFault) {
    var entries: [StoreJob.Entry] = []
    var bodies: [StoredBodyWriter] = []
    for report in reports {
      guard let body = report.body as? StoredBodyWriter else { throw .notFound }
      do throws(StoreFault) {
        entries.append(try await seal(report.message, body, nil).entry)
      } catch {
        for sealed in bodies { sealed.ended(isKept: false) }
        throw error
      }
      bodies.append(body)
    }
    try await settling(bodies) { () async throws(StoreFault) in
      try await self.writer.run(.record(id: id, changes: changes, events: events), entries)
    }
  }

  /// Waits for what is under way, then lets go of the folder.
  public func close() async {
    standing.close()
    await writer.close()
    for pool in [spillers, readers, copier, checkpoints, housekeeper] { try? await pool.shutdownGracefully() }
    checkpointer.close()
    try? writer.database.close()
    lock.withLock { $0 = nil }
  }

  private func seal(
    _ message: NewMessage, _ body: StoredBodyWriter, _ event: MailEvent?
  ) async throws(StoreFault) -> (queued: QueuedMessage, entry: StoreJob.Entry) {
    invariant(!message.recipients.isEmpty, "a message has a recipient")
    let sealed = try await body.seal()
    let queued = QueuedMessage(accepting: message, bodySize: ByteCount(sealed.length))
    return (queued, StoreJob.Entry(queued, sealed, event ?? .accepted(queued)))
  }

  private func settling(
    _ bodies: [StoredBodyWriter], _ work: () async throws(StoreFault) -> Void
  ) async throws(StoreFault) {
    do throws(StoreFault) {
      try await work()
    } catch {
      // A commit that failed may be on disk all the same. When the store has stopped over it, the body stays: the next
      // opening knows whether a row names it.
      for body in bodies { body.ended(isKept: standing.isStopped) }
      throw error
    }
    for body in bodies { body.ended(isKept: true) }
  }
}

extension StoreOptions {
  func validate() throws(StoreOpenError) {
    guard segmentSize.bytes % SegmentAppender.page == 0, segmentSize.bytes > 0 else {
      throw .badOptions("a segment is a whole number of pages of \(SegmentAppender.page) bytes")
    }
    guard longestSegmentBody <= segmentSize else { throw .badOptions("a body in a segment is at most a segment long") }
    guard readerThreads > 0, spareSegments >= 0 else { throw .badOptions("reader threads are 1 or more") }
  }
}
