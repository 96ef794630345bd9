import MailSyntax
import Relay
import SASLMechanisms
import Testing

@testable import martlet

@Suite("A command that gives access tokens")
struct TokenCommandTests {
  private func token(_ script: String, patience: Duration = .seconds(3_600)) async throws -> Secret {
    try await TokenCommand(words: ["/bin/sh", "-c", script], patience: patience).token()
  }

  @Test("its first line is the token")
  func firstLine() async throws {
    #expect(try await token("echo ya29.token; echo more").isEqual(inConstantTimeTo: Secret("ya29.token")))
  }

  @Test("one that fails, says nothing, or can't be run gives none, and says why")
  func failures() async {
    await #expect(throws: AccessTokenFault("/bin/sh ended with exited(3) and no token")) {
      try await token("echo token; exit 3")
    }
    await #expect(throws: AccessTokenFault("/bin/sh ended with exited(0) and no token")) { try await token("true") }
    await #expect(throws: AccessTokenFault.self) {
      try await TokenCommand(words: ["/nowhere/mail-token"], patience: .seconds(3_600)).token()
    }
  }

  @Test("one that says too much is ended, and its token isn't taken")
  func tooMuch() async {
    await #expect(throws: AccessTokenFault("/bin/sh said more than 16384 octets")) {
      try await token("while echo more; do :; done")
    }
  }

  @Test("one that takes too long is ended")
  func tooLong() async {
    await #expect(throws: AccessTokenFault("/bin/sh gave no token within 0.1 s")) {
      try await token("exec sleep 600", patience: .milliseconds(100))
    }
  }
}
