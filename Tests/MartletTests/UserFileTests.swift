import Accounts
import ControlPlane
import Foundation
import MailSyntax
import NIOPosix
import PasswordHashing
import SASLMechanisms
import Testing

@testable import martlet

@Suite("Users of the command line")
struct UserFileTests {
  static let hash = PasswordHash(encoded: "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g")

  private func user(
    _ name: String, senders: [String] = ["*"], hasKeys: Bool = false, quota: QuotaLimits = QuotaLimits()
  ) throws -> User {
    User(
      name: try UserName(name), passwordHash: try #require(UserFileTests.hash),
      scramKeys: hasKeys
        ? SCRAMKeys(salt: [1], iterations: 4096, storedKey: Secret("stored-key"), serverKey: Secret("server-key"))
        : nil,
      senders: try SenderRights(try senders.map { try SenderPattern($0) }), quota: quota)
  }

  @Test("are written whole, with mode 0600, and one change follows another")
  func edits() throws {
    let folder = try TestFolder()
    let place = OperatingPlace(dataFolder: folder.path)
    let file = UserFileEditor(place)
    for name in ["anna@example.org", "bob"] {
      let user = try user(name)
      _ = try file.edit { try $0.setting(user) }
    }
    var facts = stat()
    #expect(stat(place.usersFile, &facts) == 0)
    #expect(facts.st_mode & 0o777 == 0o600)
    #expect(try UserFiles.load(place.usersFile).users.map(\.name.description) == ["anna@example.org", "bob"])
    _ = try file.edit { try #require($0.removing(try UserName("ANNA@example.org"))) }
    #expect(try UserFiles.load(place.usersFile).users.map(\.name.description) == ["bob"])
  }

  @Test("of a folder that isn't there are not none: the folder is named, and not made")
  func missingFolder() throws {
    let folder = try TestFolder()
    let place = OperatingPlace(dataFolder: folder.path + "/absent")
    let error = #expect(throws: FileTrouble.self) { try UserFileEditor(place).requireFolder() }
    #expect(error?.description.contains("/absent: there is no such folder") == true)
    #expect(!FileManager.default.fileExists(atPath: place.dataFolder))
    try UserFileEditor(OperatingPlace(dataFolder: folder.path)).requireFolder()
  }

  @Test("changed at the same time by many commands are all there in the end")
  func concurrentEdits() async throws {
    let folder = try TestFolder()
    let place = OperatingPlace(dataFolder: folder.path)
    let names = (0..<40).map { "user\($0)" }
    try await withThrowingTaskGroup { group in
      for name in names {
        let user = try user(name)
        group.addTask {
          try await NIOThreadPool.singleton.runIfActive {
            _ = try UserFileEditor(place).edit { try $0.setting(user) }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(Set(try UserFiles.load(place.usersFile).users.map(\.name.description)) == Set(names))
  }

  @Test("that can't be are refused, and the file stays as it was")
  func faults() throws {
    let folder = try TestFolder()
    let place = OperatingPlace(dataFolder: folder.path)
    let anna = try user("anna")
    _ = try UserFileEditor(place).edit { try $0.setting(anna) }
    let before = FileManager.default.contents(atPath: place.usersFile)
    #expect(throws: ControlFault.self) {
      _ = try UserFileEditor(place).edit { directory in
        guard directory.user(named: "Anna") == nil else { throw UserFault.duplicateName(anna.name) }
        return directory
      }
    }
    let missing = #expect(throws: ControlFault.self) {
      _ = try UserFileEditor(place).edit {
        _ = try $0.knownUser("eve", in: place); return $0
      }
    }
    #expect(missing?.kind == .notFound)
    #expect(FileManager.default.contents(atPath: place.usersFile) == before)
  }

  @Test("hear that no server runs where none does")
  func noServer() async throws {
    let folder = try TestFolder()
    let answer = await UserFileEditor(OperatingPlace(dataFolder: folder.path)).tellServer()
    guard case .notRunning = answer else {
      Issue.record("nobody serves this folder")
      return
    }
  }

  @Test("with a made password always have SCRAM keys, with a chosen one only when it is asked for")
  func keys() async throws {
    let made = NewPassword.made()
    #expect(try #require(made.madeText).count == 26)
    #expect(try await made.scramKeys() != nil)
    let input = Data("correct horse\nsecond line".utf8)
    #expect(try await NewPassword(chosen: input, from: "test", hasKeys: false).scramKeys() == nil)
    let keyed = try NewPassword(chosen: input, from: "test", hasKeys: true)
    #expect(keyed.madeText == nil)
    let keys = try #require(try await keyed.scramKeys())
    // The same password gives the same keys by the same salt, the second line nothing.
    let again = SCRAMKeys.derive(password: Secret("correct horse"), salt: keys.salt, iterations: keys.iterations)
    #expect(keys.storedKey.isEqual(inConstantTimeTo: again.storedKey))
    #expect(keys.iterations == SCRAMKeys.recommendedIterations && keys.salt.count == SCRAMKeys.saltOctets)
    let check = await Argon2idHasher(pool: .singleton).verify(Secret("correct horse"), against: try await keyed.hash())
    #expect(check == .matches)
  }

  @Test(
    "with a password that can't be hear why", arguments: ["", "\nsecond", "seven77", "tab\tinside", "nul\u{0}inside"])
  func badPasswords(_ text: String) {
    let error = #expect(throws: ControlFault.self) {
      try NewPassword(chosen: Data(text.utf8), from: "test", hasKeys: false)
    }
    // The file is there and was read: it is its content that won't do.
    #expect(error?.kind.exitCode == ExitStatus.badData)
  }

  @Test("warn of a user that no mail reaches")
  func unreachable() throws {
    let added = try user("printer@example.org", senders: ["printer@example.org"], hasKeys: true)
    var notice = UserNotice(
      user: added, deed: .added, madePassword: nil, server: .knows, offersSCRAM: true, usersFile: "/d/users.json")
    notice.warning = "the user printer@example.org has no mailbox; add printer to domains.example.org.recipients"
    expectFits(notice.lines)
    #expect(notice.lines.contains { $0.hasPrefix("Warning: the user printer@example.org has no mailbox") })
    #expect(try QueueText.json(notice).contains(#""warning":"the user"#))
  }

  @Test("that are added with a made password read it once and clearly")
  func addedNotice() throws {
    let notice = UserNotice(
      user: try user("app@example.org", senders: ["app@example.org"], hasKeys: true), deed: .added,
      madePassword: "k3v0k3v0k3v0k3v0k3v0k3v0k3", server: .knows, offersSCRAM: true,
      usersFile: "/var/lib/martlet/users.json")
    expectFits(notice.lines)
    #expect(
      notice.lines == [
        "User app@example.org is added to /var/lib/martlet/users.json.",
        "",
        "  user      app@example.org",
        "  password  k3v0k3v0k3v0k3v0k3v0k3v0k3",
        "",
        "The password is shown this once and kept nowhere: copy it now.",
        "It may write as app@example.org, and as <>.",
        "The running server knows it already.",
      ])
    #expect(
      try QueueText.json(notice)
        == #"{"password":"k3v0k3v0k3v0k3v0k3v0k3v0k3","reloaded":true,"scram_offered":true,"user":{"disabled":false,"#
        + #""limits":{},"name":"app@example.org","priority":"normal","scram":true,"senders":["app@example.org"]},"#
        + #""users_file":"/var/lib/martlet/users.json"}"#)
  }

  @Test("that are added with a chosen password without keys read what that means")
  func chosenNotice() throws {
    let lines = UserNotice(
      user: try user("printer"), deed: .added, madePassword: nil, server: .notRunning, offersSCRAM: false,
      usersFile: "/d/users.json"
    ).lines
    expectFits(lines)
    #expect(
      lines == [
        "User printer is added to /d/users.json.",
        "It may write as *, and as <>.",
        "It has no SCRAM keys, so SCRAM-SHA-256 is offered to nobody; --scram makes keys.",
        "No server runs here; it will know when it starts.",
      ])
  }

  @Test("are listed in a table of 80 columns, never with hash or keys")
  func listing() throws {
    let directory = try UserDirectory([
      try user("app@example.org", senders: ["app@example.org", "@example.com", "x@example.net"], hasKeys: true),
      try user(
        String(repeating: "long", count: 20), quota: QuotaLimits(messagesPerHour: 100, recipientsPerDay: 5000)),
    ])
    let lines = UserListing.lines(directory)
    expectFits(lines)
    #expect(
      lines == [
        "NAME                            PRIORITY     SCRAM  SENDERS",
        "app@example.org                 normal       yes    app@example.org and 2 more",
        "longlonglonglonglonglonglongl…  normal       no     *",
        "  100 messages an hour, 5000 recipients a day",
        "2 users. SCRAM-SHA-256 is not offered: not every user has keys.",
      ])
    for user in directory.users {
      let json = try QueueText.json(UserFacts(user))
      #expect(!json.contains("argon2id") && !json.contains("stored-key"))
    }
  }
}
