import DNSRecords
import MailSyntax

/// The DNS of the demonstration's internet: `example` is signed, and domains below it that are not stand in unsigned
/// zones of their own, as most of the world's do.
struct DemoZones: Sendable {
  enum Record: Sendable {
    case exchanger(DomainName)
    case address(IPAddress)
    case text(String)
    case tlsa(TLSARecord)
  }

  static let root = "example"
  static let timeToLive = 300

  /// In the order in which they were added.
  private(set) var records: [(name: DomainName, record: Record)] = []
  /// Unsigned zones, without `.example`.
  let unsigned: [String]
  /// Names whose TLSA records have a signature that doesn't hold.
  private(set) var tampered: [DomainName] = []

  init(unsigned: [String]) { self.unsigned = unsigned }

  mutating func add(_ record: Record, at name: DomainName) { records.append((name: name, record: record)) }

  mutating func breakSignature(ofTLSAAt name: DomainName) { tampered.append(name) }

  /// The unsigned zone that a name is in; nil for the signed one.
  private func zone(of name: DomainName) -> String? {
    unsigned.first {
      name.description == "\($0).\(DemoZones.root)" || name.description.hasSuffix(".\($0).\(DemoZones.root)")
    }
  }

  // MARK: In this process

  /// The same answers without a name server, with the state that validation would come to.
  var resolver: ZoneResolver {
    var zone = ZoneResolver()
    var addresses: [DomainName: [IPAddress]] = [:]
    var tlsa: [DomainName: [TLSARecord]] = [:]
    for (name, record) in records {
      let security: DNSSECState = self.zone(of: name) == nil ? .secure : .insecure
      switch record {
      case .exchanger(let host): zone.add(name, exchangers: [host], security: security)
      case .address(let address):
        addresses[name, default: []].append(address)
        zone.add(name, at: addresses[name] ?? [], security: security)
        zone.set(.none(security) as DNSAnswer<DomainName>, for: name)
      case .text(let text):
        zone.set(
          .records(
            DNSRecordSet(
              records: [Array(text.utf8)], canonicalName: name, security: security,
              timeToLive: ZoneResolver.timeToLive)), for: name)
      case .tlsa(let record):
        tlsa[name, default: []].append(record)
        zone.set(
          .records(
            DNSRecordSet(
              records: tlsa[name] ?? [], canonicalName: name, security: security,
              timeToLive: ZoneResolver.timeToLive)), for: name)
      }
    }
    for name in tampered {
      zone.set(.bogus(reason: "signature crypto failed") as DNSAnswer<TLSARecord>, for: name)
    }
    return zone
  }

  // MARK: As zone files

  /// The file of the signed zone before it is signed, or of an unsigned one.
  func file(of zone: String?) -> String {
    let origin = zone.map { "\($0).\(DemoZones.root)." } ?? "\(DemoZones.root)."
    var lines = [
      "$ORIGIN \(origin)", "$TTL \(DemoZones.timeToLive)",
      "@ IN SOA ns.\(DemoZones.root). hostmaster.\(DemoZones.root). 1 3600 600 86400 300",
      "@ IN NS ns.\(DemoZones.root).",
    ]
    if zone == nil {
      lines.append("ns IN A \(Loopback.v4)")
      // No DS beside it: the signed parent proves that the child is unsigned (RFC 4035 §5.2).
      for child in unsigned { lines.append("\(child) IN NS ns.\(DemoZones.root).") }
    }
    for (name, record) in records where self.zone(of: name) == zone { lines.append("\(name). IN \(record.text)") }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Changes the signature over the TLSA records of every tampered name, one digit of each.
  func tampering(with signed: String) -> String {
    signed.split(separator: "\n", omittingEmptySubsequences: false).map { line -> String in
      var fields = line.split(whereSeparator: { $0 == "\t" || $0 == " " }).map(String.init)
      guard fields.count > 5, fields[3] == "RRSIG", fields[4] == "TLSA",
        tampered.contains(where: { fields[0].lowercased() == "\($0)." }),
        let last = fields.indices.last, let first = fields[last].first
      else { return String(line) }
      fields[last] = (first == "A" ? "B" : "A") + fields[last].dropFirst()
      return fields.joined(separator: " ")
    }.joined(separator: "\n")
  }
}

extension DemoZones.Record {
  fileprivate var text: String {
    switch self {
    case .exchanger(let host): "MX 10 \(host)."
    case .address(let address): "A \(address)"
    case .text(let text): "TXT \"\(text)\""
    case .tlsa(let record): "TLSA \(record)"
    }
  }
}
