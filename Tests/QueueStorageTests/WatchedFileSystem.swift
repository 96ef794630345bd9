import Foundation
import QueueStorage
import Synchronization

/// The machine's file system with every step towards durability written down, and one of them made to fail.
final class WatchedFileSystem: FileSystem {
  enum Step: Hashable, Sendable {
    case create, allocate, write, sync(String), syncFolder, rename, remove, commit
  }
  enum Failure: Hashable, Sendable { case none, system(Int32), beforeCommit, afterCommit }

  private struct State {
    var steps: [Step] = []
    var paths: [Int32: String] = [:]
    var failAt: Int?
    var failure: Failure = .none
    var onlySyncs = false
    var free: Int?
    /// By path: what a power cut leaves of a file, its content at the last sync.
    var durable: [String: [UInt8]] = [:]
    var keepsDurable = false
    var beforeStep: (@Sendable (Step) -> Void)?
    var beforeOpen: (@Sendable (String, OpenMode) throws(SystemFault) -> Void)?
  }
  struct CommitFault: Error {}

  private let real = POSIXFileSystem()
  private let state = Mutex(State())

  var steps: [Step] { state.withLock { $0.steps } }
  var hasFailed: Bool { state.withLock { state in state.failAt.map { state.steps.count > $0 } ?? false } }
  func forget() { state.withLock { $0.steps = [] } }
  /// The step with this number from now fails.
  func fail(at step: Int, _ failure: Failure) {
    state.withLock { state in
      state.steps = []
      state.failAt = step
      state.failure = failure
    }
  }
  func setFree(_ bytes: Int?) { state.withLock { $0.free = bytes } }
  func watch(_ body: @escaping @Sendable (Step) -> Void) { state.withLock { $0.beforeStep = body } }
  /// Called before each opening; what it throws is the opening's fault.
  func watchOpening(_ body: (@Sendable (String, OpenMode) throws(SystemFault) -> Void)?) {
    state.withLock { $0.beforeOpen = body }
  }
  func keepDurable() { state.withLock { $0.keepsDurable = true } }
  var durable: [String: [UInt8]] { state.withLock { $0.durable } }

  private func step(_ step: Step) throws(SystemFault) {
    let (number, failAt, failure, watcher) = state.withLock { state in
      state.steps.append(step)
      return (state.steps.count - 1, state.failAt, state.failure, state.beforeStep)
    }
    watcher?(step)
    guard number == failAt, case .system(let code) = failure else { return }
    let call =
      switch step {
      case .sync: "fdatasync"
      case .syncFolder: "fsync"
      case .create: "open"
      case .write: "pwrite"
      case .allocate: "posix_fallocate"
      case .rename: "rename"
      case .remove: "unlink"
      case .commit: "commit"
      }
    throw SystemFault(call: call, path: "", errno: code)
  }

  func open(_ path: String, _ mode: OpenMode) throws(SystemFault) -> Int32 {
    if mode == .create { try step(.create) }
    if let watcher = state.withLock({ $0.beforeOpen }) { try watcher(path, mode) }
    let file = try real.open(path, mode)
    state.withLock { $0.paths[file] = path }
    return file
  }
  func close(_ file: Int32) { real.close(file) }
  func write(_ bytes: UnsafeRawBufferPointer, to file: Int32, at offset: Int) throws(SystemFault) {
    try step(.write)
    try real.write(bytes, to: file, at: offset)
  }
  func read(into bytes: UnsafeMutableRawBufferPointer, from file: Int32, at offset: Int) throws(SystemFault) -> Int {
    try real.read(into: bytes, from: file, at: offset)
  }
  func syncData(_ file: Int32) throws(SystemFault) {
    let path = state.withLock { $0.paths[file] } ?? ""
    try step(.sync(String(path.split(separator: "/").last ?? "")))
    try real.syncData(file)
    if state.withLock({ $0.keepsDurable }) {
      let content = FileManager.default.contents(atPath: path).map { Array($0) }
      state.withLock { $0.durable[path] = content }
    }
  }
  func syncFolder(_ path: String) throws(SystemFault) {
    try step(.syncFolder)
    try real.syncFolder(path)
  }
  func rename(_ path: String, to newPath: String) throws(SystemFault) {
    try step(.rename)
    try real.rename(path, to: newPath)
    state.withLock { state in state.durable[newPath] = state.durable.removeValue(forKey: path) }
  }
  func remove(_ path: String) throws(SystemFault) {
    try step(.remove)
    try real.remove(path)
  }
  func allocate(_ bytes: Int, for file: Int32) throws(SystemFault) {
    try step(.allocate)
    try real.allocate(bytes, for: file)
  }
  func createFolder(_ path: String) throws(SystemFault) { try real.createFolder(path) }
  func list(_ folder: String) throws(SystemFault) -> [String] { try real.list(folder) }
  func size(_ file: Int32) throws(SystemFault) -> Int { try real.size(file) }
  func freeSpace(_ path: String) throws(SystemFault) -> Int {
    if let free = state.withLock({ $0.free }) { return free }
    return try real.freeSpace(path)
  }
  func commit(_ transaction: () throws -> Void) throws {
    let number = steps.count
    try step(.commit)
    let (failAt, failure) = state.withLock { ($0.failAt, $0.failure) }
    if number == failAt, failure == .beforeCommit { throw CommitFault() }
    try transaction()
    if number == failAt, failure == .afterCommit { throw CommitFault() }
  }
}
