import ArgumentParser
import DNSRecords
import MailSyntax
import Relay
import TransportSecurity

/// One answer of a resolver, as `martlet dns` tells it.
struct DNSReport: Encodable {
  let name: String
  let type: String
  let answer: Answer
  /// Nil where the answer is none.
  var security: DNSSECState?
  var canonicalName: String?
  /// Of TLSA records that were sought for a host: where they stand, without `_25._tcp.`.
  var base: String?
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
    /// - Parameter fault: why it doesn't count; nil where it does.
    case tlsa(String, fault: String?)
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
    case .cname:
      self.init(name, question, await resolver.alias(of: name)) { .other($0.description) }
    case .tlsa:
      let answer = await resolver.tlsaRecords(of: name)
      let records: [TLSARecord] = if case .records(let set) = answer { set.records } else { [] }
      let set = TLSASet(base: name, records: records)
      self.init(name, question, answer) { Record($0, of: set) }
    case .dane:
      self.init(name, await TLSALookup(resolver).evidence(for: name, port: DNSReport.mailPort))
    }
  }

  private static let mailPort: UInt16 = 25

  /// What a delivery to the host would go by (RFC 7672 §2.2).
  private init(_ name: DomainName, _ evidence: TLSAEvidence) {
    self.name = name.description
    type = DNSQuestion.dane.rawValue.uppercased()
    switch evidence {
    case .published(let set):
      answer = .records
      security = .secure
      base = set.base.description
      records = set.records.map { Record($0, of: set) }.sorted()
    case .absent: answer = .none
    case .notSought(let reason):
      answer = .none
      self.reason = reason
    case .failed(let reason):
      answer = .failed
      self.reason = reason
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
      case .none: "\(name) \(type): no such record\(state)\(why)"
      case .noSuchName: "\(name): no such name\(state)"
      case .failed: "\(name) \(type): no answer\(why)"
      case .bogus: "\(name) \(type): bogus\(why)"
      }
    var lines = [first] + records.map { "  \($0)" }
    if let canonicalName, canonicalName.lowercasedASCII() != name.lowercasedASCII() {
      lines.append("It is an alias of \(canonicalName).")
    }
    if let base { lines.append("They stand at \(base).") }
    if let timeToLiveSeconds { lines.append("It may be kept for \(timeToLiveSeconds) s.") }
    return lines.map(QueueText.printable) + hints
  }

  /// What was probably meant, where nothing was found.
  private var hints: [String] {
    guard answer == .none || answer == .noSuchName else { return [] }
    let text: String
    switch type {
    case "TLSA" where !name.hasPrefix("_"):
      text =
        "TLSA records stand at the name of a service: martlet dns _25._tcp.\(name) --type tlsa, or "
        + "martlet dns \(name) --type dane for a mail host."
    case "DANE" where reason == nil:
      text =
        "No proven TLSA record is at _25._tcp.\(name), so DANE asks for nothing there. If this is a domain and no "
        + "mail host, ask its hosts: martlet dns \(name)"
    case _: return []
    }
    return QueueText.wrapped(text, indent: 0)
  }
}

extension DNSReport.Record: CustomStringConvertible, Comparable, Encodable {
  fileprivate init(_ record: TLSARecord, of set: TLSASet) {
    let isOutdone = record.fault == nil && !set.usable.contains(record)
    self = .tlsa(
      record.description, fault: record.fault ?? (isOutdone ? "a stronger digest stands beside it" : nil))
  }

  var description: String {
    switch self {
    case .tlsa(let record, let fault): record + (fault.map { " (doesn't count: \($0))" } ?? "")
    case .mailExchanger(let preference, let exchange): "\(preference) \(exchange)"
    case .other(let text): text
    }
  }

  static func < (left: DNSReport.Record, right: DNSReport.Record) -> Bool {
    switch (left, right) {
    case (.mailExchanger(let one, let host), .mailExchanger(let other, let otherHost)):
      (one, host) < (other, otherHost)
    case (.other(let one), .other(let other)), (.tlsa(let one, _), .tlsa(let other, _)): one < other
    // An answer has records of one type.
    case (.mailExchanger, _), (.tlsa, .other): true
    case (.other, _), (.tlsa, .mailExchanger): false
    }
  }

  private enum CodingKeys: String, CodingKey { case preference, exchange, record, fault }

  func encode(to encoder: any Encoder) throws {
    switch self {
    case .mailExchanger(let preference, let exchange):
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(preference, forKey: .preference)
      try container.encode(exchange, forKey: .exchange)
    case .tlsa(let record, let fault):
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(record, forKey: .record)
      try container.encodeIfPresent(fault, forKey: .fault)
    case .other(let text):
      var container = encoder.singleValueContainer()
      try container.encode(text)
    }
  }
}

extension DNSReport {
  private enum CodingKeys: String, CodingKey {
    case name, type, answer, security, canonicalName, base, timeToLiveSeconds, records, reason
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(name, forKey: .name)
    try container.encode(type, forKey: .type)
    try container.encode(answer, forKey: .answer)
    try container.encodeIfPresent(security?.rawValue, forKey: .security)
    try container.encodeIfPresent(canonicalName, forKey: .canonicalName)
    try container.encodeIfPresent(base, forKey: .base)
    try container.encodeIfPresent(timeToLiveSeconds, forKey: .timeToLiveSeconds)
    if !records.isEmpty { try container.encode(records, forKey: .records) }
    try container.encodeIfPresent(reason, forKey: .reason)
  }
}
