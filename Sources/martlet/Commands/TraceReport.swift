import ControlPlane
import Diagnosis
import MailMessage
import MailSyntax

/// What `martlet trace` shows of a message.
struct TraceReport {
  let trace: MessageTrace
  /// Why the header was read in part only.
  let shortfall: String?
  let showsFields: Bool

  private static let keyColumns = 9
  private static let indent = 4

  func lines(_ paint: Paint) -> [String] {
    var lines: [String] = []
    if trace.omitted > 0 {
      lines += QueueText.wrapped("\(QueueText.count(trace.omitted, "older field")) not shown.", indent: 0) + [""]
    }
    for (index, hop) in trace.hops.enumerated() { lines += block(index + 1, hop, paint) + [""] }
    lines += QueueText.wrapped(trace.summary, indent: 0)
    if let caution = trace.caution { lines += QueueText.wrapped(caution, indent: 0) }
    if trace.isLoop {
      lines += QueueText.wrapped("So many fields mean that the message went in a loop.", indent: 0)
    }
    if let shortfall { lines += QueueText.wrapped("Note: \(shortfall).", indent: 0) }
    return lines
  }

  private func block(_ number: Int, _ hop: MessageTrace.Hop, _ paint: Paint) -> [String] {
    var title = QueueText.left("\(number)", 3) + " " + (hop.field.date.map { Timestamp($0).seconds } ?? "no date")
    if let elapsed = hop.elapsed { title += ", " + TraceReport.words(elapsed) }
    var lines = [title]
    lines += fact("from", hop.from ?? (hop.isInside ? "the machine itself" : "not said"))
    if let name = hop.calledItself { lines += fact("", "which called itself \(name)") }
    var receiver = hop.field.receiver ?? "not said"
    if let software = hop.field.software { receiver += " (\(software.rawValue))" }
    lines += fact("to", receiver)
    lines += fact("how", hop.how)
    lines += fact("TLS", hop.verdict.words).enumerated().map {
      $0.offset == 0 ? hop.verdict.painted($0.element, paint) : $0.element
    }
    if case .encrypted(let tls?) = hop.verdict {
      for weakness in tls.weaknesses { lines += fact("", "weak: \(weakness)") }
    }
    lines += fact("word", hop.wordText)
    if let fault = hop.field.fault { lines += fact("", "the field is damaged: \(fault)") }
    // Many servers fold by a tab, which is a space like any other here.
    if showsFields { lines += fact("field", String(hop.text.map { $0 == "\t" ? " " : $0 })) }
    return lines
  }

  private func fact(_ key: String, _ value: String) -> [String] {
    let column = TraceReport.indent + TraceReport.keyColumns
    var lines = QueueText.wrapped(value, indent: column)
    if lines.isEmpty { lines = [String(repeating: " ", count: column)] }
    lines[0] =
      String(repeating: " ", count: TraceReport.indent) + QueueText.left(key, TraceReport.keyColumns)
      + lines[0].dropFirst(column)
    return lines
  }

  private static func words(_ elapsed: Duration) -> String {
    if elapsed < .seconds(0) {
      return "\(QueueText.short(.zero - elapsed)) before the field below it: the clocks differ"
    }
    return elapsed == .zero ? "within a second" : "\(QueueText.short(elapsed)) later"
  }
}

extension MessageTrace.Hop {
  fileprivate var isInside: Bool {
    switch verdict {
    case .inside: true
    case .encrypted, .notEncrypted, .notSaid: false
    }
  }

  fileprivate var how: String {
    var parts = [field.transmission ?? "not said"]
    if case .smtp(let smtp) = field.way, smtp.isAuthenticated { parts.append("the sender was authenticated") }
    return parts.joined(separator: ", ")
  }

  fileprivate var wordText: String {
    let writer = field.receiver ?? "a server not named"
    return switch word {
    case .known: "by \(writer), believed"
    case .claimed: "by \(writer) if it is true: this field may be forged"
    }
  }
}

extension HopVerdict {
  var name: String {
    switch self {
    case .encrypted: "encrypted"
    case .notEncrypted: "not-encrypted"
    case .notSaid: "not-said"
    case .inside: "inside"
    }
  }

