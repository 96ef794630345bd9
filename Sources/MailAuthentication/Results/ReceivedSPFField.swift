public import MailMessage
public import MailSyntax

/// A Received-SPF field of our own making. It stands above the Received field of the same hop.
///
/// Nothing that a peer says can end the field, its comment or one of its values. Bounds: each value 400 octets.
/// Source: RFC 7208 §9.1.
public struct ReceivedSPFField: Hashable, Sendable {
  public static let name = "Received-SPF"

  /// What was checked: the domain of MAIL FROM or that of HELO.
  public enum Identity: String, Hashable, Sendable, CaseIterable { case mailfrom, helo }

  public let result: SPFResult
  /// For people: `mail.example.org: domain of a@example.org designates 192.0.2.1 as permitted sender`.
  public var comment: String?
  public var clientAddress: IPAddress?
  /// The reverse path without its brackets, as the client gave it.
  public var envelopeFrom: String?
  /// The name the client gave in EHLO or HELO.
  public var greeting: String?
  /// What went wrong, where something did.
  public var problem: String?
  /// The name of the server that checked.
  public var receiver: DomainName?
  public var identity: Identity?
  /// What matched: `ip4:192.0.2.0/24`.
  public var mechanism: String?

  public init(_ result: SPFResult) { self.result = result }

  /// Unfolded.
  public func value(allowsUTF8: Bool = false) -> String {
    func fit(_ text: String) -> String { FieldText.sanitised(text, allowsUTF8: allowsUTF8) }
    var value = result.rawValue
    if let comment { value += " \(FieldText.comment(fit(comment)))" }
    let pairs = self.pairs.map { name, text in
      // RFC 7208 §9.1: a value is a dot-atom or a quoted string; an address of IPv6 is none of the first.
      let text = fit(text)
      return "\(name)=\(FieldText.isPlain(text) ? text : FieldText.quoted(text))"
    }
    if !pairs.isEmpty { value += " \(pairs.joined(separator: "; "));" }
    return value
  }

  /// - Throws: never, with values made here; it is `HeaderField`'s own check, which stays the last one.
  public func field(allowsUTF8: Bool = false) throws(MessageTextError) -> HeaderField {
    try HeaderField(ReceivedSPFField.name, value(allowsUTF8: allowsUTF8))
  }

  /// In the order of RFC 7208 §9.1's list.
  private var pairs: [(name: String, text: String)] {
    let all: [(String, String?)] = [
      ("client-ip", clientAddress?.description), ("envelope-from", envelopeFrom), ("helo", greeting),
      ("problem", problem), ("receiver", receiver?.description), ("identity", identity?.rawValue),
      ("mechanism", mechanism),
    ]
    return all.compactMap { name, text in text.map { (name, $0) } }
  }
}
