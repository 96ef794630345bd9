import MailSyntax
import NIOCore
import NIOHTTP1
import TransportSecurity

/// Takes a policy host's answer part by part, and says at once when it can't be a policy. Source: RFC 8461 §3.2, §3.3.
struct PolicyAnswer {
  /// Octets of a stranger's text that are shown.
  static let shownOctets = 80

  private var body: [UInt8] = []
  private var hasHead = false
  private var expected: Int?

  /// The head: 200 and nothing else, no redirect followed, `text/plain` of any charset, in no transfer encoding of the
  /// content.
  mutating func take(_ head: HTTPResponseHead) throws(STSTrouble) {
    guard !hasHead else { throw PolicyAnswer.trouble("the policy host answers twice") }
    hasHead = true
    let status = head.status.code
    guard status == 200 else {
      // RFC 8461 §3.3: HTTP 3xx redirects MUST NOT be followed.
      let location = head.headers.first(name: "location").map { " to \(PolicyAnswer.shown($0))" } ?? ""
      throw PolicyAnswer.trouble(
        (300..<400).contains(status)
          ? "the policy host answers with a redirect (\(status)\(location)), which RFC 8461 forbids to follow; serve the "
            + "file under this very address"
          : "the policy host answers \(status) and not 200")
    }
    let types = head.headers["content-type"]
    guard types.count == 1, let type = types.first else {
      throw PolicyAnswer.trouble(
        "the answer has \(types.isEmpty ? "no" : "more than one") Content-Type; serve text/plain")
    }
    let medium = type.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }
    guard medium.lowercasedASCII() == "text/plain" else {
      throw PolicyAnswer.trouble("the answer's Content-Type is \(PolicyAnswer.shown(type)); serve text/plain")
    }
    guard head.headers["content-encoding"].allSatisfy({ $0.lowercasedASCII() == "identity" }) else {
      throw PolicyAnswer.trouble("the answer is compressed, which nobody asked for")
    }
    if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }) {
      guard length <= STSPolicy.maximumOctets else { throw PolicyAnswer.tooLarge }
      expected = length
    }
  }

  mutating func take(_ part: ByteBuffer) throws(STSTrouble) {
    guard body.count + part.readableBytes <= STSPolicy.maximumOctets else { throw PolicyAnswer.tooLarge }
    body += part.readableBytesView
  }

  /// The end has come in good order.
  func policy() throws(STSTrouble) -> STSPolicy {
    guard hasHead, expected.map({ $0 == body.count }) ?? true else {
      throw PolicyAnswer.trouble("the answer ends before it is whole")
    }
    do throws(STSPolicyFault) {
      return try STSPolicy.parse(body)
    } catch {
      throw STSTrouble(.stsPolicyInvalid, "the policy file is invalid: \(error)")
    }
  }

  static func trouble(_ words: String) -> STSTrouble { STSTrouble(.stsPolicyFetchError, words) }

  static let tooLarge = trouble("the answer has more than \(STSPolicy.maximumOctets) octets")

  private static func shown(_ text: String) -> String {
    let printable = String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : $0 })
    return String(printable).cut(toOctets: shownOctets)
  }
}
