import MailSyntax
import Relay
import SMTPSessions
import Testing

@testable import Configuration

@Suite("Examples/martlet.yaml")
struct ExampleTests {
  private func example() throws -> String { try Repository.text("Examples/martlet.yaml") }

  @Test("it is read without error or warning")
  func loads() throws {
    let file = try parse(try example())
    #expect(file.warnings == [])
    #expect(file.configuration.hostName.description == "mail.example.com")
    #expect(
      file.configuration.domains.map(\.name.description) == ["example.com", "example.org", "bounces.example.com"])
    #expect(file.configuration.listeners.map(\.role) == ListenerRole.allCases)
    let postmaster = try file.configuration.routing().route(Mailbox("postmaster@example.org"), reach: .ownDomains)
    #expect(postmaster.refusal == nil)
  }

  @Test("what it gives as a default is the default")
  func defaults() throws {
    let configuration = try parse(try example()).configuration
    #expect(configuration.limits == Configuration.Limits())
    #expect(configuration.queue == Configuration.Queue())
    #expect(configuration.log == Configuration.Log())
    #expect(configuration.drainTime == .seconds(30))
    #expect(configuration.usersFile == "\(configuration.dataFolder)/users.json")
  }

  @Test("every key stands in it, set or in a comment that begins with it")
  func complete() throws {
    let text = try example()
    let file = try parse(text)
    for key in ConfigurationKey.all {
      let pattern = key.path.split(separator: ".").map { part in
        part == "NAME" || part == "ROLE" ? "[a-z.]+" : part.hasSuffix("[]") ? "\(part.dropLast(2))\\[0\\]" : "\(part)"
      }
      let isSet = try file.places.keys.contains {
        try Regex(pattern.joined(separator: "\\.")).wholeMatch(in: $0) != nil
      }
      let isCommented = text.split(separator: "\n").contains {
        // Within a section that is a comment as a whole, the keys stand further in.
        let line = $0.drop { $0 == " " }
        return line.first == "#" && line.dropFirst().drop { $0 == " " || $0 == "-" }.hasPrefix("\(key.name):")
      }
      #expect(isSet || isCommented, "\(key.path)")
    }
  }

  @Test("what it has in comments can be put in the place of what stands there")
  func alternatives() throws {
    let text = try example()
    func changed(_ changes: [(String, String)]) throws -> Configuration {
      var changedText = text
      for (old, new) in changes {
        #expect(changedText.contains(old), "\(old)")
        changedText = changedText.replacing(old, with: new)
      }
      return try parse(changedText).configuration
    }
    let token = try changed([("    password_file:", "    # password_file:"), ("# token_command:", "token_command:")])
    guard case .smarthost(let smarthost) = token.outbound.route,
      case .tokenCommand(let user, let command) = smarthost.authentication
    else {
      Issue.record("no token command")
      return
    }
    #expect(user == "martlet@example.com")
    #expect(command == ["/usr/local/bin/mail-token", "--account", "martlet@example.com"])
    #expect(try changed([("# catch_all:", "catch_all:")]).domains[0].catchAll?.description == "bert@example.com")
    let relay = try changed([("    addresses:", "    # addresses:"), ("# inherited:", "inherited:")]).listeners[2]
    #expect(relay.addresses == [] && relay.inherited == ["martlet-relay"])
    #expect(try changed([("# proxy_from:", "proxy_from:")]).listeners[2].trustedProxies.count == 2)
    #expect(try changed([("# trust_roots:", "trust_roots:")]).trustRoots == ["/etc/ssl/certs/ca-certificates.crt"])
    let egress = try changed([
      ("# sources:", "sources:"), ("#   - address: 192", "  - address: 192"), ("#     ehlo:", "    ehlo:"),
      ("#   - address: 2001", "  - address: 2001"),
    ]).outbound.egress
    #expect(egress.v4?.address.description == "192.0.2.1" && egress.v4?.ehlo?.description == "out.example.com")
    #expect(egress.v6?.address.description == "2001:db8::1" && egress.v6?.ehlo == nil)
    #expect(
      try changed([("    # - chain:", "    - chain:"), ("    #   key:", "      key:")]).certificates.count == 2)
  }

  /// At every third character, and on both sides of every line's end.
  @Test("cut off anywhere, it is read or refused, never worse, and every finding has a place in the text")
  func truncated() throws {
    let text = try example()
    let scalars = Array(text.unicodeScalars)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count
    let cuts = (0...scalars.count).filter {
      $0.isMultiple(of: 3) || scalars[max(0, $0 - 2)..<min($0 + 1, scalars.count)].contains("\n")
    }
    for length in cuts {
      var view = String.UnicodeScalarView()
      view.append(contentsOf: scalars.prefix(length))
      for finding in findings(String(view)) {
        let position = try #require(finding.position)
        #expect((1...lines).contains(position.line))
      }
    }
  }

  @Test("with any line taken out, doubled or indented, it is read or refused, never worse")
  func mangled() throws {
    let lines = try example().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    for index in lines.indices {
      var without = lines
      without.remove(at: index)
      var doubled = lines
      doubled.insert(lines[index], at: index)
      var indented = lines
      indented[index] = "  " + lines[index]
      for variant in [without, doubled, indented] {
        for finding in findings(variant.joined(separator: "\n")) {
          #expect(finding.position != nil)
        }
      }
    }
  }
}
