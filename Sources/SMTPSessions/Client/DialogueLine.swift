/// One line of a dialogue as a person may see it: secrets and content are replaced before it is made (Law 8).
public struct DialogueLine: Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Hashable, Sendable { case sent, received, note }

  public let kind: Kind
  public let isEncrypted: Bool
  public let text: String

  public init(_ kind: Kind, isEncrypted: Bool, _ text: String) {
    self.kind = kind
    self.isEncrypted = isEncrypted
    self.text = text
  }

  /// `-> ` and `<- ` in clear, `~> ` and `<~ ` inside TLS.
  public var description: String {
    switch kind {
    case .sent: (isEncrypted ? "~> " : "-> ") + text
    case .received: (isEncrypted ? "<~ " : "<- ") + text
    case .note: "-- " + text
    }
  }
}
