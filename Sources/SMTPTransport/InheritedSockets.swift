/// A listening socket that the process was born with.
public struct InheritedSocket: Hashable, Sendable {
  public let descriptor: Int32
  /// The name the starter gave it, `unknown` where it gave none.
  public let name: String
  public init(descriptor: Int32, name: String) {
    self.descriptor = descriptor
    self.name = name
  }
}

/// Socket activation as systemd does it: LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES. Source: sd_listen_fds(3).
public enum InheritedSockets {
  /// SD_LISTEN_FDS_START.
  public static let firstDescriptor: Int32 = 3
  public static let maximumCount = 64

  public enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
    case badCount(String)
    case badProcess(String)
    case namesDoNotMatch(names: Int, sockets: Int)

    public var description: String {
      switch self {
      case .badCount(let text):
        "LISTEN_FDS is '\(text)'; it must be a number from 0 to \(maximumCount)"
      case .badProcess(let text): "LISTEN_PID is '\(text)'; it must be a process id"
      case .namesDoNotMatch(let names, let sockets):
        "LISTEN_FDNAMES names \(names) sockets and LISTEN_FDS hands over \(sockets); give each one name"
      }
    }
  }

  /// The sockets that `environment` hands to `process`; none where the variables are absent or meant for another.
  public static func parse(
    environment: [String: String], process: Int32
  ) throws(Fault) -> [InheritedSocket] {
    guard let count = environment["LISTEN_FDS"] else { return [] }
    if let owner = environment["LISTEN_PID"] {
      guard let owner = Int32(owner), owner > 0 else { throw .badProcess(owner) }
      // Variables that a parent forgot to take out are no offer to us.
      guard owner == process else { return [] }
    }
    guard let number = Int(count), (0...maximumCount).contains(number) else { throw .badCount(count) }
    var names = [String](repeating: "unknown", count: number)
    if let text = environment["LISTEN_FDNAMES"], number > 0 {
      names = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      guard names.count == number else { throw .namesDoNotMatch(names: names.count, sockets: number) }
    }
    return names.enumerated().map { InheritedSocket(descriptor: firstDescriptor + Int32($0.offset), name: $0.element) }
  }
}
