import ArgumentParser
import DNSRecords
import MailSyntax

/// One answer of a resolver, as `martlet dns` tells it.
struct DNSReport: Encodable {
  let name: String
  let type: String
  let answer: Answer
  /// Nil where the answer is none.
  var security: DNSSECState?
  var canonicalName: String?
  var timeToLiveSeconds: Int64?
  var records: [Record] = []
  var reason: String?

  enum Answer: String, Encodable {
    case records, none
    case noSuchName = "no-such-name"
    case failed, bogus
  }

  enum Record: Hashable {
    case mailExchanger(preference: UInt16, exchange: String)
    case other(String)
  }

  init(of name: DomainName, _ question: DNSQuestion, by resolver: some Resolver) async {
    switch question {
    case .mx:
      self.init(name, question, await resolver.mailExchangers(of: name)) {
        .mailExchanger(preference: $0.preference, exchange: $0.exchange.description)
      }
    case .a:
      self.init(name, question, await resolver.addresses(of: name, family: .v4)) { .other($0.description) }
    case .aaaa:
      self.init(name, question, await resolver.addresses(of: name, family: .v6)) { .other($0.description) }
    case .txt:
      self.init(name, question, await resolver.texts(of: name)) { .other(String(decoding: $0, as: UTF8.self)) }
    }
  }

  private init<Value>(
    _ name: DomainName, _ question: DNSQuestion, _ answer: DNSAnswer<Value>, record: (Value) -> Record
  ) {
    self.name = name.description
    type = question.rawValue.uppercased()
    switch answer {
    case .records(let set):
      self.answer = .records
      security = set.security
      canonicalName = set.canonicalName.description
      timeToLiveSeconds = set.timeToLive.components.seconds
      records = set.records.map(record).sorted()
    case .none(let state):
      self.answer = .none
      security = state
    case .noSuchName(let state):
      self.answer = .noSuchName
      security = state
    case .failed(let reason):
      self.answer = .failed
      self.reason = reason
    case .bogus(let reason):
      self.answer = .bogus
      self.reason = reason
    }
  }

  var exitCode: ExitCode {
    switch answer {
    case .records: .success
    case .none, .noSuchName: ExitStatus.noSuchHost
    case .failed: ExitStatus.tryAgain
    case .bogus: ExitStatus.badData
    }
  }

  var lines: [String] {
    let state = security.map { ", \($0.rawValue)" } ?? ""
    let why = reason.map { ": \($0)" } ?? ""
    let first =
      switch answer {
      case .records: "\(name) \(type): \(QueueText.count(records.count, "record"))\(state)"
      case .none: "\(name) \(type): no such record\(state)"
      case .noSuchName: "\(name): no such name\(state)"
      case .failed: "\(name) \(type): no answer\(why)"
      case .bogus: "\(name) \(type): bogus\(why)"
      }
    var lines = [first] + records.map { "  \($0)" }
    if let canonicalName, canonicalName.lowercasedASCII() != name.lowercasedASCII() {
      lines.append("It is an alias of \(canonicalName).")
    }
    if let timeToLiveSeconds { lines.append("It may be kept for \(timeToLiveSeconds) s.") }
    return lines.map(QueueText.printable)
  }
}

extension DNSReport.Record: CustomStringConvertible, Comparable, Encodable {
  var description: String {
    switch self {
    case .mailExchanger(let preference, let exchange): "\(preference) \(exchange)"
    case .other(let text): text
    }
  }

  static func < (left: DNSReport.Record, right: DNSReport.Record) -> Bool {
    switch (left, right) {
    case (.mailExchanger(let one, let host), .mailExchanger(let other, let otherHost)):
      (one, host) < (other, otherHost)
    case (.other(let one), .other(let other)): one < other
    case (.mailExchanger, .other): true
    case (.other, .mailExchanger): false
    }
  }

  private enum CodingKeys: String, CodingKey { case preference, exchange }

  func encode(to encoder: any Encoder) throws {
    switch self {
    case .mailExchanger(let preference, let exchange):
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(preference, forKey: .preference)
      try container.encode(exchange, forKey: .exchange)
    case .other(let text):
      var container = encoder.singleValueContainer()
      try container.encode(text)
    }
  }
}

extension DNSReport {
  private enum CodingKeys: String, CodingKey {
    case name, type, answer, security, canonicalName, timeToLiveSeconds, records, reason
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(name, forKey: .name)
    try container.encode(type, forKey: .type)
    try container.encode(answer, forKey: .answer)
    try container.encodeIfPresent(security?.rawValue, forKey: .security)
    try container.encodeIfPresent(canonicalName, forKey: .canonicalName)
    try container.encodeIfPresent(timeToLiveSeconds, forKey: .timeToLiveSeconds)
    if !records.isEmpty { try container.encode(records, forKey: .records) }
    try container.encodeIfPresent(reason, forKey: .reason)
  }
}
