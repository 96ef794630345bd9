import Accounts
import DNSRecords
import Foundation
import MailSyntax
import Testing

@testable import Configuration

/// A file system in memory: what isn't in it is missing.
struct MemoryFiles: SurroundingFiles {
  var states: [String: FileState] = [:]
  var contents: [String: [UInt8]] = [:]
  var denied: Set<String> = []
  let workingFolder = "/"

  func read(_ path: String, maximumOctets: Int) throws(FileTrouble) -> [UInt8] {
    guard !denied.contains(path) else { throw FileTrouble(path, .denied) }
    guard let content = contents[path] else { throw FileTrouble(path, .missing) }
    guard content.count <= maximumOctets else { throw FileTrouble(path, .tooLarge) }
    return content
  }

  func state(of path: String) throws(FileTrouble) -> FileState {
    guard !denied.contains(path) else { throw FileTrouble(path, .denied) }
    guard let state = states[path] else { throw FileTrouble(path, .missing) }
    return state
  }
}

@Suite("Surroundings check")
struct SurroundingsCheckTests {
  struct Broken: Error, CustomStringConvertible {
    let description: String
  }

  static let now = UTCInstant(seconds: 1_700_000_000)

  static let text = """
    hostname: mail.example.com
    data: /data
    users: /users.json
    listen: {submissions: ":465"}
    tls:
      certificates:
        - chain: /c.pem
          key: /k.pem
      trust_roots: /roots.pem
    domains:
      example.com:
        recipients: [postmaster, anna]
        deliver: {maildir: "/mail/%d/%n"}
      example.org:
        recipients: [postmaster]
        deliver: {lmtp: "unix:/run/lmtp"}
    outbound:
      route: smarthost
      smarthost:
        host: smtp.example.net
        user: me
        password_file: /password

    """

  /// Everything in order.
  static var files: MemoryFiles {
    var files = MemoryFiles()
    files.states = [
      "/": FileState(.folder, permissions: 0o755, isWritable: false, isExecutable: true),
      "/data": FileState(.folder, permissions: 0o700, isExecutable: true),
      "/users.json": FileState(.file, permissions: 0o600), "/k.pem": FileState(.file, permissions: 0o640),
      "/password": FileState(.file, permissions: 0o600),
      "/mail": FileState(.folder, permissions: 0o755, isExecutable: true),
      "/run/lmtp": FileState(.socket, permissions: 0o666),
      "/bin/token": FileState(.file, permissions: 0o755, isExecutable: true),
    ]
    files.contents = [
      "/users.json": Array(
        #"{"version":1,"users":[{"name":"a","password_hash":"$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","priority":"normal","limits":{},"senders":["a@example.com"]}]}"#
          .utf8),
      "/password": Array("secret\n".utf8), "/c.pem": Array("chain".utf8), "/k.pem": Array("key".utf8),
    ]
    return files
  }

  static let facts = CertificateFacts(
    dnsNames: ["mail.example.com"], notValidBefore: now + .seconds(-86_400), notValidAfter: now + .seconds(90 * 86_400))

  private func check(
    _ text: String = text, _ files: MemoryFiles = files, facts: CertificateFacts? = facts, rootsAreGood: Bool = true,
    foreign: Set<IPAddress> = [], willListen: Bool = true
  ) throws -> [String] {
    let check = SurroundingsCheck(
      files: files, now: Self.now,
      loadCertificate: { pair in
        guard let facts else { throw Broken(description: "\(pair.chain): broken") }
        return facts
      },
      loadTrustRoots: { path in
        guard rootsAreGood else { throw Broken(description: "\(path ?? "the system"): no certificate") }
      }, bind: { foreign.contains($0) ? "this machine has no such address" : nil }, willListen: willListen)
    return check.findings(for: try parse(text)).map {
      "\($0.position?.description ?? "-"): \($0.severity.rawValue): \($0.text)"
    }
  }

