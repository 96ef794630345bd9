import Foundation
import MailSyntax
import Relay
import SASLMechanisms

/// Gets an access token from a command's output: how secrets come from wherever the operator keeps them.
struct TokenCommand: AccessTokenSource {
  static let maximumOctets = 16_384
  static let maximumSeconds = 30.0
  let words: [String]

  func token() async throws(AccessTokenFault) -> Secret {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = words
    let output = Pipe()
    process.standardOutput = output
    process.standardInput = FileHandle.nullDevice
    do {
      let data = try await withCheckedThrowingContinuation { (done: CheckedContinuation<Data, any Error>) in
        // Reading to the end blocks: it has a thread of its own.
        Thread.detachNewThread {
          do {
            try process.run()
            let overdue = DispatchWorkItem { process.terminate() }
            DispatchQueue.global().asyncAfter(deadline: .now() + TokenCommand.maximumSeconds, execute: overdue)
            let data = try output.fileHandleForReading.read(upToCount: TokenCommand.maximumOctets) ?? Data()
            // A command that says more than is taken must not wait for a reader.
            try output.fileHandleForReading.close()
            process.waitUntilExit()
            overdue.cancel()
            done.resume(returning: data)
          } catch {
            done.resume(throwing: error)
          }
        }
      }
      let token = data.split(separator: UInt8(ascii: "\n"), maxSplits: 1).first ?? Data()
      guard process.terminationStatus == 0, !token.isEmpty else {
        throw AccessTokenFault("\(words.first ?? "") ended with \(process.terminationStatus) and no token")
      }
      return Secret(token)
    } catch let fault as AccessTokenFault {
      throw fault
    } catch {
      throw AccessTokenFault("\(words.first ?? "") can't be run: \(error.localizedDescription)")
    }
  }
}
