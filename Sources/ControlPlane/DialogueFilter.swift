internal import MailSyntax
internal import SMTPSessions

/// Which sessions a watcher wants to see. Every given condition must be met by some line of the session, or by what is
/// known of it; none given means all.
public struct DialogueFilter: Hashable, Sendable, Codable {
  /// The domain of the sender or of a recipient, the name the peer gives itself, or a server's host name; a domain
  /// above one of these counts too.
  public var domain: String?
  /// The sender, a recipient, or the peer's IP address.
  public var address: String?
  /// The session's name, or a queue id that is said in it.
  public var id: String?
  /// Incoming sessions of this role alone: `submissions`, `submission`, `relay`.
  public var listener: String?

  public init(domain: String? = nil, address: String? = nil, id: String? = nil, listener: String? = nil) {
    self.domain = domain
    self.address = address
    self.id = id
    self.listener = listener
  }

  private enum CodingKeys: String, CodingKey, CaseIterable { case domain, address, id, listener }

  public init(from decoder: any Decoder) throws {
    // A condition that this version doesn't know must not be passed over: more would be shown than was meant.
    try refuseUnknownKeys(decoder, CodingKeys.allCases.map(\.rawValue))
    let container = try decoder.container(keyedBy: CodingKeys.self)
    domain = try container.decodeIfPresent(String.self, forKey: .domain)
    address = try container.decodeIfPresent(String.self, forKey: .address)
    id = try container.decodeIfPresent(String.self, forKey: .id)
    listener = try container.decodeIfPresent(String.self, forKey: .listener)
    if let listener, ListenerRole(rawValue: listener) == nil {
      throw ControlFault(.badRequest, "\"\(listener.prefix(64))\" is no role of a listener")
    }
  }

  /// The conditions that a session has still to meet.
  struct Conditions: OptionSet, Hashable, Sendable {
    let rawValue: UInt8
    static let domain = Conditions(rawValue: 1)
    static let address = Conditions(rawValue: 2)
    static let id = Conditions(rawValue: 4)
    static let listener = Conditions(rawValue: 8)
  }

  var conditions: Conditions {
    var conditions: Conditions = []
    if domain != nil { conditions.insert(.domain) }
    if address != nil { conditions.insert(.address) }
    if id != nil { conditions.insert(.id) }
    if listener != nil { conditions.insert(.listener) }
    return conditions
  }

  /// Those of `missing` that the session itself or this line of it meets.
  func met(_ missing: Conditions, by line: DialogueLine, in session: DialogueSession) -> Conditions {
    var met: Conditions = []
    if missing.contains(.listener), case .incoming(let role) = session.side, role.rawValue == listener {
      met.insert(.listener)
    }
    if missing.contains(.id), let id, session.name == id || line.text.contains(id) { met.insert(.id) }
    guard missing.contains(.domain) || missing.contains(.address) else { return met }
    let said = DialogueFilter.Said(line)
    if missing.contains(.domain), let domain = domain?.lowercasedASCII(),
      [session.peer, said.host, said.path?.split(separator: "@").last.map(String.init)].contains(where: {
        DialogueFilter.isWithin($0, domain)
      })
    {
      met.insert(.domain)
    }
    if missing.contains(.address), let address = address?.lowercasedASCII(),
      said.path?.lowercasedASCII() == address || session.peer.lowercasedASCII() == address
    {
      met.insert(.address)
    }
    return met
  }

  private static func isWithin(_ host: String?, _ domain: String) -> Bool {
    guard let host = host?.lowercasedASCII() else { return false }
    return host == domain || host.hasSuffix("." + domain)
  }

  /// What a line says of the envelope and the peer.
  private struct Said {
    var path: String?
    var host: String?

    init(_ line: DialogueLine) {
      let words = line.text.prefix(1_024).split(separator: " ", maxSplits: 1)
      guard words.count == 2 else { return }
      switch words[0].uppercased() {
      case "MAIL", "RCPT":
        guard let open = words[1].firstIndex(of: "<"), let close = words[1].lastIndex(of: ">"), open < close else {
          return
        }
        let path = words[1][words[1].index(after: open)..<close]
        // RFC 5321 §4.1.1.3: a source route is no part of the address.
        self.path = String(path.hasPrefix("@") ? path.split(separator: ":").last ?? path : path)
      case "EHLO", "HELO", "LHLO": if line.kind == .received { host = String(words[1]) }
      case _: break
      }
    }
  }
}