  @Test("where all is in order nothing is found")
  func order() throws { #expect(try check() == []) }

  @Test("the data folder is a folder, writable, and nobody else's")
  func dataFolder() throws {
    var files = Self.files
    files.states["/data"] = FileState(.file, permissions: 0o600)
    #expect(try check(Self.text, files) == ["2:1: error: /data: this is not a folder"])
    files.states["/data"] = FileState(.folder, permissions: 0o700, isWritable: false, isExecutable: true)
    #expect(try check(Self.text, files) == ["2:1: error: /data: this process may not write there"])
    files.states["/data"] = FileState(.folder, permissions: 0o755, isExecutable: true)
    #expect(
      try check(Self.text, files) == [
        "2:1: warning: /data: everybody on this machine may look into it, mail and password hashes included"
      ])
    files.states["/data"] = nil
    #expect(
      try check(Self.text, files) == ["2:1: error: /data: there is no such folder, and this process may not make it"])
    files.states["/"] = FileState(.folder, permissions: 0o755, isWritable: true, isExecutable: true)
    #expect(try check(Self.text, files) == [])
    files.denied = ["/data"]
    #expect(try check(Self.text, files) == ["2:1: error: /data: permission denied"])
  }

  @Test("the file of trust anchors is there, readable, and not of the root's old key alone")
  func trustAnchors() throws {
    let text = Self.text + "dns: {trust_anchors: /anchors}\n"
    var files = Self.files
    #expect(try check(text, files) == ["23:7: error: /anchors: there is no such file"])
    files.contents["/anchors"] = Array("nonsense".utf8)
    #expect(try check(text, files).first?.hasPrefix("23:7: error: /anchors: line 1: ") == true)
    files.contents["/anchors"] = Array("\(RootAnchors.builtIn[0])".utf8)
    #expect(try check(text, files) == ["23:7: warning: /anchors: \(ValidationFault.anchorsOutOfDate)"])
    files.contents["/anchors"] = Array("\(RootAnchors.builtIn[1])".utf8)
    #expect(try check(text, files) == [])
  }

  @Test("the users file is there, readable and sound")
  func users() throws {
    var files = Self.files
    files.contents["/users.json"] = nil
    #expect(try check(Self.text, files) == ["3:1: warning: /users.json: there is no such file, so nobody can submit"])
    files.contents["/users.json"] = Array(#"{"version":1,"users":[]}"#.utf8)
    #expect(try check(Self.text, files) == ["3:1: warning: /users.json: there is no user, so nobody can submit"])
    files.contents["/users.json"] = Array("{".utf8)
    #expect(try check(Self.text, files).first?.hasPrefix("3:1: error: /users.json: ") == true)
    files.denied = ["/users.json"]
    #expect(try check(Self.text, files) == ["3:1: error: /users.json: permission denied"])
    files = Self.files
    files.states["/users.json"] = FileState(.file, permissions: 0o644)
    #expect(try check(Self.text, files) == ["3:1: warning: /users.json: everybody on this machine may read it"])
  }

  @Test("a user who writes as an address of ours that takes no mail is told of")
  func unreachableUser() throws {
    for (name, isTold) in [
      ("anna@example.com", false), ("ANNA+x@example.com", false), ("printer@example.com", true),
      ("anna@elsewhere.example", false), ("printer", false),
    ] {
      var files = Self.files
      let text = String(decoding: files.contents["/users.json"] ?? [], as: UTF8.self)
      files.contents["/users.json"] = Array(text.replacing("\"name\":\"a\"", with: "\"name\":\"\(name)\"").utf8)
      let expected =
        "12:5: warning: the user \(name) has no mailbox: answers and delivery reports to it are refused"
      #expect(try check(Self.text, files) == (isTold ? [expected] : []), "\(name)")
    }
  }

  @Test("certificates are a pair, in their time, and carry the host name")
  func certificates() throws {
    #expect(try check(facts: nil) == ["7:7: error: /c.pem: broken"])
    var facts = CertificateFacts(
      dnsNames: ["*.example.com"], notValidBefore: Self.facts.notValidBefore, notValidAfter: Self.now)
    #expect(try check(facts: facts) == ["7:7: error: /c.pem: the certificate has expired"])
    facts = CertificateFacts(
      dnsNames: ["*.example.com"], notValidBefore: Self.facts.notValidBefore,
      notValidAfter: Self.now + .seconds(3 * 86_400 + 5))
    #expect(try check(facts: facts) == ["7:7: warning: /c.pem: the certificate expires in 3 days"])
    facts = CertificateFacts(
      dnsNames: ["mail.example.org"], notValidBefore: Self.now + .seconds(1), notValidAfter: Self.facts.notValidAfter)
    #expect(
      try check(facts: facts) == [
        "7:7: error: /c.pem: the certificate is not valid yet",
        "7:7: warning: no certificate carries mail.example.com, so clients that connect to this name will refuse it",
      ])
    var files = Self.files
    files.denied = ["/k.pem"]
    files.contents["/c.pem"] = nil
    #expect(
      try check(Self.text, files) == [
        "7:7: error: /c.pem: there is no such file", "8:7: error: /k.pem: permission denied",
      ])
    files = Self.files
    files.states["/k.pem"] = FileState(.file, permissions: 0o644)
    #expect(try check(Self.text, files) == ["8:7: warning: /k.pem: everybody on this machine may read it"])
    #expect(try check(rootsAreGood: false) == ["9:3: error: /roots.pem: no certificate"])
    let withoutFile = Self.text.replacing("  trust_roots: /roots.pem\n", with: "")
    #expect(withoutFile != Self.text)
    let missing = try check(withoutFile, rootsAreGood: false)
    #expect(missing.count == 1 && missing[0].hasSuffix("error: the system: no certificate"))
    // LMTP on another machine shows a certificate too; a socket of this one shows none.
    let start = try #require(withoutFile.range(of: "outbound:")).lowerBound
    let local = String(withoutFile[..<start]) + "outbound: {route: none}\n"
    #expect(try check(local, rootsAreGood: false) == [])
    let remote = local.replacing("unix:/run/lmtp", with: "mail.example.net:24")
    #expect(
      try check(remote, rootsAreGood: false).contains { $0.hasSuffix("error: the system: no certificate") })
  }

  @Test("mail can be put where it is to go")
  func destinations() throws {
    var files = Self.files
    files.states["/mail"] = nil
    #expect(try check(Self.text, files) == ["13:15: error: /mail: no folder is there that this process may write in"])
    files.states["/mail"] = FileState(.folder, permissions: 0o755, isWritable: false, isExecutable: true)
    #expect(try check(Self.text, files) == ["13:15: error: /mail: no folder is there that this process may write in"])
    files = Self.files
    files.states["/run/lmtp"] = nil
    #expect(try check(Self.text, files) == ["16:15: warning: /run/lmtp: no socket is there now"])
  }

  @Test("the password file holds a password, for us alone")
  func password() throws {
    var files = Self.files
    files.states["/password"] = FileState(.file, permissions: 0o644)
    #expect(try check(Self.text, files) == ["22:5: warning: /password: everybody on this machine may read it"])
    files.contents["/password"] = Array("\nsecret".utf8)
    #expect(
      try check(Self.text, files) == ["22:5: error: /password: the first line, which is the secret, is empty"])
    files.contents["/password"] = nil
    #expect(try check(Self.text, files) == ["22:5: error: /password: there is no such file"])
    files.contents["/password"] = [UInt8](repeating: 0x61, count: SecretFile.maximumOctets + 1)
    #expect(try check(Self.text, files) == ["22:5: error: /password: the file is too large"])
  }

  @Test("where connections come from and clients come to are addresses of this machine")
  func addresses() throws {
    let text = Self.text
      .replacing(
        #"{submissions: ":465"}"#, with: #"{submissions: ["192.0.2.1:465", "192.0.2.9:465", "192.0.2.9:466"]}"#
      )
      .replacing(
        "  route: smarthost\n",
        with:
          "  route: smarthost\n  sources:\n    - address: 2001:db8::9\n    - address: 192.0.2.44\n      ehlo: a.example\n"
      )
    #expect(try check(text) == [])
    let foreign: Set<IPAddress> = [
      .v4(0xc000_0209), .v4(0xc000_022c), .v6(high: 0x2001_0db8_0000_0000, low: 9),
    ]
    #expect(
      try check(text, foreign: foreign) == [
        "4:10: error: 192.0.2.9: nobody can be listened to here: this machine has no such address",
        "20:16: error: 2001:db8::9: no connection can come from here: this machine has no such address",
        "21:16: error: 192.0.2.44: no connection can come from here: this machine has no such address",
      ])
    // A reload leaves the listeners as they are.
    #expect(try check(text, foreign: foreign, willListen: false).count == 2)
  }

  @Test("a fault that a part of the mail meets, or none yet, is an error that a server can be started with")
  func errorsToServeWith() throws {
    let facts = CertificateFacts(
      dnsNames: ["mail.example.com"], notValidBefore: Self.facts.notValidBefore, notValidAfter: Self.now)
    var files = Self.files
    files.states["/mail"] = nil
    files.states["/data"] = FileState(.folder, permissions: 0o700, isWritable: false, isExecutable: true)
    let check = SurroundingsCheck(
      files: files, now: Self.now, loadCertificate: { _ in facts }, loadTrustRoots: { _ in }, bind: { _ in nil })
    let findings = check.findings(for: try parse(Self.text))
    #expect(findings.allSatisfy { $0.severity == .error })
    #expect(
      findings.map { "\($0.allowsServing) \($0.text)" } == [
        "false /data: this process may not write there", "true /c.pem: the certificate has expired",
        "true /mail: no folder is there that this process may write in",
      ])
  }

  @Test("the system says which addresses are this machine's")
  func systemAddresses() {
    #expect(SystemAddresses.trouble(binding: .v4(0x7f00_0001)) == nil)
    #expect(SystemAddresses.trouble(binding: .v4(0)) == nil)
    // RFC 5737, RFC 3849: nobody has them.
    #expect(SystemAddresses.trouble(binding: .v4(0xc000_022c)) == "this machine has no such address")
    #expect(SystemAddresses.trouble(binding: .v6(high: 0x2001_0db8_0000_0000, low: 9)) != nil)
  }

  @Test("of a file that is faulty elsewhere the places of data and users are known")
  func placesInFaultyFile() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-\(UInt64.random(in: 0 ... .max))")
      .path()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/martlet.yaml"
    for (text, data, users) in [
      ("data: /d\nnonsense: 1\n", "/d", "/d/users.json"),
      ("limit: {}\nusers: u.json\ndata: ./d\n", "\(folder)/d", "\(folder)/u.json"),
      ("data: [1]\n", nil, nil), ("data: /d\nusers: [x]\n", nil, nil), ("hostname: a.example\n", nil, nil),
      ("data: /d\n  bad: [\n", nil, nil), ("data: /d\ndata: /e\n", nil, nil),
    ] as [(String, String?, String?)] {
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      let places = ConfigurationFile.places(inFaulty: path)
      #expect(places?.dataFolder == data && places?.usersFile == users, "\(text)")
    }
  }

  @Test("the token's program can be run")
  func token() throws {
    let text = Self.text.replacing("password_file: /password", with: "token_command: [/bin/token, -x]")
    #expect(try check(text) == [])
    var files = Self.files
    files.states["/bin/token"] = FileState(.file, permissions: 0o644)
    #expect(try check(text, files) == ["22:5: error: /bin/token: this is no program that this process may run"])
    files.states["/bin/token"] = nil
    #expect(try check(text, files) == ["22:5: error: /bin/token: this is no program that this process may run"])
  }

  @Test(
    "a secret is the first line of its file, whatever ends it",
    arguments: ["pass word", "pass word\n", "pass word\r\nmore"])
  func secret(_ content: String) throws {
    let files = MemoryFiles(contents: ["/p": Array(content.utf8)])
    let secret = try SecretFile.read("/p", files: files)
    #expect(secret.isEqual(inConstantTimeTo: Secret("pass word")))
    #expect("\(secret)" == "(redacted)")
  }

  @Test("the machine's files say what they are")
  func system() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-\(UInt64.random(in: 0 ... .max))")
      .path()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = "\(folder)/file"
    let content = [UInt8]((0..<200_000).map { UInt8(truncatingIfNeeded: $0) })
    try Data(content).write(to: URL(filePath: path))
    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
    let files = SystemFiles()
    #expect(try files.read(path, maximumOctets: 200_000) == content)
    #expect(throws: FileTrouble(path, .tooLarge)) { try files.read(path, maximumOctets: 100_000) }
    #expect(throws: FileTrouble("\(path)s", .missing)) { try files.read("\(path)s", maximumOctets: 1) }
    let state = try files.state(of: path)
    #expect(state.kind == .file && state.permissions == 0o640 && state.isWritable && !state.isExecutable)
    #expect(try files.state(of: folder).kind == .folder)
    #expect(throws: FileTrouble("\(path)/x", .missing)) { try files.state(of: "\(path)/x") }
    #expect(files.workingFolder == FileManager.default.currentDirectoryPath)
  }
}
