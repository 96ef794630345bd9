import Accounts
import ArgumentParser
import ControlPlane
import Foundation
import MailSyntax
import NIOPosix
import PasswordHashing
import SASLMechanisms

/// Where a password comes from. Never from an argument: those are there for every process to read.
struct PasswordOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Take the password from the first line of a file.", valueName: "file"))
  var passwordFile: String?
  @Flag(help: "Take the password from the first line of standard input; a terminal is asked without echo.")
  var passwordStdin = false
  @Flag(help: "Make SCRAM keys for your own password too.") var scram = false

  func validate() throws {
    guard passwordFile == nil || !passwordStdin else {
      throw ValidationError("A password has one source: --password-file or --password-stdin.")
    }
  }

  /// Nil when a random one is wanted.
  func read() throws -> NewPassword? {
    if let passwordFile {
      guard let data = FileManager.default.contents(atPath: passwordFile) else {
        throw FileTrouble("\(passwordFile): can't be read; its first line is the password")
      }
      return try NewPassword(chosen: data, from: passwordFile, hasKeys: scram)
    }
    guard passwordStdin else { return nil }
    if isatty(STDIN_FILENO) == 1 {
      // getpass(3) puts the terminal right again, whatever key is pressed.
      guard let first = getpass("Password: ").map({ Data(String(cString: $0).utf8) }),
        let second = getpass("Again: ").map({ Data(String(cString: $0).utf8) }), first == second
      else { throw ControlFault(.badRequest, "the two passwords differ; nothing was changed") }
      return try NewPassword(chosen: first, from: "terminal", hasKeys: scram)
    }
    let input = try FileHandle.standardInput.read(upToCount: NewPassword.maximumInputOctets) ?? Data()
    return try NewPassword(chosen: input, from: "standard input", hasKeys: scram)
  }
}

/// A password that is about to be set.
struct NewPassword {
  /// RFC 4616 has no bound; NIST SP 800-63B §3.1.1 asks for eight characters at the least.
  static let minimumCharacters = 8
  static let maximumInputOctets = 64 << 10

  private let password: Secret
  private let wasMade: Bool
  private let hasKeys: Bool

  /// 130 random bits. Keys of it tell a thief nothing, so it always has them.
  static func made() -> NewPassword {
    var generator = SystemRandomNumberGenerator()
    return NewPassword(password: RandomPassword.make(using: &generator), wasMade: true, hasKeys: true)
  }

  private init(password: Secret, wasMade: Bool, hasKeys: Bool) {
    self.password = password
    self.wasMade = wasMade
    self.hasKeys = hasKeys
  }

  /// The first line of `input`, prepared as SASL prepares it.
  init(chosen input: Data, from source: String, hasKeys: Bool) throws {
    let line = input.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
    guard !line.isEmpty else {
      throw ControlFault(.badRequest, "\(source): the first line, which is the password, is empty")
    }
    do throws(SASLFault) {
      password = try SASLPreparation.password(line)
    } catch {
      throw ControlFault(
        .badRequest,
        "\(source): a password is UTF-8 of at most \(ServerExchange.maximumPasswordOctets) octets without control "
          + "characters")
    }
    guard password.withExposedBytes({ String(decoding: $0, as: UTF8.self).count }) >= NewPassword.minimumCharacters
    else {
      throw ControlFault(
        .badRequest,
        "\(source): a password has at least \(NewPassword.minimumCharacters) characters; without one a strong one is made"
      )
    }
    wasMade = false
    self.hasKeys = hasKeys
  }

  func hash() async throws -> PasswordHash {
    do throws(PasswordHashingFault) {
      return try await Argon2idHasher(pool: .singleton).hash(password)
    } catch {
      throw ControlFault(.busy, "the password can't be hashed: there is no memory for argon2id (19 MiB); try again")
    }
  }

  func scramKeys() async throws -> SCRAMKeys? {
    guard hasKeys else { return nil }
    let salt = Secret.random(octets: SCRAMKeys.saltOctets).withExposedBytes { $0 }
    return try await NIOThreadPool.singleton.runIfActive { [password] in
      SCRAMKeys.derive(password: password, salt: salt, iterations: SCRAMKeys.recommendedIterations)
    }
  }

  /// What must be shown, for nobody knows it yet.
  var madeText: String? {
    wasMade ? password.withExposedBytes { String(decoding: $0, as: UTF8.self) } : nil
  }
}
