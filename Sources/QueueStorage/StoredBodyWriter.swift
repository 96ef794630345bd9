import MailQueue
import MailSyntax
import NIOCore
import NIOPosix
import Synchronization

/// Keeps a short body in memory until its commit writes it; streams a long one, or any while memory is scarce, to a
/// file of its own as it arrives.
final class StoredBodyWriter: BodyWriter {
  /// What a commit takes over.
  struct Sealed: Sendable {
    enum Content: Sendable {
      case memory([ByteBuffer])
      /// The number of its file, which is durable with its name.
      case file(Int)
    }
    let content: Content
    let length: Int
    let checksum: UInt32
  }

  private struct State {
    var slices: [ByteBuffer] = []
    var pending = 0
    var size = 0
    var checksum = CRC32C()
    var file: (number: Int, descriptor: Int32?)?
    var written = 0
    var isWriting = false
    var isEnded = false
    var fault: StoreFault?
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let files: SegmentFiles
  private let standing: StoreStanding
  private let threads: NIOThreadPool
  private let memory: BodiesInMemory
  private let state = Mutex(State())

  init(files: SegmentFiles, standing: StoreStanding, threads: NIOThreadPool, memory: BodiesInMemory) {
    self.files = files
    self.standing = standing
    self.threads = threads
    self.memory = memory
  }

  deinit { discard() }

  var size: ByteCount { ByteCount(state.withLock { $0.size }) }

  func write(_ bytes: ByteBuffer) -> Prompt<Void> {
    let (mustSubmit, mustWait) = state.withLock { state -> (Bool, Bool) in
      guard !state.isEnded, state.fault == nil, bytes.readableBytes > 0 else { return (false, false) }
      state.size += bytes.readableBytes
      guard state.size <= files.options.longestBody.bytes else {
        state.fault = .tooLarge
        drop(&state)
        return (false, false)
      }
      bytes.withUnsafeReadableBytes { state.checksum.update($0) }
      keep(bytes, in: &state)
      let isScarce = memory.add(bytes.readableBytes) > files.options.spillThreshold.bytes
      if state.file == nil, isScarce || state.size > files.options.longestSegmentBody.bytes {
        state.file = (files.nextBodyNumber(), nil)
      }
      guard state.file != nil else { return (false, false) }
      defer { state.isWriting = true }
      return (!state.isWriting, state.pending > files.options.longestPendingWrite.bytes)
    }
    if mustSubmit { submit() }
    return mustWait ? .later { await self.drained() } : .now(())
  }

  func discard() {
    state.withLock { state in
      guard !state.isEnded else { return }
      state.isEnded = true
      drop(&state)
      if !state.isWriting { removeFile(&state) }
    }
  }

  /// Ends the writing: a body in memory is handed over, one in a file is made durable with its name.
  func seal() async throws(StoreFault) -> Sealed {
    await drained()
    let (fault, file) = state.withLock { ($0.fault, $0.file) }
    if let fault {
      discard()
      throw fault
    }
    if let file {
      let result = await onThread(of: threads) { () -> Result<Void, StoreFault> in self.makeDurable(file) }
      do throws(StoreFault) {
        try result.get()
      } catch {
        discard()
        throw error
      }
    }
    return state.withLock { state in
      invariant(!state.isEnded, "a body is committed once")
      state.isEnded = true
      let content: Sealed.Content = file.map { .file($0.number) } ?? .memory(state.slices)
      state.slices = []
      return Sealed(content: content, length: state.size, checksum: state.checksum.value)
    }
  }

  /// After the commit of a sealed body, or its failure.
  func ended(isKept: Bool) {
    state.withLock { state in
      memory.remove(state.pending)
      state.pending = 0
      if !isKept { removeFile(&state) }
    }
  }

  /// A slice of a much larger buffer, or a small one, is copied: memory held is then what is counted.
  private func keep(_ bytes: ByteBuffer, in state: inout State) {
    state.pending += bytes.readableBytes
    guard bytes.readableBytes < 2048 || bytes.readableBytes * 2 < bytes.storageCapacity else {
      return state.slices.append(bytes)
    }
    let last = state.slices.count - 1
    if last >= 0, state.slices[last].readableBytes + bytes.readableBytes <= 65_536 {
      state.slices[last].writeImmutableBuffer(bytes)
    } else {
      var copy = ByteBuffer()
      copy.writeImmutableBuffer(bytes)
      state.slices.append(copy)
    }
  }

