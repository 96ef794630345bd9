public import MailSyntax
public import TransportSecurity

/// What is asked of the transport policy, whether a server runs or not.
public enum PolicyRequest: Hashable, Sendable {
  /// Kept policies, overrides and steady TLS: of one domain, or without the last of all.
  case show(DomainName?)
  case overrides
  case addOverride(NewOverride)
  case endOverride(Int64, reason: String)
  case refresh(DomainName)
  case forget(DomainName, reason: String)
  /// What operators did: about one domain, or about all.
  case audit(DomainName?)
  /// What came of a day in whose name, and what was done: of one domain, or of all.
  case authentication(UTCDay, DomainName?)
}

/// An override as a person asks for it; it begins now.
public struct NewOverride: Hashable, Sendable {
  public let domain: DomainName
  public let includesSubdomains: Bool
  public let floor: TLSFloor
  public let until: Timestamp
  public let reason: String
  /// Whom it is in the name of; nil for who speaks.
  public let author: String?
  public init(
    domain: DomainName, includesSubdomains: Bool, floor: TLSFloor, until: Timestamp, reason: String, author: String?
  ) {
    self.domain = domain
    self.includesSubdomains = includesSubdomains
    self.floor = floor
    self.until = until
    self.reason = reason
    self.author = author
  }
}

/// The members of a request about policy: `{"domain":"example.net","floor":"encrypt","until":"…","reason":"…"}`.
struct PolicyRecord: Codable {
  var domain: String?
  var subdomains: Bool?
  var floor: String?
  var until: Timestamp?
  var reason: String?
  var author: String?
  var number: Int64?
  var day: UTCDay?

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case domain, subdomains, floor, until, reason, author, number, day
  }

  init() {}

  init(from decoder: any Decoder) throws {
    // A key that this version doesn't know may narrow what is asked.
    try refuseUnknownKeys(decoder, CodingKeys.allCases.map(\.rawValue))
    let container = try decoder.container(keyedBy: CodingKeys.self)
    domain = try container.decodeIfPresent(String.self, forKey: .domain)
    subdomains = try container.decodeIfPresent(Bool.self, forKey: .subdomains)
    floor = try container.decodeIfPresent(String.self, forKey: .floor)
    until = try container.decodeIfPresent(Timestamp.self, forKey: .until)
    reason = try container.decodeIfPresent(String.self, forKey: .reason)
    author = try container.decodeIfPresent(String.self, forKey: .author)
    number = try container.decodeIfPresent(Int64.self, forKey: .number)
    day = try container.decodeIfPresent(UTCDay.self, forKey: .day)
  }
}

extension PolicyRequest {
  private static let prefix = "policy."

  /// The request's name behind `policy.` and its members.
  var record: RequestRecord {
    var members = PolicyRecord()
    let name: String
    switch self {
    case .show(let domain):
      name = "show"
      members.domain = domain?.description
    case .overrides: name = "overrides"
    case .audit(let domain):
      name = "audit"
      members.domain = domain?.description
    case .authentication(let day, let domain):
      name = "authentication"
      members.day = day
      members.domain = domain?.description
    case .addOverride(let new):
      name = "override-add"
      members.domain = new.domain.description
      members.subdomains = new.includesSubdomains
      members.floor = new.floor.rawValue
      members.until = new.until
      members.reason = new.reason
      members.author = new.author
    case .endOverride(let number, let reason):
      name = "override-end"
      members.number = number
      members.reason = reason
    case .refresh(let domain):
      name = "refresh"
      members.domain = domain.description
    case .forget(let domain, let reason):
      name = "forget"
      members.domain = domain.description
      members.reason = reason
    }
    var record = RequestRecord(PolicyRequest.prefix + name)
    record.policy = members
    return record
  }

  /// Nil for a request of another kind.
  init?(_ record: RequestRecord) throws(ControlFault) {
    guard record.request.hasPrefix(PolicyRequest.prefix) else { return nil }
    let members = record.policy ?? PolicyRecord()
    func needed<Value>(_ value: Value?, _ name: String) throws(ControlFault) -> Value {
      guard let value else { throw ControlFault(.badRequest, "\(record.request) is asked for with \"\(name)\"") }
      return value
    }
    func domain(_ text: String) throws(ControlFault) -> DomainName {
      guard let domain = try? DomainName(text) else {
        throw ControlFault(.badRequest, "\"\(text.prefix(64))\" is no domain name")
      }
      return domain
    }
    switch record.request.dropFirst(PolicyRequest.prefix.count) {
    case "show":
      if let text = members.domain { self = .show(try domain(text)) } else { self = .show(nil) }
    case "overrides": self = .overrides
    case "audit":
      if let text = members.domain { self = .audit(try domain(text)) } else { self = .audit(nil) }
    case "authentication":
      let day = try needed(members.day, "day")
      if let text = members.domain {
        self = .authentication(day, try domain(text))
      } else {
        self = .authentication(day, nil)
      }
    case "override-add":
      let floor = try needed(members.floor, "floor")
      guard let known = TLSFloor(rawValue: floor) else {
        throw ControlFault(.badRequest, "\"\(floor.prefix(64))\" is no floor")
      }
      self = .addOverride(
        NewOverride(
          domain: try domain(try needed(members.domain, "domain")), includesSubdomains: members.subdomains ?? false,
          floor: known, until: try needed(members.until, "until"), reason: try needed(members.reason, "reason"),
          author: members.author))
    case "override-end":
      self = .endOverride(try needed(members.number, "number"), reason: try needed(members.reason, "reason"))
    case "refresh": self = .refresh(try domain(try needed(members.domain, "domain")))
    case "forget":
      self = .forget(
        try domain(try needed(members.domain, "domain")), reason: try needed(members.reason, "reason"))
    case let name: throw ControlFault(.badRequest, "no request is named \"policy.\(name.prefix(64))\"")
    }
  }
}
