import MailSyntax

extension DMARCRecord {
  /// Octets of a record.
  public static let maximumOctets = 4096
  public static let maximumTags = 64
  /// Addresses of one kind of report, good or bad; further ones are passed over.
  public static let maximumURIs = 10

  /// Whether a TXT record is of this kind: dmarc-version stands first, case counts, and a separator or nothing follows.
  /// Records of other kinds are dropped without a word (RFC 9989 §4.10, step 2).
  public static func isRecord(_ octets: [UInt8]) -> Bool {
    var rest = octets[...]
    func take(_ text: String) -> Bool {
      guard rest.starts(with: text.utf8) else { return false }
      rest = rest.dropFirst(text.utf8.count).drop { $0 == 0x20 || $0 == 0x09 }
      return true
    }
    guard take("v"), take("="), take("DMARC1") else { return false }
    return rest.isEmpty || rest.first == UInt8(ascii: ";")
  }

  /// - Parameter octets: the strings of one TXT record put together without spaces (RFC 9989 §4.5).
  /// - Throws: what voids the whole record; what voids a part of it stands in `faults`.
  public init(_ octets: [UInt8]) throws(DMARCRecordFault) {
    // RFC 9989 §4.7: without v=DMARC1 in front the entire record is ignored.
    guard DMARCRecord.isRecord(octets) else { throw .noVersion }
    var draft = Draft()
    try draft.read(octets)
    text = String(decoding: octets, as: UTF8.self)
    dkimAlignment = draft.choice("adkim") ?? .relaxed
    spfAlignment = draft.choice("aspf") ?? .relaxed
    publicSuffix = draft.choice("psd") ?? .unknown
    isTest = draft.choice("t", of: Draft.Answer.self) == .yes
    aggregateReports = draft.uris("rua")
    failureReports = draft.uris("ruf")
    failureOptions = draft.failureOptions(isAskedFor: !failureReports.isEmpty)
    policies = draft.policies(hasReports: !aggregateReports.isEmpty)
    faults = draft.faults
  }

  /// What has been read so far.
  private struct Draft {
    enum Answer: String {
      case yes = "y"
      case no = "n"
    }

    /// RFC 9989 §4.7, §9.3: only these are processed; pct, rf and ri are of RFC 7489 and say nothing any more.
    static let names = ["v", "p", "sp", "np", "adkim", "aspf", "psd", "t", "fo", "rua", "ruf"]

    var tags: [TagList.Tag] = []
    var faults: [DMARCRecordFault] = []

    /// RFC 9989 §4.8: a syntax error behind the version voids what it stands in, not the record; so each tag is read as
    /// a list of its own.
    mutating func read(_ octets: [UInt8]) throws(DMARCRecordFault) {
      guard octets.count <= DMARCRecord.maximumOctets else { throw .tooLong }
      let parts = octets.split(separator: UInt8(ascii: ";"))
      guard parts.count <= DMARCRecord.maximumTags else { throw .tooManyTags }
      for part in parts {
        let found: [TagList.Tag]
        do throws(TagList.Fault) {
          found = try TagList(part).tags
        } catch {
          faults.append(.notATag(String(decoding: part, as: UTF8.self)))
          continue
        }
        // White space alone is a list without tags.
        guard let tag = found.first, Draft.names.contains(tag.name) else { continue }
        // RFC 6376 §3.2, which RFC 9989 §4.7 takes its syntax from: a name that stands twice makes the list invalid.
        guard self[tag.name] == nil else { throw .duplicate(tag: tag.name) }
        tags.append(tag)
      }
    }

    subscript(name: String) -> String? { tags.first { $0.name == name }?.value }

    /// RFC 9989 §4.8: values are literals of RFC 5234, in any case; one that isn't listed gives way to the default.
    mutating func choice<Choice: RawRepresentable<String>>(_ name: String, of type: Choice.Type = Choice.self)
      -> Choice?
    {
      guard let text = self[name] else { return nil }
      guard let choice = Choice(rawValue: text.lowercasedASCII()) else {
        faults.append(.badValue(tag: name, text))
        return nil
      }
      return choice
    }

    mutating func uris(_ name: String) -> [DMARCReportURI] {
      guard let text = self[name] else { return [] }
      var uris: [DMARCReportURI] = []
      for (number, part) in text.split(separator: ",", omittingEmptySubsequences: false).enumerated() {
        guard number < DMARCRecord.maximumURIs else {
          faults.append(.tooManyURIs(tag: name))
          break
        }
        let part = part.trimmedBlanks
        if let uri = DMARCReportURI(part) { uris.append(uri) } else { faults.append(.badURI(tag: name, String(part))) }
      }
      return uris
    }

    /// RFC 9989 §4.7, fo: ignored without ruf; each option once, and 0 beside 1 is a contradiction.
    mutating func failureOptions(isAskedFor: Bool) -> [FailureOption] {
      guard isAskedFor, let text = self["fo"] else { return [.allFailed] }
      var options: [FailureOption] = []
      for part in text.split(separator: ":", omittingEmptySubsequences: false) {
        guard let option = FailureOption(rawValue: part.lowercasedASCII()), !options.contains(option) else {
          faults.append(.badValue(tag: "fo", text))
          return [.allFailed]
        }
        options.append(option)
      }
      guard !(options.contains(.allFailed) && options.contains(.anyFailed)) else {
        faults.append(.badValue(tag: "fo", text))
        return [.allFailed]
      }
      return options
    }

    /// RFC 9989 §4.10.1: without a valid p, or with an sp or np that isn't, the record stands for p=none if a report
    /// can tell its publisher, and for nothing if not.
    mutating func policies(hasReports: Bool) -> Policies? {
      let domain = choice("p", of: DMARCDisposition.self)
      let subdomains = choice("sp", of: DMARCDisposition.self)
      let nonexistent = choice("np", of: DMARCDisposition.self)
      if self["p"] == nil { faults.append(.missingPolicy) }
      let isWhole =
        (subdomains != nil || self["sp"] == nil) && (nonexistent != nil || self["np"] == nil)
      if let domain, isWhole {
        return Policies(domain: domain, subdomains: subdomains, nonexistentSubdomains: nonexistent)
      }
      return hasReports ? Policies(domain: .none, subdomains: nil, nonexistentSubdomains: nil) : nil
    }
  }
}

extension Substring {
  fileprivate var trimmedBlanks: Substring {
    let isBlank = { (character: Character) in character == " " || character == "\t" }
    let rest = drop(while: isBlank)
    return rest.lastIndex { !isBlank($0) }.map { rest[...$0] } ?? ""
  }
}
