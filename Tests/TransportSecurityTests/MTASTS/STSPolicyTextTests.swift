import MailSyntax
import Testing
import TransportSecurity

@Suite("The policy file of MTA-STS")
struct STSPolicyTextTests {
  static let plain = "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmax_age: 604800\n"

  private static func policy(
    _ mode: STSPolicy.Mode, _ patterns: [String], _ seconds: Int64 = 604_800
  ) -> STSPolicy {
    STSPolicy(mode: mode, maxAge: .seconds(seconds), patterns: patterns.map { STSPattern($0) })
  }

  static let both = ["mail.example.com", "*.example.net"]
  static let good: [(text: String, policy: STSPolicy)] = [
    (plain, policy(.enforce, both)),
    (String(plain.map { $0 == "\n" ? "\r\n" : $0 }), policy(.enforce, both)),
    (String(plain.dropLast()), policy(.enforce, both)),
    ("\n\r\n" + plain + " \t\n\n", policy(.enforce, both)),
    ("max_age:1\nmx:a.test\nmode:testing\nversion:STSv1", policy(.testing, ["a.test"], 1)),
    ("version: \t STSv1 \t\nmode:  testing  \nmx:\ta.test\t\nmax_age: 1 ", policy(.testing, ["a.test"], 1)),
    ("version: STSv1\nmode: none\nmax_age: 0", policy(.none, [], 0)),
    ("version: STSv1\nmode: none\nmx: a.test\nmax_age: 86400", policy(.none, ["a.test"], 86_400)),
    (
      "version: STSv1\nmode: enforce\nmode: none\nmx: A.Test\nmax_age: 5\nmax_age: 6\nversion: x",
      policy(.enforce, ["a.test"], 5)
    ),
    ("version: STSv1\nmode: enforce\nmode: what\nmx: a.test\nmax_age: 5\nmax_age: -1", policy(.enforce, ["a.test"], 5)),
    (
      "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 5\nMode: none\nfuture_x.y-z: größer: \u{1F426}\nempty:",
      policy(.enforce, ["a.test"], 5)
    ),
    ("version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 31557600", policy(.enforce, ["a.test"], 31_557_600)),
    ("version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 31557601", policy(.enforce, ["a.test"], 31_557_600)),
    ("version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 9999999999", policy(.enforce, ["a.test"], 31_557_600)),
    ("version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 0000000007", policy(.enforce, ["a.test"], 7)),
    (
      "version: STSv1\nmode: enforce\nmx: xn--bcher-kva.test\nmx: localhost\nmax_age: 5",
      policy(.enforce, ["xn--bcher-kva.test", "localhost"], 5)
    ),
  ]

  @Test("STS-004, STS-007, STS-008, STS-009: what policy files say", arguments: good)
  func reads(_ row: (text: String, policy: STSPolicy)) throws {
    #expect(try STSPolicy.parse(Array(row.text.utf8)) == row.policy)
    #expect(try STSPolicy.parse(Array(row.policy.text.utf8)) == row.policy, "as it is written by ourselves")
  }

  private static func file(
    version: String = "STSv1", mode: String = "enforce", mx: String = "a.test", age: String = "5"
  ) -> String {
    "version: \(version)\nmode: \(mode)\nmx: \(mx)\nmax_age: \(age)\n"
  }

  static let bad: [(text: String, line: Int?, reason: STSPolicyFault.Reason)] = [
    ("", nil, .missing("version")),
    ("mode: enforce\nmx: a.test\nmax_age: 5", nil, .missing("version")),
    ("version: STSv1\nmx: a.test\nmax_age: 5", nil, .missing("mode")),
    ("version: STSv1\nmode: enforce\nmx: a.test", nil, .missing("max_age")),
    ("version: STSv1\nmode: enforce\nmax_age: 5", nil, .missing("mx")),
    ("version: STSv1\nmode: testing\nmax_age: 5", nil, .missing("mx")),
    ("Version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 5", nil, .missing("version")),
    ("version: STSv1\nMODE: enforce\nmx: a.test\nmax_age: 5", nil, .missing("mode")),
    (file(version: "STSv2"), 1, .badVersion("STSv2")),
    (file(version: "stsv1"), 1, .badVersion("stsv1")),
    (file(version: "STSv1;"), 1, .badVersion("STSv1;")),
    (file(mode: "Enforce"), 2, .badMode("Enforce")),
    (file(mode: "report"), 2, .badMode("report")),
    (file(mode: ""), 2, .badMode("")),
    (file(age: "-1"), 4, .badAge("-1")),
    (file(age: "1.5"), 4, .badAge("1.5")),
    (file(age: "1d"), 4, .badAge("1d")),
    (file(age: ""), 4, .badAge("")),
    (file(age: "٣"), 4, .badAge("٣")),
    (file(age: "10000000000"), 4, .badAge("10000000000")),
    (file(mx: ""), 3, .badPattern("")),
    (file(mx: "a.test b.test"), 3, .badPattern("a.test b.test")),
    (file(mx: "a.test,b.test"), 3, .badPattern("a.test,b.test")),
    // Decision 0014: one bad line makes the whole no policy.
    ("version: STSv1\nmode: enforce\nmx: a.test\nmx: b.test c.test\nmax_age: 5", 4, .badPattern("b.test c.test")),
    (file(mx: "a.test."), 3, .badPattern("a.test.")),
    (file(mx: ".a.test"), 3, .badPattern(".a.test")),
    (file(mx: "*"), 3, .badPattern("*")),
    (file(mx: "*.test"), 3, .badPattern("*.test")),
    (file(mx: "*.*.a.test"), 3, .badPattern("*.*.a.test")),
    (file(mx: "m*.a.test"), 3, .badPattern("m*.a.test")),
    (file(mx: "a.*.test"), 3, .badPattern("a.*.test")),
    (file(mx: "[192.0.2.1]"), 3, .badPattern("[192.0.2.1]")),
    (file(mx: "bücher.test"), 3, .pattern(notASCII: "bücher.test")),
    (file() + "nothing\n", 5, .noColon("nothing")),
    (" version: STSv1\nmode: none\nmax_age: 5", 1, .badKey(" version")),
    ("version : STSv1\nmode: none\nmax_age: 5", 1, .badKey("version ")),
    (file() + ": x\n", 5, .badKey("")),
    (file() + "größe: x\n", 5, .badKey("größe")),
    (file() + "a23456789012345678901234567890123: x\n", 5, .badKey("a23456789012345678901234567890123")),
    ("version: STSv1\rmode: enforce\rmx: a.test\rmax_age: 5", 1, .control),
    (file() + "x: a\u{0}b\n", 5, .control),
    (file() + "x: " + String(repeating: "y", count: 1_000), 5, .longLine),
    ("<!DOCTYPE html>\n", 1, .noColon("<!DOCTYPE html>")),
    ("\u{FEFF}version: STSv1\nmode: none\nmax_age: 5", 1, .badKey("\u{FEFF}version")),
  ]

