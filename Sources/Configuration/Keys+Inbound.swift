import MailAuthentication
import MailSyntax
import Relay

extension Keys {
  static let listZone = Key(
    "inbound.dns_lists[].zone", .listZone,
    "A list of addresses in the DNS (RFC 5782) that is asked about clients of `relay`. It is gone by only once its test "
      + "entries have shown that it works, and a look-up that fails or is late lists nobody.")
  static let listName = Key(
    "inbound.dns_lists[].name", .listName, default: "the zone",
    "What refusals and the log call the list: for a zone that holds a customer's key.")
  static let listAnswers = Key(
    "inbound.dns_lists[].answers", .answerRange, isList: true, default: "all of 127.0.0.0/8",
    "The answers that count. 127.0.0.1 and 127.255.255.0/24, by which lists speak of themselves, never do.")
  static let listAction = Key<DNSList.Action>(
    "inbound.dns_lists[].action", .choice, default: "refuse",
    "`refuse` answers 550 to recipients, but not to `postmaster` and `abuse`; `record` leaves it at a line in the log.")
  static let uncheckedNetworks = Key(
    "inbound.unchecked_networks", .network, isList: true, default: "none",
    "Networks whose clients no list is asked about and whose mail isn't authenticated, besides loopback, private and "
      + "link addresses and those in `proxy_from`: of servers that relay to this one. Behind a proxy the client counts "
      + "that its header names.")
  static let authentication = Key<LocalPolicy.Mode>(
    "inbound.authentication", .choice, default: "monitor",
    "What follows for mail on `relay` from SPF, DKIM and DMARC. `monitor` writes down what they say, in the message's "
      + "Authentication-Results and in the log, and changes nothing. `enforce` also refuses in the session what the "
      + "author's domain asks to have refused, and mail that SPF fails where that domain has no DMARC policy and nobody "
      + "signed; and puts off what can't be looked up for now. See Authentication.md.")
  static let domainAuthentication = Key<LocalPolicy.Mode>(
    "domains.NAME.authentication", .choice, default: "`inbound.authentication`",
    "The same for mail to this domain. Mail to its `postmaster` and `abuse` is always only watched.")
}

extension ValueForm<DomainName> {
  static var listZone: ValueForm {
    ValueForm("the zone of a list, as zen.example.org") { (text) throws(Refusal) in
      let zone = try hostName.read(text)
      guard text.utf8.count <= DNSList.maximumZoneOctets else {
        throw Refusal(
          "with \(text.utf8.count) octets there is no room for an address in front; \(DNSList.maximumZoneOctets) is the most"
        )
      }
      return zone
    }
  }
}

extension ValueForm<String> {
  static var listName: ValueForm {
    ValueForm("a name in ASCII of \(DNSList.maximumNameOctets) characters at most") { (text) throws(Refusal) in
      let text = try word.read(text)
      guard text.utf8.count <= DNSList.maximumNameOctets, text.utf8.allSatisfy({ $0 < 0x7f }) else {
        throw Refusal("'\(text)' is too long or has letters outside ASCII")
      }
      return text
    }
  }
}

extension ValueForm<DNSList.AnswerRange> {
  static var answerRange: ValueForm {
    ValueForm("an answer or a range of them, as 127.0.0.2 or 127.0.0.2-127.0.0.11") { (text) throws(Refusal) in
      let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { IPAddress($0) }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1] else {
        throw Refusal("'\(text)' is no answer of a list")
      }
      guard let range = DNSList.AnswerRange(first, last) else {
        throw Refusal("'\(text)' is not a range within 127.0.0.0/8 (RFC 5782 §2.1)")
      }
      return range
    }
  }
}
