public import MailQueue

/// Why something asked of a server or its queue was not done. `text` says what, where, and how to mend it.
public struct ControlFault: Error, Hashable, Sendable, Codable, CustomStringConvertible {
  public let kind: Kind
  public let text: String

  public init(_ kind: Kind, _ text: String) {
    self.kind = kind
    self.text = text
  }

  public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
    case badRequest = "bad-request"
    case unsupportedVersion = "unsupported-version"
    case notPermitted = "not-permitted"
    case notFound = "not-found"
    /// Too many commands at once.
    case busy
    /// The disk is too full for what was asked.
    case spaceLow = "space-low"
    /// The store has stopped after a failed write.
    case stopped
    /// Something stands already where something was to be made.
    case occupied
    /// Not done, for the reason in the text.
    case failed
    // Found on this side of the socket.
    case nobodyListens = "nobody-listens"
    case alreadyServed = "already-served"
    case connectionLost = "connection-lost"
  }

  public var description: String { text }
}

extension ControlFault {
  public init(_ fault: StoreFault) {
    switch fault {
    case .spaceLow:
      self.init(.spaceLow, "the disk of the data folder is too full for this; make room there and try again")
    case .stopped(let reason):
      self.init(
        .stopped, "the queue has stopped after a failed write (\(reason)); mend the disk and start the server anew")
    case .unavailable(let reason):
      self.init(.busy, "the queue can't be had at this moment (\(reason)); try again")
    case .notFound:
      self.init(.notFound, "there is no such message in the queue")
    case .corrupt(let id):
      self.init(.failed, "the stored body of \(id) doesn't match its checksum; the message is held")
    case .tooLarge:
      self.init(.failed, "the message is larger than the store takes")
    case .duplicate(let id):
      self.init(.failed, "there is a message \(id) in the queue already")
    }
  }

  static func unsupportedVersion(_ version: Int) -> ControlFault {
    ControlFault(
      .unsupportedVersion,
      "the server speaks version \(ControlProtocol.version) of the control protocol and the command version \(version); "
        + "use the program the server was started from")
  }
}