  fileprivate var words: String {
    switch self {
    case .encrypted(let tls):
      "encrypted: "
        + ([tls?.version, tls?.cipherSuite, tls?.group].compactMap { $0 }.joined(separator: " ").nonEmpty
          ?? "how is not said")
    case .notEncrypted(let reason): "NOT encrypted: \(reason)"
    case .notSaid(let reason): "not said: \(reason)"
    case .inside(let reason): "not needed: \(reason)"
    }
  }

  fileprivate func painted(_ line: String, _ paint: Paint) -> String {
    switch self {
    case .encrypted(let tls): paint.paint(line, tls?.weaknesses.isEmpty == false ? .yellow : .green)
    case .notEncrypted: paint.paint(line, .red)
    case .notSaid: paint.paint(line, .yellow)
    case .inside: line
    }
  }
}

extension String {
  fileprivate var nonEmpty: String? { isEmpty ? nil : self }
}

extension Timestamp {
  /// To the second, which is all that a Received field has.
  var seconds: String { description.prefix(19) + "Z" }
}

extension TraceReport: Encodable {
  private struct HopRecord: Encodable {
    struct TLS: Encodable {
      var version, cipherSuite, group: String?
      var weaknesses: [String]
      private enum CodingKeys: String, CodingKey {
        case version, group, weaknesses
        case cipherSuite = "cipher_suite"
      }
    }
    var from, fromName, fromAddress, greeting, by, software, with, id, recipient, date, reason, damaged: String?
    var elapsedSeconds: Int64?
    var verdict, word: String
    var authenticated: Bool
    var tls: TLS?
    var field: String?

    private enum CodingKeys: String, CodingKey {
      case from, greeting, by, software, with, id, date, reason, damaged, verdict, word, authenticated, tls, field
      case fromName = "from_name"
      case fromAddress = "from_address"
      case recipient = "for"
      case elapsedSeconds = "elapsed_seconds"
    }
  }

  private enum CodingKeys: String, CodingKey {
    case hops, summary, caution, shortfall, loop
    case olderFieldsOmitted = "older_fields_omitted"
    case betweenMachines = "between_machines"
    case encrypted
  }

  /// One object: `hops` oldest first, then what they come to.
  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(trace.hops.map(record), forKey: .hops)
    try container.encode(trace.summary, forKey: .summary)
    try container.encodeIfPresent(trace.caution, forKey: .caution)
    try container.encodeIfPresent(shortfall, forKey: .shortfall)
    try container.encode(trace.isLoop, forKey: .loop)
    try container.encode(trace.omitted, forKey: .olderFieldsOmitted)
    let between = trace.betweenMachines
    try container.encode(between.count, forKey: .betweenMachines)
    try container.encode(between.count { $0.verdict.name == "encrypted" }, forKey: .encrypted)
  }

  private func record(_ hop: MessageTrace.Hop) -> HopRecord {
    var record = HopRecord(
      from: hop.from, fromName: hop.field.sender?.foundName, fromAddress: hop.field.sender?.address?.description,
      greeting: hop.field.sender?.greeting, by: hop.field.receiver, software: hop.field.software?.rawValue,
      with: hop.field.transmission, id: hop.field.queueID, recipient: hop.field.recipient,
      date: hop.field.date.map { Timestamp($0).seconds }, damaged: hop.field.fault?.description,
      elapsedSeconds: hop.elapsed?.components.seconds, verdict: hop.verdict.name,
      word: hop.word == .known ? "known" : "claimed", authenticated: false, field: showsFields ? hop.text : nil)
    if case .smtp(let smtp) = hop.field.way { record.authenticated = smtp.isAuthenticated }
    switch hop.verdict {
    case .encrypted(let tls):
      record.tls = tls.map {
        HopRecord.TLS(version: $0.version, cipherSuite: $0.cipherSuite, group: $0.group, weaknesses: $0.weaknesses)
      }
    case .notEncrypted(let reason), .notSaid(let reason), .inside(let reason): record.reason = reason
    }
    return record
  }
}
