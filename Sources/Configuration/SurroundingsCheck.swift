import Accounts
public import MailSyntax
import Relay
import SMTPSessions

/// What a certificate of the configuration says, once its chain and key were read as a pair.
public struct CertificateFacts: Hashable, Sendable {
  public let dnsNames: [String]
  public let notValidBefore: UTCInstant
  public let notValidAfter: UTCInstant
  public init(dnsNames: [String], notValidBefore: UTCInstant, notValidAfter: UTCInstant) {
    self.dnsNames = dnsNames
    self.notValidBefore = notValidBefore
    self.notValidAfter = notValidAfter
  }
}

/// Looks at what a configuration names: files, folders, certificates. Nothing is changed, and nothing asked of the
/// network.
public struct SurroundingsCheck: Sendable {
  /// Of a certificate's chain or key.
  static let maximumCertificateOctets = 1 << 20
  /// A certificate that ends within this time is warned of.
  public static let certificateNotice: Duration = .seconds(14 * 86_400)

  let files: any SurroundingFiles
  let now: UTCInstant
  let loadCertificate: @Sendable (Configuration.CertificateFiles) throws -> CertificateFacts
  let loadTrustRoots: @Sendable (String?) throws -> Void
  let bind: @Sendable (IPAddress) -> String?
  let willListen: Bool

  /// - Parameters:
  ///   - loadCertificate: reads chain and key, and throws what describes their fault.
  ///   - loadTrustRoots: reads one file of authorities, or without a name the system's, and throws what describes its
  ///     fault.
  ///   - bind: tries whether a socket can have an address of this machine, and says why not.
  ///   - willListen: whether the listeners are yet to be opened; a reload leaves them as they are.
  public init(
    files: any SurroundingFiles = SystemFiles(), now: UTCInstant,
    loadCertificate: @escaping @Sendable (Configuration.CertificateFiles) throws -> CertificateFacts,
    loadTrustRoots: @escaping @Sendable (String?) throws -> Void,
    bind: @escaping @Sendable (IPAddress) -> String? = SystemAddresses.trouble(binding:), willListen: Bool = true
  ) {
    self.files = files
    self.now = now
    self.loadCertificate = loadCertificate
    self.loadTrustRoots = loadTrustRoots
    self.bind = bind
    self.willListen = willListen
  }

  /// What is wrong or doubtful, in the order of the file. The server can be started where each `allowsServing`.
  public func findings(for file: ConfigurationFile) -> [ConfigurationFinding] {
    var report = Report(file: file)
    checkDataFolder(&report)
    checkUsers(&report)
    checkCertificates(&report)
    checkTrustRoots(&report)
    checkTrustAnchors(&report)
    checkDestinations(&report)
    checkSmarthost(&report)
    checkAddresses(&report)
    return report.findings.inOrderOfFile
  }

  struct Report {
    let file: ConfigurationFile
    var findings: [ConfigurationFinding] = []
    var configuration: Configuration { file.configuration }

    /// - Parameter places: the first that is in the file gives the position.
    mutating func add(
      _ severity: ConfigurationFinding.Severity, _ text: String, at places: String..., remedy: String? = nil,
      allowsServing: Bool = false
    ) {
      findings.append(
        ConfigurationFinding(
          severity, file: file.fileName, position: places.lazy.compactMap(file.position(of:)).first, text: text,
          remedy: remedy, allowsServing: allowsServing))
    }
  }

  // MARK: Folders and users

  private func checkDataFolder(_ report: inout Report) {
    let path = report.configuration.dataFolder
    do throws(FileTrouble) {
      let state = try files.state(of: path)
      guard state.kind == .folder else {
        return report.add(.error, "\(path): this is not a folder", at: "data", remedy: "name a folder")
      }
      if !state.isWritable || !state.isExecutable {
        report.add(
          .error, "\(path): this process may not write there", at: "data",
          remedy: "run: chown USER \(path), with the user that runs martlet")
      }
      if state.permissions & 0o007 != 0 {
        report.add(
          .warning, "\(path): everybody on this machine may look into it, mail and password hashes included",
          at: "data", remedy: "run: chmod o-rwx \(path)")
      }
    } catch {
      guard error.cause == .missing else {
        return report.add(.error, "\(path): \(error.reason)", at: "data", remedy: "name a folder that can be reached")
      }
      guard canMake(path) else {
        return report.add(
          .error, "\(path): there is no such folder, and this process may not make it", at: "data",
          remedy: "run: install -d -m 700 -o USER \(path), with the user that runs martlet")
      }
    }
  }

