import Accounts
import ArgumentParser
import Certificates
import Configuration
import Foundation
import MailQueue
import MailSyntax
import NIOPosix
import PasswordHashing
import Relay
import SASLMechanisms
import SMTPSessions
import SystemWorld

struct Dev: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "A local mail server for the program you are writing: catches all mail.",
    discussion: """
      Needs no configuration. Makes a certificate authority, a certificate for localhost and a user in the data \
      folder, listens on loopback alone, and puts whatever is accepted into DATA/maildir by way of the real queue. \
      Every listener does what its counterpart on the internet does: 465 is TLS from the first byte, 587 and 2525 \
      demand STARTTLS, all three demand the password, and 25 takes mail for any recipient.
      """)

  @Option(help: "The folder for keys, user, queue and caught mail.") var data = "martlet-dev"
  @Option(
    name: .customLong("port-base"), help: "Added to 465, 587, 2525 and 25; 0 picks free ports.") var portBase = 2000
  @Flag(help: "Print one JSON object as the first line instead of text.") var json = false

  func validate() throws {
    guard (0...60_000).contains(portBase) else { throw ValidationError("--port-base is between 0 and 60000.") }
  }

  func run() async throws {
    let signals = Signals()
    let folder = URL(filePath: data).standardizedFileURL.path()
    let place = try await DevelopmentPlace.ensure(in: folder)
    let log = LogWriter(descriptor: STDERR_FILENO, format: json ? .json : DevelopmentLog.format, clock: SystemClock())
    defer { log.close() }
    let house = try await House.opened(
      place.configuration(portBase: UInt16(portBase)), relayReach: .anywhere, log: log,
      segmentSize: DevelopmentPlace.segmentSize)
    let notice = DevelopmentNotice(place: place, house: house)
    Console.print(json ? notice.json : notice.text)
    _ = await house.run(until: signals)
  }
}

/// What `dev` keeps in its folder.
struct DevelopmentPlace {
  static let userName = "dev"
  /// Small: test mail is little, and a segment is written whole before its first use.
  static let segmentSize = ByteCount.mebibytes(4)

  let folder: String
  let password: String
  let tls: DevelopmentAuthority.Files
  var maildir: String { folder + "/maildir" }
  var usersFile: String { folder + "/users.json" }

  /// Makes what is missing, and keeps what is there: a program's settings stay true over restarts.
  static func ensure(in folder: String) async throws -> DevelopmentPlace {
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      let tls = try DevelopmentAuthority.ensure(in: folder + "/tls", now: SystemClock().now)
      // A program may look for mail before any has come.
      for name in ["cur", "new", "tmp"] {
        try FileManager.default.createDirectory(
          atPath: "\(folder)/maildir/\(name)", withIntermediateDirectories: true,
          attributes: [.posixPermissions: 0o700])
      }
      let password = try await ensureUser(in: folder)
      return DevelopmentPlace(folder: folder, password: password, tls: tls)
    } catch let error as CocoaError {
      Console.complain("\(folder): \(error.localizedDescription)")
      throw ExitStatus.cannotCreate
    } catch {
      // Whoever interrupts knows why it isn't done.
      try Task.checkCancellation()
      Console.complain("\(folder): \(error)")
      throw ExitStatus.cannotCreate
    }
  }

  /// The password lies beside the users file: it guards caught test mail on loopback, and must survive a restart.
  private static func ensureUser(in folder: String) async throws -> String {
    let passwordFile = folder + "/password"
    if let kept = try? String(contentsOfFile: passwordFile, encoding: .utf8),
      FileManager.default.fileExists(atPath: folder + "/users.json")
    {
      return kept.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    var generator = SystemRandomNumberGenerator()
    let password = RandomPassword.make(using: &generator)
    let pool = NIOThreadPool(numberOfThreads: 1)
    pool.start()
    defer { pool.shutdownGracefully { _ in } }
    let user = User(
      name: try UserName(userName), passwordHash: try await Argon2idHasher(pool: pool).hash(password),
      scramKeys: SCRAMKeys.derive(
        password: password, salt: Array(Secret.random(octets: 16).withExposedBytes { $0 }), iterations: 4096),
      senders: try SenderRights([SenderPattern("*")]))
    try UserFiles.save(try UserDirectory([user]), to: folder + "/users.json")
    let text = password.withExposedBytes { String(decoding: $0, as: UTF8.self) }
    try SecretFiles.replace(passwordFile, with: Array((text + "\n").utf8))
    return text
  }

  func configuration(portBase: UInt16) throws -> Configuration {
    let addresses = Loopback.addresses
    func listener(_ role: ListenerRole, _ port: UInt16) -> Configuration.Listener {
      let port = portBase == 0 ? Loopback.freePort() : portBase + port
      return .init(role: role, addresses: addresses.map { SocketEndpoint(address: $0, port: port) })
    }
    return Configuration(
      hostName: try DomainName("localhost"), dataFolder: folder + "/queue",
      listeners: [
        listener(.submissions, 465), listener(.submission, 587), listener(.submission, 2525), listener(.relay, 25),
      ],
      certificates: [.init(chainFile: tls.chain, keyFile: tls.key)], usersFile: usersFile, domains: [],
      outbound: .init(.local(.maildir(path: maildir))))
  }
}