  private func drop(_ state: inout State) {
    state.slices = []
    memory.remove(state.pending)
    state.pending = 0
  }

  private func drained() async {
    await withCheckedContinuation { waiter in
      let isIdle = state.withLock { state in
        guard state.isWriting else { return true }
        state.waiters.append(waiter)
        return false
      }
      if isIdle { waiter.resume() }
    }
  }

  private func submit() {
    threads.submit { poolState in
      switch poolState {
      case .active: self.writePending()
      case .cancelled: self.finishWriting(.stopped(reason: "the store was closed"))
      }
    }
  }

  private func writePending() {
    while true {
      let (slices, file, offset) = state.withLock { state in
        defer { state.slices = [] }
        return (state.slices, state.file, state.written)
      }
      guard !slices.isEmpty, let file else { return finishWriting(nil) }
      do throws(SystemFault) {
        try write(slices, file, at: offset)
      } catch {
        return finishWriting(standing.judge(error))
      }
    }
  }

  private func write(
    _ slices: [ByteBuffer], _ file: (number: Int, descriptor: Int32?), at start: Int
  ) throws(SystemFault) {
    let path = files.bodyPath(file.number)
    do throws(SystemFault) {
      let descriptor: Int32
      if let open = file.descriptor {
        descriptor = open
      } else {
        descriptor = try files.fileSystem.open(path, .create)
        state.withLock { $0.file?.descriptor = descriptor }
      }
      var offset = start
      for slice in slices {
        try slice.withUnsafeReadableBytes { bytes throws(SystemFault) in
          try files.fileSystem.write(bytes, to: descriptor, at: offset)
        }
        offset += slice.readableBytes
      }
    } catch {
      throw error.on(path)
    }
    let count = slices.reduce(0) { $0 + $1.readableBytes }
    state.withLock { state in
      state.written += count
      // `discard` may have given the memory back already.
      let released = min(count, state.pending)
      state.pending -= released
      memory.remove(released)
    }
  }

  private func finishWriting(_ fault: StoreFault?) {
    let (waiters, hasMore) = state.withLock { state -> ([CheckedContinuation<Void, Never>], Bool) in
      if let fault {
        state.fault = fault
        drop(&state)
      }
      guard state.slices.isEmpty else { return ([], true) }
      state.isWriting = false
      if state.isEnded { removeFile(&state) }
      defer { state.waiters = [] }
      return (state.waiters, false)
    }
    if hasMore { return submit() }
    for waiter in waiters { waiter.resume() }
  }

  private func makeDurable(_ file: (number: Int, descriptor: Int32?)) -> Result<Void, StoreFault> {
    do throws(SystemFault) {
      guard let descriptor = file.descriptor else { return .failure(.notFound) }
      do throws(SystemFault) { try files.fileSystem.syncData(descriptor) } catch {
        throw error.on(files.bodyPath(file.number))
      }
      try files.fileSystem.syncFolder(files.bodiesFolder)
      files.fileSystem.close(descriptor)
      state.withLock { $0.file?.descriptor = nil }
      return .success(())
    } catch {
      // A sync is never tried again, whatever it failed with (Law 1). A folder that couldn't be opened wasn't synced.
      return .failure(error.isPassing ? standing.judge(error) : standing.stop(error.description))
    }
  }

  private func removeFile(_ state: inout State) {
    guard let file = state.file else { return }
    if let descriptor = file.descriptor { files.fileSystem.close(descriptor) }
    files.removeBody(file.number)
    state.file = nil
  }
}

/// The bytes of all bodies that writers hold in memory now. Past `StoreOptions.spillThreshold` they go to disk as they
/// arrive.
///
/// It stands beside `MemoryBudget` of the intake, and both follow `limits.memory_in_flight`, because they count
/// different things and answer differently. The budget admits: it counts what sessions have brought, until each
/// message ends, over any store, and refuses. This one only moves: it counts what is in memory at the moment, falls as
/// bytes reach the disk, and knows the reports as well, which no session brings and no budget may refuse.
final class BodiesInMemory: Sendable {
  private let bytes = Atomic<Int>(0)
  func add(_ count: Int) -> Int { bytes.add(count, ordering: .relaxed).newValue }
  func remove(_ count: Int) { bytes.subtract(count, ordering: .relaxed) }
  var current: Int { bytes.load(ordering: .relaxed) }
}