  private func checkUsers(_ report: inout Report) {
    guard report.configuration.listeners.contains(where: \.role.isSubmission) else { return }
    let path = report.configuration.usersFile
    let remedy = "run: martlet user add NAME --config \(report.file.fileName)"
    do throws(FileTrouble) {
      let octets = try files.read(path, maximumOctets: UserFile.maximumOctets)
      do {
        let directory = try UserFile.decode(octets)
        if directory.users.isEmpty {
          report.add(.warning, "\(path): there is no user, so nobody can submit", at: "users", "data", remedy: remedy)
        }
        warnOfUnreachable(directory, &report)
      } catch {
        report.add(.error, "\(path): \(error)", at: "users", "data", remedy: "mend the file, or restore it")
      }
      warnOfReaders(of: path, &report, at: "users")
    } catch {
      guard error.cause == .missing else {
        return report.add(
          .error, "\(path): \(error.reason)", at: "users", "data", remedy: "let the user that runs martlet read it")
      }
      report.add(
        .warning, "\(path): there is no such file, so nobody can submit", at: "users", "data", remedy: remedy)
    }
  }

  /// Who writes as an address of ours and can't be written to gets neither answers nor reports.
  private func warnOfUnreachable(_ directory: UserDirectory, _ report: inout Report) {
    for unreachable in report.configuration.unreachable(directory.users) {
      report.add(
        .warning, unreachable.text, at: "\(unreachable.place).recipients", unreachable.place, remedy: unreachable.remedy
      )
    }
  }

  /// Secrets that everybody may read are none.
  func warnOfReaders(of path: String, _ report: inout Report, at place: String) {
    guard let state = try? files.state(of: path), state.permissions & 0o004 != 0 else { return }
    report.add(
      .warning, "\(path): everybody on this machine may read it", at: place, "data", remedy: "run: chmod o-r \(path)")
  }

  /// Whether the nearest folder above that exists lets this process make more below.
  private func canMake(_ path: String) -> Bool {
    var path = path[...]
    while let slash = path.dropFirst().lastIndex(of: "/") {
      path = path[..<slash]
      if let state = try? files.state(of: String(path)) {
        return state.kind == .folder && state.isWritable && state.isExecutable
      }
    }
    return (try? files.state(of: "/"))?.isWritable ?? false
  }

  // MARK: Where mail goes

  private func checkDestinations(_ report: inout Report) {
    for domain in report.configuration.domains {
      check(domain.deliver, &report, at: "\(Configuration.place(of: domain.name)).deliver")
    }
    switch report.configuration.outbound.route {
    case .local(let destination): check(destination, &report, at: "outbound.maildir")
    case .none, .exchangers, .smarthost: break
    }
  }

  private func check(_ destination: Configuration.Destination, _ report: inout Report, at place: String) {
    switch destination {
    case .maildir(let path):
      // What is the same for all mailboxes is the operator's to make: mail must not go under a disk that isn't mounted.
      let fixed = path.prefix { $0 != "%" }
      let folder = fixed[..<(fixed.lastIndex(of: "/") ?? fixed.startIndex)]
      guard !isWritableFolder(folder.isEmpty ? "/" : String(folder)) else { return }
      report.add(
        .error, "\(folder.isEmpty ? "/" : folder): no folder is there that this process may write in",
        at: "\(place).maildir", place,
        remedy: "run: install -d -m 700 -o USER \(folder), with the user that runs martlet, or mount its disk; mail "
          + "for it waits until then", allowsServing: true)
    case .lmtp(.unixSocket(let path)):
      guard (try? files.state(of: path))?.kind != .socket else { return }
      report.add(
        .warning, "\(path): no socket is there now", at: "\(place).lmtp", place, remedy: "start the LMTP server")
    case .lmtp(.host), .lmtp(.address), .lmtp(.addresses), .discard: break
    }
  }

  private func isWritableFolder(_ path: String) -> Bool {
    guard let state = try? files.state(of: path) else { return false }
    return state.kind == .folder && state.isWritable && state.isExecutable
  }

  private func checkSmarthost(_ report: inout Report) {
    guard case .smarthost(let smarthost) = report.configuration.outbound.route else { return }
    switch smarthost.authentication {
    case .none: break
    case .password(_, let path):
      let place = "outbound.smarthost.password_file"
      do {
        _ = try SecretFile.read(path, files: files)
        warnOfReaders(of: path, &report, at: place)
      } catch {
        report.add(
          .error, "\(path): \(error.reason)", at: place, remedy: "put the password there, as the only line")
      }
    case .tokenCommand(_, let command):
      guard let program = command.first else { return }
      guard let state = try? files.state(of: program), state.kind == .file, state.isExecutable else {
        return report.add(
          .error, "\(program): this is no program that this process may run", at: "outbound.smarthost.token_command",
          remedy: "give the path of a program, and let the user that runs martlet execute it", allowsServing: true)
      }
    }
  }
}
