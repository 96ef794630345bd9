import MailSyntax
import Relay
import SASLMechanisms
import Subprocess
import SystemWorld

/// Gets an access token from a command's output: how secrets come from wherever the operator keeps them.
struct TokenCommand: AccessTokenSource {
  static let maximumOctets = 16_384
  static let maximumTime = Duration.seconds(30)
  /// The program, by its absolute path, and its arguments.
  let words: [String]
  /// After which the command is ended.
  var patience = TokenCommand.maximumTime

  func token() async throws(AccessTokenFault) -> Secret {
    guard let end = await SystemClock().within(patience, { await finish() }) else {
      throw AccessTokenFault("\(program) gave no token within \(patience / .seconds(1)) s")
    }
    return try end.get()
  }

  private var program: String { words.first ?? "" }

  /// What the command's end means. Cancelled, it ends the command.
  private func finish() async -> Result<Secret, AccessTokenFault> {
    do {
      let end = try await run(
        Configuration(program: program, Array(words.dropFirst())), input: .none,
        output: .bytes(limit: TokenCommand.maximumOctets), error: .currentStandardError)
      let token = end.standardOutput.split(separator: UInt8(ascii: "\n"), maxSplits: 1).first ?? []
      guard end.terminationStatus.isSuccess, !token.isEmpty else {
        return .failure(AccessTokenFault("\(program) ended with \(end.terminationStatus) and no token"))
      }
      return .success(Secret(token))
    } catch let fault as SubprocessError where fault.code == .outputLimitExceeded {
      return .failure(AccessTokenFault("\(program) said more than \(TokenCommand.maximumOctets) octets"))
    } catch {
      return .failure(AccessTokenFault("\(program) can't be run: \(error)"))
    }
  }
}
