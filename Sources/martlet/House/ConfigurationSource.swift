import ArgumentParser
import Configuration
import Foundation
import SMTPTransport
import SystemWorld

/// The file that a server runs on.
struct ConfigurationSource: Sendable {
  let path: String
  /// Called when it was read again and taken.
  let taken: @Sendable (Configuration) -> Void

  /// The configuration and what there is to say of it and of what it names, all as `martlet check` finds it. What keeps
  /// a server from serving is thrown, every fault at once.
  /// - Parameter willListen: whether the listeners are yet to be opened.
  func load(willListen: Bool = true) throws(ConfigurationFaults) -> (Configuration, remarks: [ConfigurationFinding]) {
    let file = try ConfigurationFile.load(path: path)
    let findings = SurroundingsCheck.ofThisMachine(willListen: willListen).findings(for: file)
    guard findings.allSatisfy(\.allowsServing) else {
      throw ConfigurationFaults(file.warnings + findings)
    }
    return (file.configuration, ConfigurationFaults(file.warnings + findings).findings)
  }

  /// The same for a command that has nobody but a person to tell: the remarks come back, the faults end it.
  func loadOrExplain() throws -> (Configuration, remarks: [ConfigurationFinding]) {
    do throws(ConfigurationFaults) {
      return try load()
    } catch {
      Console.explain(error.description)
      throw ConfigurationSource.exitCode(ofFaultsIn: path)
    }
  }

  /// The file's own word, for commands that only need to know where things are; what it names is not looked at, and what
  /// is probably not meant so is left to `serve` and `check` to say.
  static func loadOrExplain(_ path: String) throws -> Configuration {
    do throws(ConfigurationFaults) {
      return try ConfigurationFile.load(path: path).configuration
    } catch {
      Console.explain(error.description)
      throw exitCode(ofFaultsIn: path)
    }
  }

  /// 66 where there is no such file, 78 where it is wrong.
  static func exitCode(ofFaultsIn path: String) -> ExitCode {
    FileManager.default.fileExists(atPath: path) ? ExitStatus.badConfiguration : ExitStatus.noInput
  }
}

extension SurroundingsCheck {
  /// With the certificates and roots read as the server reads them.
  static func ofThisMachine(willListen: Bool = true) -> SurroundingsCheck {
    SurroundingsCheck(
      now: SystemClock().now,
      loadCertificate: { files in
        let identity = try TLSIdentityFiles(chain: files.chain, key: files.key).load()
        return CertificateFacts(
          dnsNames: identity.dnsNames, notValidBefore: identity.notValidBefore, notValidAfter: identity.notValidAfter)
      },
      loadTrustRoots: { _ = try TrustRoots.files($0.map { [$0] } ?? []) }, willListen: willListen)
  }
}