  @Test("STS-007, STS-008, STS-009, STS-010: what is no policy, on which line and why", arguments: bad)
  func refuses(_ row: (text: String, line: Int?, reason: STSPolicyFault.Reason)) {
    do throws(STSPolicyFault) {
      Issue.record("read as \(try STSPolicy.parse(Array(row.text.utf8)))")
    } catch {
      #expect(error.reason == row.reason && error.line == row.line)
      #expect(error.description.hasPrefix(row.line.map { "line \($0): " } ?? ""))
      #expect(error.description.utf8.count < 300, "a stranger's text is cut")
      #expect(error.description.unicodeScalars.allSatisfy { $0.value >= 0x20 })
    }
  }

  @Test("STS-016: the file, its lines and its patterns are bounded, exactly")
  func bounds() throws {
    let base = Array("version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 5\n".utf8)
    let filling = Array(("x: " + String(repeating: "y", count: 60) + "\n").utf8)
    var whole = base
    while whole.count + filling.count <= STSPolicy.maximumOctets { whole += filling }
    whole += Array(repeating: 0x0a, count: STSPolicy.maximumOctets - whole.count)
    #expect(try STSPolicy.parse(whole).mode == .enforce)
    #expect(throws: STSPolicyFault.self) { try STSPolicy.parse(whole + [0x0a]) }

    let line = Array("x: ".utf8) + Array(repeating: UInt8(ascii: "y"), count: STSPolicy.maximumLineOctets - 3)
    #expect(try STSPolicy.parse(base + line).mode == .enforce)
    #expect(throws: STSPolicyFault.self) { try STSPolicy.parse(base + line + [UInt8(ascii: "y")]) }

    let one = Array("mx: a.test\n".utf8)
    let many = Array(repeating: one, count: STSPolicy.maximumPatterns - 1).flatMap { $0 }
    #expect(try STSPolicy.parse(base + many).patterns.count == STSPolicy.maximumPatterns)
    #expect(throws: STSPolicyFault.self) { try STSPolicy.parse(base + many + one) }
  }

  @Test("STS-007: a file cut off anywhere, or with any octet in it, is read or refused, and nothing else happens")
  func truncated() {
    for text in STSPolicyTextTests.good.map(\.text) + STSPolicyTextTests.bad.map(\.text) {
      let octets = Array(text.utf8)
      for end in octets.indices { _ = try? STSPolicy.parse(Array(octets[..<end])) }
      for place in octets.indices where octets.count < 200 {
        for octet: UInt8 in [0, 9, 0x0a, 0x0d, 0x3a, 0x80, 0xff] {
          var changed = octets
          changed[place] = octet
          _ = try? STSPolicy.parse(changed)
        }
      }
    }
  }

  @Test("STS-010, STS-024: a pattern matches names in A-labels, and *. stands for exactly one label")
  func matching() throws {
    let policy = try STSPolicy.parse(Array(STSPolicyTextTests.plain.utf8))
    for name in ["mail.example.com", "MAIL.example.COM", "a.example.net"] {
      #expect(policy.pattern(matching: try DomainName(name)) != nil)
    }
    for name in ["example.com", "a.mail.example.com", "example.net", "a.b.example.net"] {
      #expect(policy.pattern(matching: try DomainName(name)) == nil, "\(name)")
    }
    #expect(!STSPattern("bücher.example.net").matches(try DomainName("bücher.example.net")))
  }
}
