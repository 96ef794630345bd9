import ArgumentParser
import Testing

@testable import martlet

@Suite("The options of `send`")
struct SendCommandTests {
  private static let least = ["--server", "localhost", "--from", "a@example.org", "--to", "b@example.org"]

  private func words(of error: any Error) -> String { Send.message(for: error) }

  @Test(
    "options that don't go together are wrong use, exit code 64, before anything is connected to",
    arguments: [
      // Law 3: no password where there is no TLS, whatever else is said.
      (["--body", "x", "--tls", "none", "--user", "u", "--password-file", "/dev/null"], "never goes over a channel"),
      (["--body", "x", "--tls", "none", "--user", "u"], "never goes over a channel"),
      (["--body", "x", "--user", "u"], "go together"),
      (["--body", "x", "--password-file", "/dev/null"], "go together"),
      (["--body", "x", "--tls", "none", "--ca", "ca.pem"], "no effect"),
      ([], "--body TEXT"),
      (["--data", "m.eml", "--body", "x"], "leave out"),
      (["--data", "m.eml", "--subject", "x"], "leave out"),
      // RTLS-002: there is no way to ask for it in clear.
      (["--body", "x", "--tls", "none", "--require-tls"], "there is no TLS"),
      (["--body", "x", "--require-tls", "--tls-not-required"], "one of them"),
      (["--data", "m.eml", "--tls-not-required"], "in its header"),
      (["--body", "x", "--tls", "sometimes"], "sometimes"),
      (["--body", "x", "--timeout", "0"], "between 1"),
      (["--body", "x", "--helo", "two words"], "--helo"),
      // SMUG-006: nothing an argument holds begins a header field of its own.
      (["--body", "x", "--subject", "x\r\nBcc: c@example.org"], "line break"),
    ])
  func wrongUse(options: [String], complaint: String) {
    do {
      _ = try Send.parse(SendCommandTests.least + options)
      Issue.record("\(options) was taken")
    } catch {
      #expect(Send.exitCode(for: error) == .validationFailure)
      #expect(Send.exitCode(for: error).rawValue == 64)
      #expect(words(of: error).contains(complaint), "\(words(of: error))")
    }
  }

  @Test(
    "addresses are read before anything is connected to",
    arguments: [
      ["--from", "a@example.org>\r\nRCPT TO:<c@example.org", "--to", "b@example.org"],
      ["--from", "a@example.org", "--to", "b"],
      ["--from", "a@example.org", "--to", "b@"],
      ["--from", "<>", "--to", "b@example.org"],
      ["--from", "a@example.org"],
    ])
  func badAddresses(options: [String]) {
    do {
      _ = try Send.parse(["--server", "localhost", "--body", "x"] + options)
      Issue.record("\(options) was taken")
    } catch {
      #expect(Send.exitCode(for: error).rawValue == 64)
    }
  }

  @Test("what is right is taken: several recipients, the null sender of a whole message, standard input")
  func rightUse() throws {
    let many = try Send.parse(SendCommandTests.least + ["--to", "c@example.org", "--body", "x", "--tls", "starttls"])
    #expect(many.to == ["b@example.org", "c@example.org"])
    let null = try Send.parse(["--server", "[::1]:25", "--from", "<>", "--to", "b@example.org", "--data", "-"])
    #expect(null.data == "-")
    _ = try Send.parse(SendCommandTests.least + ["--body", "x", "--tls", "none"])
  }
}