/// What `dev` says when it listens.
struct DevelopmentNotice {
  let place: DevelopmentPlace
  let ports: (submissions: UInt16, submission: UInt16, alternate: UInt16, relay: UInt16)

  init(place: DevelopmentPlace, house: House) {
    self.place = place
    func port(_ index: Int) -> UInt16 { house.endpoints(index).first?.port ?? 0 }
    ports = (port(0), port(1), port(2), port(3))
  }

  private struct Ready: Encodable {
    struct Ports: Encodable { var submissions, submission, alternate, relay: UInt16 }
    var ready = true
    var ports: Ports
    var ca, user, password, maildir: String
  }

  var json: String {
    let ready = Ready(
      ports: .init(
        submissions: ports.submissions, submission: ports.submission, alternate: ports.alternate, relay: ports.relay),
      ca: place.tls.authority, user: DevelopmentPlace.userName, password: place.password, maildir: place.maildir)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(ready)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  var text: String {
    let user = DevelopmentPlace.userName
    return """
      Martlet catches mail on 127.0.0.1 and ::1. Ctrl-C stops it.

        submissions  \(ports.submissions)  TLS from the first byte (465)
        submission   \(ports.submission)  STARTTLS required (587)
        alternate    \(ports.alternate)  STARTTLS required (2525)
        relay        \(ports.relay)  from other servers (25), any recipient, no password

        user         \(user)
        password     \(place.password)
        authority    \(place.tls.authority)
        mail         \(place.maildir)

      Python:
        context = ssl.create_default_context(cafile="\(place.tls.authority)")
        smtp = smtplib.SMTP_SSL("localhost", \(ports.submissions), context=context)
        smtp.login("\(user)", "\(place.password)")

      Nodemailer:
        nodemailer.createTransport({ host: "localhost", port: \(ports.submissions), secure: true,
          auth: { user: "\(user)", pass: "\(place.password)" },
          tls: { ca: fs.readFileSync("\(place.tls.authority)") } })

      Jakarta Mail (import the authority into a trust store first):
        mail.smtp.host=localhost  mail.smtp.port=\(ports.submission)  mail.smtp.auth=true
        mail.smtp.starttls.enable=true  mail.smtp.starttls.required=true

      swaks:
        swaks --server localhost:\(ports.submissions) --tls-on-connect \\
          --tls-ca-path \(place.tls.authority) --tls-verify \\
          --auth PLAIN --auth-user \(user) --auth-password \(place.password) \\
          --from you@example.com --to someone@example.org

      curl (a file with CRLF line ends, or --crlf):
        curl --ssl-reqd smtps://localhost:\(ports.submissions) --cacert \(place.tls.authority) \\
          --user \(user):\(place.password) --mail-from you@example.com \\
          --mail-rcpt someone@example.org --crlf --upload-file message.eml

      openssl:
        openssl s_client -connect localhost:\(ports.submission) -starttls smtp -crlf \\
          -CAfile \(place.tls.authority)

      """
  }
}
