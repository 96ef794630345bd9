import MailSyntax
import NIOCore
import Testing
import TransportSecurity

/// What policy hosts say.
enum PolicyAnswers {
  static let file = "version: STSv1\r\nmode: enforce\r\nmx: mx.far.example\r\nmax_age: 604800\r\n"
  static let policy = STSPolicy(mode: .enforce, maxAge: .seconds(604_800), patterns: [STSPattern("mx.far.example")])

  static func answer(
    _ status: String = "HTTP/1.1 200 OK", _ fields: [String] = ["Content-Type: text/plain"], body: String = file,
    length: Int? = nil
  ) -> [UInt8] {
    let lines = [status] + fields + ["Content-Length: \(length ?? body.utf8.count)"]
    return Array((lines.map { $0 + "\r\n" }.joined() + "\r\n" + body).utf8)
  }

  static func open(_ status: String, _ fields: [String], _ body: String) -> [UInt8] {
    Array((([status] + fields).map { $0 + "\r\n" }.joined() + "\r\n" + body).utf8)
  }

  static func filled(to count: Int) -> String {
    file + String(repeating: "\n", count: count - file.utf8.count)
  }

  static func chunked(_ body: String, by size: Int) -> [UInt8] {
    var octets = open("HTTP/1.1 200 OK", ["Content-Type: text/plain", "Transfer-Encoding: chunked"], "")
    var rest = Array(body.utf8)[...]
    while !rest.isEmpty {
      let chunk = rest.prefix(size)
      octets += Array("\(String(chunk.count, radix: 16))\r\n".utf8) + chunk + [13, 10]
      rest = rest.dropFirst(size)
    }
    return octets + Array("0\r\n\r\n".utf8)
  }

  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let moves: [PolicyHost.Move]
    init(_ name: String, _ moves: PolicyHost.Move...) {
      testDescription = name
      self.moves = moves
    }
  }

  static let good: [Row] = [
    Row("plain", .say(answer())),
    Row("with a charset", .say(answer("HTTP/1.1 200 OK", ["content-type: Text/Plain ; charset=iso-8859-1"]))),
    Row("with another word for 200", .say(answer("HTTP/1.1 200 Here you are"))),
    Row("in chunks", .say(chunked(file, by: 7))),
    Row("octet by octet", .drip(answer(), every: .microseconds(100))),
    Row("HTTP/1.0, to the end", .say(open("HTTP/1.0 200 OK", ["Content-Type: text/plain"], file)), .close),
    Row("HTTP/1.1, to the end", .say(open("HTTP/1.1 200 OK", ["Content-Type: text/plain"], file)), .close),
    Row("behind an interim answer", .say(Array("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".utf8) + answer())),
    Row("as long as may be", .say(answer(body: filled(to: STSPolicy.maximumOctets)))),
    Row("as long as may be, in chunks", .say(chunked(filled(to: STSPolicy.maximumOctets), by: 4_096))),
    Row("cacheable", .say(answer("HTTP/1.1 200 OK", ["Content-Type: text/plain", "ETag: \"x\"", "Age: 9"]))),
    Row("with octets behind it", .say(answer() + Array("HTTP/1.1 404 No\r\n\r\n".utf8))),
  ]

  static let bad: [(row: Row, words: String)] = [
    (
      Row("301", .say(answer("HTTP/1.1 301 Moved", ["Content-Type: text/plain", "Location: https://x/"]))),
      "redirect (301 to https://x/)"
    ),
    (Row("302", .say(answer("HTTP/1.1 302 Found"))), "redirect (302)"),
    (Row("303", .say(answer("HTTP/1.1 303 See"))), "redirect (303)"),
    (Row("307", .say(answer("HTTP/1.1 307 There"))), "redirect (307)"),
    (Row("308", .say(answer("HTTP/1.1 308 There"))), "redirect (308)"),
    (Row("204", .say(open("HTTP/1.1 204 Nothing", [], ""))), "204"),
    (Row("203", .say(answer("HTTP/1.1 203 Changed"))), "203"),
    (Row("206", .say(answer("HTTP/1.1 206 Part"))), "206"),
    (Row("304", .say(open("HTTP/1.1 304 Same", [], ""))), "304"),
    (Row("404", .say(answer("HTTP/1.1 404 No"))), "404"),
    (Row("503", .say(answer("HTTP/1.1 503 No"))), "503"),
    (Row("text/html", .say(answer("HTTP/1.1 200 OK", ["Content-Type: text/html"]))), "text/html"),
    (Row("text/plainer", .say(answer("HTTP/1.1 200 OK", ["Content-Type: text/plainer"]))), "text/plainer"),
    (Row("no type", .say(answer("HTTP/1.1 200 OK", []))), "no Content-Type"),
    (
      Row("two types", .say(answer("HTTP/1.1 200 OK", ["Content-Type: text/plain", "content-type: text/html"]))),
      "more than one"
    ),
    (
      Row("compressed", .say(answer("HTTP/1.1 200 OK", ["Content-Type: text/plain", "Content-Encoding: gzip"]))),
      "compressed"
    ),
    (Row("one octet too long", .say(answer(body: filled(to: STSPolicy.maximumOctets + 1)))), "more than 65536"),
    (
      Row("one octet too long, in chunks", .say(chunked(filled(to: STSPolicy.maximumOctets + 1), by: 4_096))),
      "more than 65536"
    ),
    (
      Row(
        "too long, to the end", .say(open("HTTP/1.0 200 OK", ["Content-Type: text/plain"], "")),
        .forever(Array(repeating: 10, count: 4_096))), "more than 65536"
    ),
    (
      Row(
        "chunks of one octet",
        .say(open("HTTP/1.1 200 OK", ["Content-Type: text/plain", "Transfer-Encoding: chunked"], "")),
        .forever(Array("1\r\n\n\r\n".utf8))), "more than 65536"
    ),
    (Row("a length of its own", .say(answer(length: 99_999_999_999))), "more than 65536"),
    (Row("longer than it says", .say(answer(length: 1)), .close), "invalid"),
    (Row("shorter than it says", .say(answer(length: file.utf8.count + 1)), .close), ""),
    (Row("a chunk that ends early", .say(Array(chunked(file, by: 7).dropLast(12))), .close), ""),
    (Row("cut off, to the end", .say(open("HTTP/1.0 200 OK", ["Content-Type: text/plain"], file)), .cut), "cut off"),
    (
      Row("two lengths", .say(answer("HTTP/1.1 200 OK", ["Content-Type: text/plain", "Content-Length: 5"]))), "no HTTP"
    ),
    (Row("closed at once", .close), "closed the connection"),
    (Row("cut at once", .cut), ""),
    (Row("SMTP", .say(Array("220 mx.far.example ESMTP\r\n".utf8)), .close), "no HTTP"),
    (
      Row(
        "a head without end", .say(Array("HTTP/1.1 200 OK\r\n".utf8)),
        .forever(Array("X-Field: yyyyyyyyyyyyyyyyyyyyyyyy\r\n".utf8))), ""
    ),
    (
      Row(
        "a field without end", .say(Array("HTTP/1.1 200 OK\r\nX: ".utf8)),
        .forever(Array(repeating: 0x79, count: 4_096))), ""
    ),
    (Row("interim answers without end", .forever(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))), "more than 65536"),
  ]
}
