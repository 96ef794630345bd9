import Glibc
import MailQueue
import MailSyntax
import Synchronization

/// Whether the store takes mail, and the reserve that lets outcomes be written on a full disk.
final class StoreStanding: Sendable {
  private struct State {
    var condition: StoreCondition = .accepting
    var lastLook: Uptime
    var hasReserve = false
  }

  private let folder: String
  private let options: StoreOptions
  private let fileSystem: any FileSystem
  private let clock: any MailClock
  private let events: any EventSink
  private let state: Mutex<State>

  init(
    folder: String, options: StoreOptions, fileSystem: any FileSystem, clock: any MailClock, events: any EventSink
  ) {
    self.folder = folder
    self.options = options
    self.fileSystem = fileSystem
    self.clock = clock
    self.events = events
    state = Mutex(State(lastLook: clock.uptime))
  }

  /// Free space is looked at again at most once a second while it is low, so that the word is taken back.
  var condition: StoreCondition {
    let known = state.withLock { $0.condition }
    guard known == .spaceLow else { return known }
    lookAtSpace(atLeastEvery: .seconds(1))
    return state.withLock { $0.condition }
  }

  /// The first reason stays; nothing leads out of `.stopped`.
  @discardableResult func stop(_ reason: String) -> StoreFault {
    let (known, isNews) = state.withLock { state -> (String, Bool) in
      if case .stopped(let earlier) = state.condition { return (earlier, false) }
      state.condition = .stopped(reason: reason)
      return (reason, true)
    }
    if isNews { alarm("store-stopped", reason) }
    return .stopped(reason: known)
  }

  /// The end by `close`: no alarm.
  func close() {
    state.withLock { state in
      if case .stopped = state.condition { return }
      state.condition = .stopped(reason: "the store was closed")
    }
  }

  var isStopped: Bool {
    if case .stopped = state.withLock({ $0.condition }) { true } else { false }
  }

  var isSpaceLow: Bool { state.withLock { $0.condition == .spaceLow } }

  func checkRunning() throws(StoreFault) {
    if case .stopped(let reason) = state.withLock({ $0.condition }) { throw .stopped(reason: reason) }
  }

  /// What a failed call means: a full disk lowers the condition, a want of descriptors passes, anything else stops the
  /// store for good.
  func judge(_ fault: SystemFault) -> StoreFault {
    if fault.isPassing { return .unavailable(reason: fault.description) }
    guard fault.isSpace else { return stop(fault.description) }
    lower(fault.description)
    return .spaceLow
  }

  func lower(_ reason: String) {
    let isNews = state.withLock { state in
      guard state.condition == .accepting else { return false }
      state.condition = .spaceLow
      state.lastLook = clock.uptime
      return true
    }
    if isNews { alarm("store-space-low", reason) }
  }

  func lookAtSpace(atLeastEvery interval: Duration) {
    let now = clock.uptime
    let isDue = state.withLock { state in
      guard now - state.lastLook >= interval else { return false }
      state.lastLook = now
      return true
    }
    guard isDue else { return }
    do throws(SystemFault) {
      let free = try fileSystem.freeSpace(folder)
      guard free >= options.freeSpaceFloor.bytes else {
        return lower("\(free) bytes are free in \(folder), the floor is \(options.freeSpaceFloor.bytes)")
      }
      let isNews = state.withLock { state in
        guard state.condition == .spaceLow else { return false }
        state.condition = .accepting
        return true
      }
      if isNews { alarm("store-space-regained", "\(free) bytes are free in \(folder)") }
    } catch {
      stop(error.description)
    }
  }

  /// Writes the reserve where there is none and room enough. Called at open and by maintenance.
  func keepReserve() throws(SystemFault) {
    let path = folder + "/reserve"
    let isWanted = state.withLock { !$0.hasReserve && $0.condition == .accepting } && options.reserve.bytes > 0
    guard isWanted else { return }
    let room = try fileSystem.freeSpace(folder)
    guard room >= options.freeSpaceFloor.bytes + options.reserve.bytes else { return }
    let file = try fileSystem.open(path, .write)
    defer { fileSystem.close(file) }
    try writeZeros(from: fileSystem.size(file), to: options.reserve.bytes, of: file, fileSystem, path)
    state.withLock { $0.hasReserve = true }
  }

  /// Gives the reserve's blocks back to the file system. False when it was given already.
  func releaseReserve() -> Bool {
    let had = state.withLock { state in
      defer { state.hasReserve = false }
      return state.hasReserve
    }
    guard had else { return false }
    do throws(SystemFault) {
      try fileSystem.remove(folder + "/reserve")
      return true
    } catch {
      return false
    }
  }

  func alarm(_ name: String, _ reason: String) {
    events.record(MailEvent(.alarm, [.init("what", .text(name)), .init("reason", .text(reason))]))
  }
}

/// Fills a file with zeros in pieces and makes it durable: later writes into it need no new blocks.
func writeZeros(
  from start: Int, to end: Int, of file: Int32, _ fileSystem: any FileSystem, _ path: String
) throws(SystemFault) {
  guard start < end else { return }
  let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: min(1 << 20, end - start), alignment: 4096)
  defer { zeros.deallocate() }
  zeros.initializeMemory(as: UInt8.self, repeating: 0)
  var offset = start
  while offset < end {
    let count = min(zeros.count, end - offset)
    do throws(SystemFault) {
      try fileSystem.write(UnsafeRawBufferPointer(rebasing: zeros[..<count]), to: file, at: offset)
    } catch {
      throw error.on(path)
    }
    offset += count
  }
  do throws(SystemFault) { try fileSystem.syncData(file) } catch { throw error.on(path) }
}
