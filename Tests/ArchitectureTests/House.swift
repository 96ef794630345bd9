/// The house of Documentation/Architecture.md: which room stands on which floor, and what it may use.
enum House {
  /// A room may use the rooms on floors below its own, and those named beside it.
  struct Room {
    var floor: Int
    var beside: Set<String> = []
    /// The highest floor this room may use, where that is lower than its own floor allows.
    var highestFloorUsed: Int?
  }

  static let rooms: [String: Room] = [
    // Floor 0: values.
    "MailSyntax": Room(floor: 0),
    "DNSRecords": Room(floor: 0, beside: ["MailSyntax"]),
    // Floor 1: languages.
    "SMTPGrammar": Room(floor: 1),
    "SASLMechanisms": Room(floor: 1),
    "MailMessage": Room(floor: 1),
    "TransportSecurity": Room(floor: 1),
    "MailAuthentication": Room(floor: 1, beside: ["MailMessage"]),
    // Floor 2: machines.
    "SMTPSessions": Room(floor: 2),
    "MailQueue": Room(floor: 2),
    // Floor 3: conduct.
    "Accounts": Room(floor: 3),
    "Relay": Room(floor: 3, beside: ["Accounts"]),
    "Metrics": Room(floor: 3),
    // The queue's model, with the crash semantics of the real store: pure, for the simulation and the contract suite.
    "QueueModel": Room(floor: 3, beside: ["Relay"]),
    // Floor 4: edges.
    "SystemWorld": Room(floor: 4),
    "SMTPTransport": Room(floor: 4, highestFloorUsed: 2),
    "DNSTransport": Room(floor: 4, beside: ["CUnbound"]),
    "QueueStorage": Room(floor: 4, beside: ["CCRC32C"]),
    "PolicyStorage": Room(floor: 4, beside: ["QueueStorage"]),
    "PolicyTransport": Room(floor: 4, beside: ["SMTPTransport"]),
    "Certificates": Room(floor: 4),
    "PasswordHashing": Room(floor: 4, beside: ["CArgon2"]),
    "InternationalDomainNames": Room(floor: 4, beside: ["CIDN2"]),
    "LocalDelivery": Room(floor: 4),
    "Configuration": Room(floor: 4),
    "Diagnosis": Room(floor: 4),
    "ControlPlane": Room(floor: 4),
    // C libraries of the system, seen through a module map; only the rooms named beside them use them.
    "CArgon2": Room(floor: 4),
    "CCRC32C": Room(floor: 4),
    "CIDN2": Room(floor: 4),
    "CUnbound": Room(floor: 4),
    // Floor 5: doors.
    "SMTPClient": Room(floor: 5),
    "MartletTesting": Room(floor: 5),
    "martlet": Room(floor: 5),
    // The relay wired to a virtual world: it takes no edge.
    "Simulation": Room(floor: 5, highestFloorUsed: 3),
  ]

  /// Floors up to this one hold no socket, file, sleep, wall clock or system randomness.
  static let highestPureFloor = 3

  /// Outside modules the pure floors may use. Floor 0 uses none but Swift's own.
  static let swiftsOwn: Set<String> = ["Swift", "_Concurrency", "_StringProcessing", "Synchronization"]
  static let outsideOnPureFloors: Set<String> = [
    "NIOCore", "Crypto", "CryptoExtras", "Collections", "DequeModule", "OrderedCollections", "HeapModule",
    "FoundationEssentials",
  ]

  /// Leave for one file, with its reason.
  static let exceptions: [String: Set<String>] = [
    // `memchr`, a pure function that no loop in Swift comes near; line discipline runs over every octet of every message.
    "Sources/SMTPGrammar/OctetScan.swift": ["Glibc", "Musl", "Darwin"]
  ]

  /// The files that may open a door the type system keeps shut, by the name of the `@_spi` they import.
  static let mints: [String: Set<String>] = [
    // Where a handshake is seen to end on a channel (Law 3).
    "TLSProofMinting": ["Sources/SMTPTransport/ProofMint.swift", "Sources/Simulation/ModelledHandshake.swift"],
    // Where mail may go in cleartext (Law 2).
    "CleartextPermitMinting": [
      "Sources/Relay/Delivery/LocalDeliveryPermit.swift", "Sources/Relay/Exchangers/ExchangerPermit.swift",
      "Sources/martlet/Commands/SendCleartext.swift",
    ],
    // swift-certificates' own: a path judged at a given time, or whatever its time, for what is only recorded.
    "FixedExpiryValidationTime": ["Sources/SMTPTransport/CertificatePath.swift"],
    "DisableValidityCheck": ["Sources/SMTPTransport/CertificatePath.swift"],
  ]

  static func isPure(_ room: String) -> Bool { (rooms[room]?.floor ?? .max) <= highestPureFloor }
}
