import MailSyntax

extension SPFRecord {
  /// Longer ones aren't read: 50 times what fits into one answer by UDP (RFC 7208 §3.4 asks for less than 450).
  public static let maximumOctets = 24 << 10
  /// Terms that look nothing up have no bound in the RFC.
  public static let maximumTerms = 1_000

  /// Whether a TXT record says that it is SPF's: its version, and behind it a space or nothing (RFC 7208 §4.5).
  public static func isOne(_ octets: some Collection<UInt8>) -> Bool {
    let version = Array("v=spf1".utf8)
    guard octets.count >= version.count, zip(octets, version).allSatisfy({ $0.lowercasedASCII == $1 }) else {
      return false
    }
    return octets.count == version.count || octets.dropFirst(version.count).first == 0x20
  }

  /// Reads what `isOne` calls a record.
  public init(_ octets: some Collection<UInt8>) throws(SPFRecordFault) {
    guard octets.count <= SPFRecord.maximumOctets else {
      throw SPFRecordFault("it is longer than \(SPFRecord.maximumOctets) octets")
    }
    guard SPFRecord.isOne(octets) else { throw SPFRecordFault("it doesn't begin with v=spf1") }
    let terms = octets.dropFirst(6).split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
    guard terms.count <= SPFRecord.maximumTerms else {
      throw SPFRecordFault("it has more than \(SPFRecord.maximumTerms) terms")
    }
    var directives: [Directive] = []
    var (redirect, explanation): (SPFMacroString?, SPFMacroString?)
    for term in terms {
      guard let modifier = SPFRecord.modifier(term) else {
        directives.append(try SPFRecord.directive(term))
        continue
      }
      // RFC 7208 §6: each of the two at most once; what is unknown is read by the grammar and passed over.
      switch modifier.name.lowercasedASCII() {
      case "redirect":
        guard redirect == nil else { throw SPFRecordFault("redirect= stands twice") }
        redirect = try SPFMacroString(domainSpec: modifier.value, of: term)
      case "exp":
        guard explanation == nil else { throw SPFRecordFault("exp= stands twice") }
        explanation = try SPFMacroString(domainSpec: modifier.value, of: term)
      case _: _ = try SPFMacroString(modifier.value, .terms, of: term)
      }
    }
    self.directives = directives
    self.redirect = redirect
    self.explanation = explanation
  }

  /// `name=value`, where the name is one (RFC 7208 §12: `name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )`).
  private static func modifier(_ term: String) -> (name: String, value: String)? {
    let parts = term.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let first = parts[0].utf8.first, first.isASCIILetter else { return nil }
    let punctuation = Array("-_.".utf8)
    guard parts[0].utf8.allSatisfy({ $0.isASCIIAlphanumeric || punctuation.contains($0) }) else { return nil }
    return (String(parts[0]), String(parts[1]))
  }

  private static func directive(_ term: String) throws(SPFRecordFault) -> Directive {
    let qualifier = Qualifier(rawValue: String(term.prefix(1)))
    let mechanism = qualifier == nil ? term[...] : term.dropFirst()
    let name = mechanism.prefix { $0 != ":" && $0 != "/" }
    let rest = mechanism.dropFirst(name.count)
    return Directive(
      qualifier: qualifier ?? .pass, mechanism: try self.mechanism(name.lowercasedASCII(), rest, term), text: term)
  }

  /// - Parameter rest: behind the name: nothing, or from the colon or the slash on.
  private static func mechanism(
    _ name: String, _ rest: Substring, _ term: String
  ) throws(SPFRecordFault) -> Mechanism {
    switch name {
    case "all":
      guard rest.isEmpty else { throw fault(term, "all stands alone") }
      return .all
    case "include": return .include(try SPFMacroString(domainSpec: argument(rest, term), of: term))
    case "exists": return .exists(try SPFMacroString(domainSpec: argument(rest, term), of: term))
    case "ptr": return .pointer(rest.isEmpty ? nil : try SPFMacroString(domainSpec: argument(rest, term), of: term))
    case "a":
      let (host, lengths) = try hostAndLengths(rest, term)
      return .addresses(of: host, lengths)
    case "mx":
      let (host, lengths) = try hostAndLengths(rest, term)
      return .exchangers(of: host, lengths)
    case "ip4", "ip6":
      let text = try argument(rest, term)
      guard let network = IPNetwork(text), hasGoodLength(text), (network.address.bitCount == 32) == (name == "ip4")
      else { throw fault(term, "this is no IPv\(name.last ?? "4") network") }
      return .network(network)
    case _: throw fault(term, "there is no such mechanism")
    }
  }

  private static func argument(_ rest: Substring, _ term: String) throws(SPFRecordFault) -> String {
    guard rest.first == ":", rest.count > 1 else { throw fault(term, "a value is wanted behind the colon") }
    return String(rest.dropFirst())
  }

  /// `[":" domain-spec] ["/" length] ["//" length]`. A slash belongs to the name where no number is behind it.
  private static func hostAndLengths(
    _ rest: Substring, _ term: String
  ) throws(SPFRecordFault) -> (SPFMacroString?, PrefixLengths) {
    var (text, v4, v6) = (rest, 32, 128)
    if let (head, length) = splitLength(text, "//") {
      guard length <= 128 else { throw fault(term, "an IPv6 address has 128 bits") }
      (text, v6) = (head, length)
    }
    if let (head, length) = splitLength(text, "/") {
      guard length <= 32 else { throw fault(term, "an IPv4 address has 32 bits") }
      (text, v4) = (head, length)
    }
    let lengths = PrefixLengths(v4: v4, v6: v6)
    guard !text.isEmpty else { return (nil, lengths) }
    return (try SPFMacroString(domainSpec: argument(text, term), of: term), lengths)
  }

  private static func splitLength(_ text: Substring, _ mark: String) -> (Substring, Int)? {
    let digits = text.reversed().prefix { $0.isASCII && $0.isNumber }.count
    let head = text.dropLast(digits)
    guard (1...3).contains(digits), head.hasSuffix(mark), isLength(text.suffix(digits)) else { return nil }
    return Int(text.suffix(digits)).map { (head.dropLast(mark.count), $0) }
  }

  /// `"0" / %x31-39 0*2DIGIT`: no zero in front.
  private static func isLength(_ digits: Substring) -> Bool { digits == "0" || digits.first != "0" }

  private static func hasGoodLength(_ text: String) -> Bool {
    guard let slash = text.lastIndex(of: "/") else { return true }
    let digits = text[text.index(after: slash)...]
    return !digits.isEmpty && isLength(digits)
  }

  static func fault(_ term: String, _ words: String) -> SPFRecordFault {
    SPFRecordFault("\(FieldText.shown(term.cut(toOctets: 60))): \(words)")
  }
}
